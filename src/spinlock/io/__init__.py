"""HDF5 layouts and atomic writing: feature tables, token files, rollouts and datasets of operators.

NumPy and HDF5 only, no torch. Import from the modules themselves, so that a command loads only what it uses.
"""
