"""Reconstruction: errors of single rows, rows with large errors and why, and shifts between two datasets."""
