"""Notes on the content of an input file, for example rows that were never written."""

from __future__ import annotations

from collections.abc import Iterable

from spinlock.cli.terminal import log


def log_notes(notes: Iterable[str]) -> None:
    """Log one line for each note."""
    for note in notes:
        log_note(note)


def log_note(note: str) -> None:
    """Log one line for a note."""
    log(f"note: {note}")
