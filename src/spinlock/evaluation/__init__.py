"""Measurement of trained tokenizers.

``row_metrics``, ``final_metrics`` and ``other_table`` compute the metrics, ``report`` compares them with the targets
and ``advice`` says what limits a missed one. ``sections`` measures the sections of ``evaluate-tokens`` (compression,
reconstruction, topology, discriminability, aliasing, stability, health), and ``evaluation`` is their result.
``codebooks`` describes what the codes stand for. ``findings`` are the sentences that a reader has to know first.
"""
