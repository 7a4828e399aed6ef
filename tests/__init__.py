"""Tests in folders that mirror ``src/spinlock``. ``tests.tables`` writes small feature tables."""
