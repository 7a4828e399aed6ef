"""The signals that ask a run to stop."""

import signal

STOP_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGXCPU,
)
"""Ctrl-C, a closed terminal, and what schedulers send before they kill a run."""
