"""HDF5 layouts and atomic writing: feature tables, token files, rollouts and datasets of operators.

The modules use NumPy and HDF5 only, no torch. Import from the modules directly, so that a command loads only what it
needs.
"""
