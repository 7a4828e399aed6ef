"""The command line: one file for each command, and the only place that prints.

The modules import little at the top, so that ``--help`` answers at once; a command imports what it needs when it runs.
"""
