"""The output of the commands of ANO, and of ``inspect`` for its files."""
