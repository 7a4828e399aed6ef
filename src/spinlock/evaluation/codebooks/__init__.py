"""What the codes of a tokenizer mean: prototypes, usage, maps of rows and of codebooks, categories and training."""
