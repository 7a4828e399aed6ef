"""From a token file to tokens, families, parameters in the unit cube and on the real line, and their split."""
