"""Behavioral features: named numbers that describe the frames of a run; each file defines one group of features.

A feature of a run does not depend on the other runs of the batch. It is defined and finite for every run::

    values = describe(frames)  # frames [T, C, H, W]; values {"spatial.mean.mean": ..., ...}
"""

from spinlock.features.extract import describe, feature_names

__all__ = ["describe", "feature_names"]
