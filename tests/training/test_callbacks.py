"""Callbacks: when each method is called, how a callback stops a run, signals, time limits and saving."""

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spinlock.checkpoint.directory import SIDE_FILES, RunDirectory
from spinlock.checkpoint.file import load_checkpoint
from spinlock.errors import OutputError, RunError
from spinlock.runtime.process_group import ProcessGroup
from spinlock.training import steps
from spinlock.training.callbacks import (
    STOP_SIGNALS,
    Callback,
    EpochReport,
    SaveCheckpoints,
    StepReport,
    StopAfter,
    StopOnSignals,
    stop,
)
from spinlock.training.fit import fit, train
from spinlock.training.losses.objective import LossTerms
from spinlock.training.plan import Plan
from spinlock.training.run import Run
from tests.training.runs import config, new_run, resumed_run, stop_at, train_and_save, write_table_in

STEP = StepReport(1, 1, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_table_in(tmp_path)
    return tmp_path


class CallRecorder(Callback):
    """Appends the name of each call and some of the state of the run to a list that callbacks can share."""

    def __init__(self, calls: list[Any] | None = None, name: str = "") -> None:
        self.calls = [] if calls is None else calls
        self.name = name

    def log_call(self, *call: Any) -> None:
        self.calls.append((self.name, *call) if self.name else call)

    def on_plan(self, plan: Plan) -> None:
        self.log_call("plan", plan.total_steps)

    def on_start(self, run: Run) -> None:
        self.log_call("start", run.state.progress.step)

    def on_step(self, run: Run, report: StepReport) -> None:
        self.log_call("step", report.epoch, report.step)

    def on_epoch(self, run: Run, report: EpochReport) -> None:
        self.log_call("epoch", report.epoch)

    def on_validation(self, run: Run, report: EpochReport) -> None:
        assert report.validation is not None
        self.log_call("validation", report.epoch)

    def on_save(self, run: Run, is_best: bool) -> None:
        self.log_call("save", run.state.progress.epoch)

    def on_end(self, run: Run) -> None:
        self.log_call("end", bool(run.metrics))


class TestOrder:
    def test_methods_are_called_in_the_order_of_the_run(self, folder: Path) -> None:
        seen = CallRecorder()
        fit(config(folder, epochs=2, batch_size=108, save_every=1), callbacks=[seen])
        steps = [[("step", epoch, 1), ("step", epoch, 2)] for epoch in (1, 2)]
        assert seen.calls == [
            ("plan", 4),
            ("start", 0),
            ("save", 0),
            ("epoch", 0),
            ("validation", 0),
            *steps[0],
            ("save", 1),
            ("epoch", 1),
            *steps[1],
            ("save", 2),
            ("epoch", 2),
            ("validation", 2),
            ("end", True),
        ]

    def test_callbacks_are_called_in_the_order_of_the_list(self, folder: Path) -> None:
        calls: list[Any] = []
        fit(config(folder, epochs=1, batch_size=216), callbacks=[CallRecorder(calls, "a"), CallRecorder(calls, "b")])
        assert calls == [
            *[("a", "plan", 1), ("b", "plan", 1), ("a", "start", 0), ("b", "start", 0)],
            *[("a", "save", 0), ("b", "save", 0)],
            *[("a", "epoch", 0), ("a", "validation", 0), ("b", "epoch", 0), ("b", "validation", 0)],
            *[("a", "step", 1, 1), ("b", "step", 1, 1), ("a", "save", 1), ("b", "save", 1)],
            *[("a", "epoch", 1), ("a", "validation", 1), ("b", "epoch", 1), ("b", "validation", 1)],
            *[("a", "end", True), ("b", "end", True)],
        ]

    def test_epoch_reports_hold_the_record_the_validation_and_the_best_flag(self, folder: Path) -> None:
        reports: list[EpochReport] = []

        class Reports(Callback):
            def on_epoch(self, run: Run, report: EpochReport) -> None:
                reports.append(report)
                assert report.is_best == (run.state.progress.best_epoch == report.epoch)
                stored = list(run.state.history.records())[-1]
                assert {name: value for name, value in stored.items() if name in report.record} == report.record

        train(new_run(config(folder, epochs=3, val_every_n_epochs=2)), [Reports()])
        assert [report.epoch for report in reports] == [0, 1, 2, 3]
        assert [report.validation is None for report in reports] == [False, True, False, False]
        assert reports[0].is_best
        for report in reports:
            if report.validation is not None:
                assert report.validation.history_values().items() <= report.record.items()

    def test_the_methods_of_the_base_class_do_nothing(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=1))
        train(run, [Callback()])
        assert run.metrics
        assert not (folder / "out").exists()


class TestStop:
    @pytest.mark.parametrize("method", ["on_start", "on_step", "on_epoch", "on_validation", "on_save"])
    def test_any_callback_method_can_stop_the_run(self, folder: Path, method: str) -> None:
        def stop(self: Callback, run: Run, *others: Any) -> None:
            run.stop("good enough")

        run, seen = new_run(config(folder, epochs=4)), CallRecorder()
        train(run, [type("Stops", (Callback,), {method: stop})(), seen])
        assert run.stopped
        assert run.end_reason == run.stop_reason == "good enough"
        assert run.state.progress.step == (method == "on_step")
        assert run.metrics == {}
        assert seen.calls[-2:] == [("save", 0), ("end", False)]

    @pytest.mark.parametrize("method", ["on_start", "on_step"])
    def test_a_stop_of_a_resumed_run_saves_it_where_it_was(self, folder: Path, method: str) -> None:
        def stop(self: Callback, run: Run, *others: Any) -> None:
            run.stop("good enough")

        stopper: Callback = type("Stops", (Callback,), {method: stop})()
        settings = config(folder, epochs=4, output_dir=str(folder / "second"))
        train_and_save(new_run(config(folder, epochs=4)), stop_at(6))
        run = train_and_save(resumed_run(folder / "out/last.pt", settings), stopper)
        assert run.stopped
        assert run.state.progress.step == 6 + (method == "on_step")
        assert load_checkpoint(folder / "second/last.pt").state.progress.step == run.state.progress.step

    def test_stop_finishes_the_current_step_and_saves_the_state(self, folder: Path) -> None:
        class AtStep(Callback):
            def on_step(self, run: Run, report: StepReport) -> None:
                if (report.epoch, report.step) == (2, 3):
                    run.stop("a user's callback")

        seen = CallRecorder()
        outcome = fit(config(folder, epochs=4), callbacks=[SaveCheckpoints(), AtStep(), seen])
        assert outcome.run is not None
        assert outcome.run.end_reason == "a user's callback"
        assert seen.calls[-3:] == [("step", 2, 3), ("save", 1), ("end", False)]
        progress = load_checkpoint(folder / "out" / "last.pt").state.progress
        assert (progress.epoch, progress.step, progress.step_in_epoch) == (1, 7, 3)

    def test_stop_keeps_the_first_reason(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=0))
        run.stop("the user asked")
        run.stop("the disk is full")
        assert run.stop_reason == "the user asked"

    def test_stop_after_the_last_epoch_has_no_effect(self, folder: Path) -> None:
        class AtTheEnd(Callback):
            def on_epoch(self, run: Run, report: EpochReport) -> None:
                if report.epoch == 1:
                    run.stop("too late")

        run = new_run(config(folder, epochs=1))
        train(run, [AtTheEnd()])
        assert not run.stopped
        assert run.end_reason is None
        assert run.metrics


def let_losses_be_infinite(monkeypatch: pytest.MonkeyPatch) -> None:
    real = steps.objective

    def infinite(*args: Any, **options: Any) -> LossTerms:
        terms = real(*args, **options)
        return replace(terms, total=terms.total * math.inf)

    monkeypatch.setattr(steps, "objective", infinite)


class TestEnd:
    def test_on_end_is_called_after_a_training_error(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        let_losses_be_infinite(monkeypatch)
        seen = CallRecorder()
        with pytest.raises(RunError, match="no longer finite"):
            train(new_run(config(folder, epochs=3)), [seen])
        assert seen.calls[-1] == ("end", False)

    def test_a_run_that_fails_before_its_first_save_in_another_directory_writes_nothing(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = train_and_save(new_run(config(folder, epochs=2)))
        elsewhere = config(folder, epochs=3, output_dir=str(folder / "elsewhere"))
        let_losses_be_infinite(monkeypatch)
        with pytest.raises(RunError, match="no longer finite"):
            train_and_save(resumed_run(first.directory.last, elsewhere))
        assert not (folder / "elsewhere").exists()
        monkeypatch.undo()
        train_and_save(resumed_run(first.directory.last, elsewhere))
        assert (folder / "elsewhere" / "best_model.pt").exists()

    def test_on_end_of_all_callbacks_is_called_after_an_error_in_one(self, folder: Path) -> None:
        class Fails(CallRecorder):
            def on_step(self, run: Run, report: StepReport) -> None:
                raise ZeroDivisionError

        calls: list[Any] = []
        with pytest.raises(ZeroDivisionError):
            train(
                new_run(config(folder)),
                [CallRecorder(calls, "first"), Fails(calls, "second"), CallRecorder(calls, "third")],
            )
        assert calls[-2:] == [("second", "end", False), ("third", "end", False)]
        assert calls[-3] == ("first", "end", False)

    def test_on_end_is_called_only_for_started_callbacks_after_an_error_in_on_start(self, folder: Path) -> None:
        class Fails(CallRecorder):
            def on_start(self, run: Run) -> None:
                super().on_start(run)
                raise ZeroDivisionError

        calls: list[Any] = []
        with pytest.raises(ZeroDivisionError):
            train(
                new_run(config(folder)),
                [CallRecorder(calls, "first"), Fails(calls, "second"), CallRecorder(calls, "third")],
            )
        assert calls == [
            ("first", "start", 0),
            ("second", "start", 0),
            ("first", "end", False),
            ("second", "end", False),
        ]


class FakeClock:
    """A monotonic clock that stands still until it is moved."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(stop, "time", clock)
    return clock


class TestTimeLimit:
    def test_stop_after_measures_time_from_its_construction(self, folder: Path, clock: FakeClock) -> None:
        limit, run = StopAfter(60), new_run(config(folder, epochs=0))
        for now, reason in ((1000.0, None), (1059.999, None), (1060.0, "the time limit of 60 s is reached")):
            clock.now = now
            limit.on_step(run, STEP)
            assert run.stop_reason == reason

    def test_stop_after_ends_a_run(self, folder: Path, clock: FakeClock) -> None:
        class Slow(Callback):
            def on_step(self, run: Run, report: StepReport) -> None:
                clock.now += 10

        run = new_run(config(folder, epochs=4))
        train(run, [Slow(), StopAfter(59.5)])
        assert run.stopped
        assert run.end_reason == "the time limit of 59.5 s is reached"
        assert run.state.progress.step == 6

    def test_stop_after_keeps_an_earlier_reason(self, folder: Path, clock: FakeClock) -> None:
        run = new_run(config(folder, epochs=0))
        run.stop("the user asked")
        StopAfter(0).on_step(run, STEP)
        assert run.stop_reason == "the user asked"


def send_signal(number: int) -> None:
    """Send a signal to this process and let its handler run."""
    os.kill(os.getpid(), number)
    time.sleep(0)


@pytest.fixture
def run(folder: Path) -> Run:
    return new_run(config(folder, epochs=0))


@pytest.fixture
def handlers() -> Iterator[list[Any]]:
    """The signal handlers before the test. They are always restored after the test."""
    handlers = [signal.getsignal(number) for number in STOP_SIGNALS]
    yield handlers
    for number, handler in zip(STOP_SIGNALS, handlers, strict=True):
        signal.signal(number, handler)


class TestSignals:
    @pytest.mark.parametrize("number", STOP_SIGNALS, ids=lambda number: signal.Signals(number).name)
    def test_a_signal_requests_a_stop_without_an_exception(self, run: Run, handlers: list[Any], number: int) -> None:
        StopOnSignals().on_start(run)
        assert run.stop_reason is None
        send_signal(number)
        assert run.stop_reason == f"{signal.Signals(number).name} was received"

    def test_a_second_sigint_raises_keyboard_interrupt(self, run: Run, handlers: list[Any]) -> None:
        StopOnSignals().on_start(run)
        send_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send_signal(signal.SIGINT)

    def test_other_repeated_signals_do_not_raise(self, run: Run, handlers: list[Any]) -> None:
        StopOnSignals().on_start(run)
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
            send_signal(number)
        assert run.stop_reason == "SIGUSR1 was received"

    @pytest.mark.parametrize("first", ["time limit", "SIGTERM"])
    def test_the_first_sigint_after_another_stop_reason_does_not_raise(
        self, run: Run, handlers: list[Any], first: str
    ) -> None:
        StopOnSignals().on_start(run)
        if first == "SIGTERM":
            send_signal(signal.SIGTERM)
        else:
            run.stop("the time limit is reached")
        reason = run.stop_reason
        send_signal(signal.SIGINT)
        assert run.stop_reason == reason
        with pytest.raises(KeyboardInterrupt):
            send_signal(signal.SIGINT)

    def test_handlers_are_installed_at_the_start_and_restored_at_the_end(self, run: Run, handlers: list[Any]) -> None:
        callback = StopOnSignals()
        assert [signal.getsignal(number) for number in STOP_SIGNALS] == handlers
        callback.on_start(run)
        assert not set(map(signal.getsignal, STOP_SIGNALS)) & set(handlers)
        callback.on_end(run)
        assert [signal.getsignal(number) for number in STOP_SIGNALS] == handlers

    def test_an_ignored_sighup_stays_ignored(self, run: Run, handlers: list[Any]) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        StopOnSignals().on_start(run)
        send_signal(signal.SIGHUP)
        assert run.stop_reason is None

    def test_handlers_are_restored_after_an_error(self, folder: Path, handlers: list[Any]) -> None:
        class Fails(Callback):
            def on_step(self, run: Run, report: StepReport) -> None:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            train(new_run(config(folder)), [StopOnSignals(), Fails()])
        assert [signal.getsignal(number) for number in STOP_SIGNALS] == handlers

    @pytest.mark.parametrize("fails_in", ["on_end", "on_start", "on_step"])
    def test_handlers_are_restored_if_another_callback_fails_at_the_end(
        self, folder: Path, handlers: list[Any], fails_in: str
    ) -> None:
        def fail(self: Callback, *others: Any) -> None:
            raise ZeroDivisionError(fails_in)

        def fail_at_end(self: Callback, *others: Any) -> None:
            raise LookupError("on_end")

        methods = {"on_end": fail_at_end, fails_in: fail}
        first, last = (type(name, (Callback,), methods)() for name in ("First", "Last"))
        seen = CallRecorder()
        with pytest.raises(ZeroDivisionError, match=fails_in) as error:
            train(new_run(config(folder, epochs=1)), [StopOnSignals(), first, last, seen])
        notes = {"on_end": 1, "on_start": 1, "on_step": 2}
        assert len(error.value.__notes__) == notes[fails_in]
        assert "Last.on_end also failed" in error.value.__notes__[-1] or fails_in == "on_start"
        assert [signal.getsignal(number) for number in STOP_SIGNALS] == handlers
        assert fails_in == "on_start" or seen.calls[-1][0] == "end"

    def test_a_signal_during_training_stops_it_after_the_step(self, folder: Path, handlers: list[Any]) -> None:
        class Sends(Callback):
            def on_step(self, run: Run, report: StepReport) -> None:
                if run.state.progress.step == 6:
                    send_signal(signal.SIGTERM)

        run = new_run(config(folder, epochs=4))
        train(run, [StopOnSignals(), Sends()])
        assert run.stopped
        assert run.end_reason == "SIGTERM was received"
        assert run.state.progress.step == 6

    def test_handlers_are_not_installed_in_another_thread(self, run: Run, handlers: list[Any]) -> None:
        seen = []

        def work() -> None:
            callback = StopOnSignals()
            callback.on_start(run)
            seen.append([signal.getsignal(number) for number in STOP_SIGNALS])
            callback.on_end(run)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen == [handlers]


class TestSaveCheckpoints:
    def test_both_checkpoints_hold_the_final_metrics(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=2))
        train(run, [SaveCheckpoints()])
        for name in ("best_model.pt", "last.pt"):
            stored = load_checkpoint(folder / "out" / name)
            assert stored.finished
            assert stored.metrics["quality_by_level"] == run.metrics["quality_by_level"]

    def test_checkpoints_of_a_stopped_run_are_not_marked_as_finished(self, folder: Path) -> None:
        class Stops(Callback):
            def on_step(self, run: Run, report: StepReport) -> None:
                run.stop("asked")

        train(new_run(config(folder, epochs=2)), [SaveCheckpoints(), Stops()])
        for name in ("best_model.pt", "last.pt"):
            assert not load_checkpoint(folder / "out" / name).finished

    def test_only_the_main_process_writes(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=0))
        train(run)
        run.group, run.metrics = ProcessGroup(1, 2), {"reconstruction_quality": 1.0}
        callback = SaveCheckpoints()
        callback.on_start(run)
        callback.on_save(run, True)
        callback.on_end(run)
        assert not (folder / "out").exists()

    def test_leftovers_of_a_killed_process_are_removed(self, folder: Path) -> None:
        (folder / "out").mkdir()
        for name in (".spinlock-0123456789ab.tmp", ".spinlock-0123456789ab.lock"):
            (folder / "out" / name).write_text("")
        fit(config(folder, epochs=0), callbacks=[SaveCheckpoints()])
        names = {path.name for path in (folder / "out").iterdir()}
        assert names == {"best_model.pt", "last.pt", *SIDE_FILES}

    def test_a_run_in_a_locked_directory_is_refused_before_it_is_planned(self, folder: Path) -> None:
        with (
            RunDirectory(folder / "out").locked(),
            pytest.raises(OutputError, match=rf"out: is being written by process {os.getpid()} "),
        ):
            fit(config(folder, epochs=0), callbacks=[Planned(), SaveCheckpoints()])
        assert not (folder / "out").exists()

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_finished_run_is_set_aside_or_replaced(self, folder: Path, overwrite: bool) -> None:
        fit(config(folder, epochs=0), callbacks=[SaveCheckpoints()])
        first, aside = (folder / "out" / "best_model.pt").read_bytes(), []
        fit(config(folder, epochs=1), callbacks=[SaveCheckpoints(overwrite=overwrite, on_set_aside=aside.append)])
        assert load_checkpoint(folder / "out" / "last.pt").state.progress.epoch == 1
        assert aside == ([] if overwrite else [folder / "out.1"])
        assert [path.read_bytes() for path in folder.glob("out.*/best_model.pt")] == ([] if overwrite else [first])
        assert not list(folder.rglob(".spinlock-*"))

    def test_an_older_run_is_not_touched_before_the_first_file_is_written(self, folder: Path) -> None:
        class Fails(Callback):
            def on_start(self, run: Run) -> None:
                raise RunError("no")

        fit(config(folder, epochs=0), callbacks=[SaveCheckpoints()])
        with pytest.raises(RunError):
            fit(config(folder, epochs=1), callbacks=[SaveCheckpoints(overwrite=False), Fails()])
        assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["out"]
        assert load_checkpoint(folder / "out" / "last.pt").finished

    def test_a_file_that_appears_while_the_run_is_planned_is_not_replaced(self, folder: Path) -> None:
        class Appears(Callback):
            def on_plan(self, plan: Plan) -> None:
                (folder / "out" / "last.pt").write_text("precious")

        with pytest.raises(OutputError, match=r"already contains a run, or a file with the same name \(last.pt\)"):
            fit(config(folder, epochs=0), callbacks=[SaveCheckpoints(overwrite=False), Appears()])
        assert [path.name for path in (folder / "out").iterdir()] == ["last.pt"]
        assert (folder / "out" / "last.pt").read_text() == "precious"


class Planned(Callback):
    """Fails when a run is planned."""

    def on_plan(self, plan: Plan) -> None:
        raise AssertionError("the run is planned")
