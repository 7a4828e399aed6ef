"""From raw feature rows to training data: column statistics, duplicates, cleaning, normalization and split."""
