"""Storage of a run: the typed record of a checkpoint, its file, the directory of the run and its provenance."""
