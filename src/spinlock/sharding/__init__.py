"""Shards divide the work of a command among machines; each shard is one file.

A shard is a file with the results of some rows, and beside it a manifest, which is written last. ``shard`` names them,
``scheduler`` reads the number of a shard from the variables of a job array, ``pieces`` is the layout of the file,
``manifest`` says what the file contains, ``writing`` makes a shard or recognizes a finished one, and ``collection``
finds the shards of an output. Each command writes its own shards and joins them.
"""

from spinlock.sharding.shard import Shard

__all__ = ["Shard"]
