"""Printing of plans, progress and results."""
