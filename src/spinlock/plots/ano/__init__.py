"""The page of an evaluation of an ANO."""
