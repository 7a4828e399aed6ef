"""Behavioral features: from the frames of runs to named numbers, one group per file.

A feature is a function of its own run only, never of the batch, and is defined and finite for every run.
"""
