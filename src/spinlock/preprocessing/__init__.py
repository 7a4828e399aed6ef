"""A feature table to training data: column statistics, duplicates, normalization, cleaning and the split."""
