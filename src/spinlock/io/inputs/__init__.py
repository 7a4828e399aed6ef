"""Checked reading of HDF5 files that other programs wrote.

Every dataset of an input file is opened through :class:`~spinlock.io.inputs.file.InputFile`, which follows links itself
and checks links, storage, declared sizes, types and compression before any value is read.
"""
