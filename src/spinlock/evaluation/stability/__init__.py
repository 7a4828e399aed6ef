"""Stability: tokens after a second encoding, under noise, of halves of the realizations, and of another model."""
