"""ANO, the atomic neural operator: from the tokens of an operator to its family and its parameters, with uncertainty.

The path of the data is: token file -> ``data`` -> ``split`` -> ``plan`` -> ``training`` of the members of an
``ensemble`` -> ``calibration`` -> ``predictor`` -> ``prediction``. :class:`spinlock.ano.model.ANO` is the interface.
"""
