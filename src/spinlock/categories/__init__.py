"""Discovery of categories: which columns belong together.

All steps work on the correlation matrix [D, D] of the training rows, and a partition is an array of labels [D]. The
columns are clustered hierarchically, categories are merged, and single columns are moved until the centroids of the
categories are nearly orthogonal. A score of the caller, such as a cross-validated quality, selects between the
candidate partitions.
"""

from spinlock.categories.candidates import Candidate
from spinlock.categories.discovery import Discovery, discover
from spinlock.categories.mapping import load_mapping, save_mapping
from spinlock.categories.naming import name_categories

__all__ = ["Candidate", "Discovery", "discover", "load_mapping", "name_categories", "save_mapping"]
