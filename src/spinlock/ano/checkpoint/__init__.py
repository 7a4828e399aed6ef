"""The file of a model and the directory of a run."""
