"""Spinlock: a tokenizer for the behaviour of dynamical operators."""

__version__ = "0.1.0"

__all__ = ["__version__"]
