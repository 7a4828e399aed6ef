"""Progress of training: the plan, then a bar with losses and target metrics, or one plain line for each validation."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.status import Status
from rich.text import Text

from spinlock.checkpoint.history import EpochValues
from spinlock.checkpoint.progress import ValidationResult
from spinlock.cli.terminal import is_quiet, is_terminal, log
from spinlock.cli.views.notes import log_notes
from spinlock.cli.views.plan import log_plan
from spinlock.metrics.targets import ORTHOGONALITY, QUALITY, TOPOGRAPHIC, UTILIZATION
from spinlock.preprocessing.copied_rows import copied_rows_warning
from spinlock.training.callbacks import Callback, EpochReport, StepReport
from spinlock.training.plan import Plan
from spinlock.training.run import Run

LOSSES = {
    "reconstruction": "rec",
    "commitment": "com",
    "orthogonality": "orth",
    "informativeness": "inf",
    "topographic": "topo",
}
"""{loss: short name in the progress bar}."""


class TrainingView(Callback):
    """Shows the progress of a run on stderr.

    Parameters
    ----------
    verbose
        Whether every dropped column, the schedule and a line for each validation are printed.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self.verbose = verbose
        self.seconds = 0.0
        self._interactive = is_terminal() and not is_quiet()
        self._started = time.monotonic()
        self._bar: _TrainingProgress | None = None
        self._task = TaskID(0)
        self._status: Status | None = None
        what = "reading the table, selecting categories and codebook sizes"
        if self._interactive:
            self._status = Console(stderr=True).status(what)
            self._status.start()
        else:
            log(f"{what} ...")

    def close(self) -> None:
        """Remove the spinner and the bar; it can be called more than once."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_plan(self, plan: Plan) -> None:
        """Print the plan of a new run."""
        self.close()
        log_notes(plan.data.table.notes)
        if warning := copied_rows_warning(plan.data):
            log(f"warning: {warning}")
        if not plan.resumed:
            log_plan(plan, verbose=self.verbose)

    def on_start(self, run: Run) -> None:
        """Log the notes and the changed settings of a resumed run, and start the bar."""
        for note in run.notes:
            log(note)
        for key, (old, new) in run.changes.items():
            log(f"changed: {key} {old!r} -> {new!r}")
        if run.notes:
            log(run.plan.compile_plan.reason)
        self._started = time.monotonic()
        if self._interactive:
            self._bar = _TrainingProgress()
            self._task = self._bar.add_task("", total=max(1, run.plan.config.epochs))
            self._bar.start()

    def on_note(self, run: Run, note: str) -> None:
        """Log the message."""
        log(note)

    def on_step(self, run: Run, report: StepReport) -> None:
        """Advance the bar within the epoch."""
        if self._bar is not None:
            self._bar.update(self._task, completed=report.epoch - 1 + report.step / report.steps)

    def on_epoch(self, run: Run, report: EpochReport) -> None:
        """Show the losses of the last epoch that was validated."""
        if self._bar is not None:
            self._bar.losses = losses_line(report.record) or self._bar.losses
            self._bar.update(self._task, completed=report.epoch)

    def on_validation(self, run: Run, report: EpochReport) -> None:
        """Show the target metrics in the bar, or log one line."""
        assert report.validation is not None, "the epoch was validated"
        cosine = run.plan.selection.chosen.cosine
        if self._bar is not None:
            self._bar.targets = targets_text(report.validation, cosine)
            self._bar.refresh()
        if self._bar is None or self.verbose:
            losses, best = losses_line(report.record), " (best so far)" if report.is_best else ""
            targets = targets_text(report.validation, cosine).plain
            line = f"epoch {report.epoch}: {f'{losses}; ' if losses else ''}{targets}{best}"
            if self._bar is not None:
                self._bar.console.print(line, highlight=False, soft_wrap=True)
            else:
                log(line)

    def on_end(self, run: Run) -> None:
        """Stop the bar."""
        self.seconds = time.monotonic() - self._started
        self.close()


class _TrainingProgress(Progress):
    """A bar over the epochs, and below it a line of losses and a line of targets."""

    def __init__(self) -> None:
        self.losses = ""
        self.targets = Text("")
        columns = (TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"), BarColumn(), TimeRemainingColumn())
        super().__init__(*columns, console=Console(stderr=True), transient=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        if self.losses:
            yield Text(f"losses   {self.losses}")
        if self.targets.plain:
            yield Text("targets  ").append_text(self.targets)


def losses_line(record: EpochValues) -> str:
    """Return the losses, for example ``rec 0.0912 com 0.1203 ...``, without unused ones; empty between validations."""
    values = ((short, record.get(f"train_{name}")) for name, short in LOSSES.items())
    return " ".join(f"{short} {value:.4f}" for short, value in values if value)


def targets_text(validation: ValidationResult, cosine: float) -> Text:
    """Return the four target metrics, in green if the target is met and in red if it is missed."""
    text = Text()
    for name, value, threshold, above in (
        ("quality", validation.quality, QUALITY, True),
        ("utilization", validation.utilization, UTILIZATION, True),
        ("topographic", validation.topographic_correlation, TOPOGRAPHIC, True),
        ("orthogonality", cosine, ORTHOGONALITY, False),
    ):
        met = value > threshold if above else value < threshold
        separator = " " if text.plain else ""
        text.append(f"{separator}{name} ").append(f"{value:.3f}", style="green" if met else "red")
    return text
