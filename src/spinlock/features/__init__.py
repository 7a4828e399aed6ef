"""Behavioral features: named numbers that describe the frames of a run, one group of features per file.

A feature is a function of its own run only, never of the batch, and it is defined and finite for every run::

    values = describe(frames)  # frames [T, C, H, W]; {"spatial.mean.mean": ..., ...}
"""

from spinlock.features.extract import describe, feature_names

__all__ = ["describe", "feature_names"]
