"""HDF5 layouts and atomic writing: feature tables, token files, rollouts and datasets of operators.

The modules import NumPy and h5py, but not torch. Import from the modules directly, so that a command imports only what
it needs.
"""
