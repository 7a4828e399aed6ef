"""The command line, the only place that prints: ``commands`` parse and call, ``views`` print.

The modules import little at the top, so that ``--help`` answers at once. A command imports what it needs when it runs.
"""
