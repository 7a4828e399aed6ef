"""The optimizer of a run: ``adam`` is the algorithm, ``optimizer`` creates it, and ``schedule`` has its rates."""
