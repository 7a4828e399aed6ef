"""What a run stores: the typed record, its file, its directory and its provenance."""
