"""Signals and the time limit ask for a stop; handlers are given back."""

import os
import signal
import threading
import time

import pytest

from spinlock.training.stopping import SIGNALS, StopRequest


def send(number: int) -> None:
    """A signal to this process, and a moment in which its handler runs."""
    os.kill(os.getpid(), number)
    time.sleep(0)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_a_signal_is_remembered_and_nothing_else_happens(number: int) -> None:
    stop = StopRequest()
    with stop.on_signals():
        assert stop.reason is None
        assert stop.signal is None
        send(number)
        assert stop.reason == f"{signal.Signals(number).name} was received"
        assert stop.signal == number


def test_a_second_sigint_interrupts_at_once() -> None:
    stop = StopRequest()
    with stop.on_signals():
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_other_signals_may_come_again() -> None:
    stop = StopRequest()
    with stop.on_signals():
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
            send(number)
    assert stop.reason == "SIGUSR1 was received"


@pytest.mark.parametrize("first", ["time limit", "SIGTERM"])
def test_the_first_sigint_after_another_reason_does_not_interrupt(first: str) -> None:
    stop = StopRequest()
    with stop.on_signals():
        if first == "SIGTERM":
            send(signal.SIGTERM)
        else:
            stop.stop("the time limit is reached")
        before = stop.reason
        send(signal.SIGINT)
        assert stop.reason == before
        assert stop.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_handlers_are_restored_also_after_an_error() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopRequest().on_signals():
        assert all(signal.getsignal(number) is not old for number, old in zip(SIGNALS, before, strict=True))
    assert [signal.getsignal(number) for number in SIGNALS] == before
    with pytest.raises(ZeroDivisionError), StopRequest().on_signals():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_in_another_thread_signals_are_left_alone() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    seen = []

    def work() -> None:
        with StopRequest().on_signals():
            seen.append([signal.getsignal(number) for number in SIGNALS])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_the_time_limit_counts_from_the_request() -> None:
    assert StopRequest(3600).reason is None
    assert StopRequest().reason is None
    stop = StopRequest(0.02)
    assert stop.reason is None
    time.sleep(0.03)
    assert stop.reason == "the time limit of 0.02 s is reached"


def test_the_first_reason_is_kept() -> None:
    stop = StopRequest(0)
    stop.stop("the user asked")
    stop.stop("the disk is full")
    assert stop.reason == "the user asked"
