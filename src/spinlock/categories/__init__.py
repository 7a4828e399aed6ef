"""Discovery of categories: partitions of the columns into groups that vary together.

The input of all steps is the correlation matrix [D, D] of the training rows. A partition is an array of labels [D]. The
columns are clustered hierarchically, categories are merged, and single columns are moved until the centroids of the
categories are nearly orthogonal. A score function of the caller, such as the quality on held-out rows, selects one of
the candidate partitions.
"""

from spinlock.categories.candidates import Candidate
from spinlock.categories.discovery import Discovery, discover
from spinlock.categories.mapping import load_mapping, save_mapping
from spinlock.categories.naming import name_categories

__all__ = ["Candidate", "Discovery", "discover", "load_mapping", "name_categories", "save_mapping"]
