"""Entry point of ``python -m spinlock``."""

from spinlock.cli.main import run

run()
