"""Frozen files of every released format version, and tests that the library reads them."""
