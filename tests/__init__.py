"""Tests, in folders that mirror ``src/spinlock``; ``tests.tables`` builds what they run on."""
