"""Discriminability: what tokens say about labels and parameters."""
