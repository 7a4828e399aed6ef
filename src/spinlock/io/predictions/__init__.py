"""The file of ``predict-operators``: its layout, writing and reading."""
