"""Which features belong together: hierarchical clustering of the columns into categories with orthogonal centroids.

Everything here works on the correlation matrix [D, D] of the training rows. A partition is an array of labels [D];
``discover`` walks from distance over clustering and merging to single-feature moves and leaves the choice between the
partitions to a score that its caller supplies.
"""

from spinlock.categories.discovery import Candidate, Discovery, discover
from spinlock.categories.mapping import load_mapping, save_mapping
from spinlock.categories.naming import name_categories

__all__ = ["Candidate", "Discovery", "discover", "load_mapping", "name_categories", "save_mapping"]
