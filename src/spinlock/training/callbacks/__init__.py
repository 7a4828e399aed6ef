"""Callbacks of a run: the base class, and the callbacks for saving, for a time limit and for signals."""

from spinlock.runtime.signals import STOP_SIGNALS
from spinlock.training.callbacks.callback import Callback, EpochReport, StepReport
from spinlock.training.callbacks.save import SaveCheckpoints
from spinlock.training.callbacks.stop import StopAfter, StopOnSignals

__all__ = ["STOP_SIGNALS", "Callback", "EpochReport", "SaveCheckpoints", "StepReport", "StopAfter", "StopOnSignals"]
