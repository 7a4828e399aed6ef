"""Codebook sizes: bit allocation over categories, trials on held-out training rows, and the search over both."""
