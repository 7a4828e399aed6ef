"""ANO, the atomic neural operator: from the tokens of an operator to its family and its parameters, with uncertainty.

The path of the data is ``data`` (token file, scales, split) -> ``training`` of the members of ``network`` with a
``density`` for each family -> ``calibration`` -> ``checkpoint`` -> ``predictor`` -> ``prediction``.
:class:`spinlock.ano.model.ANO` is the interface.
"""
