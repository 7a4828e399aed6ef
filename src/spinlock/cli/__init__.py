"""The command line. ``commands`` parse arguments and call the library, and ``views`` print; no other package prints.

The modules import little at the top, so that ``--help`` is fast. A command imports what it needs when it runs.
"""
