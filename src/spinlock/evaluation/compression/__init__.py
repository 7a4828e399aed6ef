"""Compression: bits per row of the tokens, and the quality at these bits beside that of other codes."""
