"""From a configuration to a dataset: sample operators, roll them out, describe them, write; in blocks, resumable."""
