"""Evaluation of a tokenizer on a table: ``evaluate``, and the material that it measures."""
