"""Features come in and are cleaned; tokens and decoded features go out. NumPy and HDF5 only, no torch.

``dataset`` reads feature tables, ``split`` cuts them into training and validation rows, ``cleaning`` (with
``screening``, ``duplicates`` and ``normalization``) turns raw rows into the model's units and back,
``tokenfile`` and ``decoded`` write what the model made of them, ``files`` and ``hdf5`` see to it that nothing
half-written is ever left behind. Import from the modules themselves, so that a command pays only for what it
uses.
"""
