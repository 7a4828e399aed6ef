"""The callback that writes the files of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from spinlock.io.atomic import write_files
from spinlock.training.callbacks.callback import Callback

if TYPE_CHECKING:
    from spinlock.checkpoint.directory import RunDirectory
    from spinlock.io.atomic import DirectoryLock
    from spinlock.runtime.process_group import ProcessGroup
    from spinlock.training.run import Run


class SaveCheckpoints(Callback):
    """Writes the files of the run to its output directory, in the main process.

    Parameters
    ----------
    overwrite
        Whether files of another run are replaced. If not, a finished run is set aside before the first file is written.
    inputs
        Input files of the run. It is an error if the directory of an older run contains one of them.
    on_set_aside
        Called with the new path of the directory of the older run.
    """

    def __init__(
        self,
        *,
        overwrite: bool = True,
        inputs: Sequence[Path] = (),
        on_set_aside: Callable[[Path], None] = lambda path: None,
    ) -> None:
        self.overwrite = overwrite
        self.inputs = inputs
        self.on_set_aside = on_set_aside
        self._lock: DirectoryLock | None = None
        self._is_new = False
        self._has_written = False
        self._missing: dict[Path, bytes] = {}

    @contextmanager
    def session(self, directory: RunDirectory, group: ProcessGroup) -> Iterator[None]:
        """Hold the lock of the directory, so that no other process writes to it."""
        if not group.is_main:
            yield
            return
        with directory.locked() as self._lock:
            yield
        self._lock = None

    def on_start(self, run: Run) -> None:
        """Write nothing yet, so that a run that fails before its first save leaves the directory as it was."""
        self._is_new = len(run.state.history) == 0
        self._has_written = False
        self._missing = run.missing_best() if run.group.is_main and not self._is_new else {}

    def on_save(self, run: Run, is_best: bool) -> None:
        """Write last.pt and the history, and also best_model.pt if the epoch is the best so far."""
        if not run.group.is_main:
            return
        self._before_first_file(run)
        run.save(is_best=is_best, overwrite=self.overwrite or not self._is_new)
        self._is_new = False

    def _before_first_file(self, run: Run) -> None:
        """Set an older run aside, and restore the best model of a run that is resumed elsewhere."""
        if self._has_written:
            return
        self._has_written = True
        self._set_older_run_aside(run)
        write_files(self._missing)
        self._missing = {}

    def _set_older_run_aside(self, run: Run) -> None:
        """Set a finished run aside if the output directory contains one and files must not be overwritten."""
        if self.overwrite or self._lock is None:
            return
        if run.directory.has_finished_run(self.inputs, run.plan.config.resume_from):
            self.on_set_aside(run.directory.set_aside(self._lock))

    def on_end(self, run: Run) -> None:
        """Store the whole history, and the final metrics of a finished run, in both checkpoints."""
        if run.group.is_main and (run.metrics or run.stopped):
            self._before_first_file(run)
            run.save_end()
