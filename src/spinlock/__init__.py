"""Spinlock."""
