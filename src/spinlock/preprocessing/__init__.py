"""Preparation of training data from raw feature rows: split, column statistics, cleaning and normalization."""
