"""What a page shows of one section of a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with the sentence that says what to see in it.

    Attributes
    ----------
    title
        What the figure shows, as a sentence.
    figure
        The figure.
    note
        How to read it.
    key
        Name of its files, if it is also written to files.
    """

    title: str
    figure: Figure
    note: str = ""
    key: str = ""


@dataclass(frozen=True)
class Table:
    """A table that is folded until the reader opens it.

    Attributes
    ----------
    title
        What the table lists.
    columns
        Names of the columns.
    rows
        Texts of the cells; all columns but the first are aligned to the right unless ``text`` is true.
    note
        How to read it.
    text
        Whether the cells are sentences.
    two_names
        Whether the second column has names too, which are aligned to the left.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    text: bool = False
    two_names: bool = False


@dataclass(frozen=True, eq=False)
class View:
    """A section of a page.

    Attributes
    ----------
    key, title
        Identifier and heading.
    finding
        The main result, as one or two sentences.
    pictures, tables
        Figures, and tables that are folded.
    remarks
        Further sentences, for example about what could not be measured.
    folded
        Further figures, which are folded until the reader opens them.
    """

    key: str
    title: str
    finding: str
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    remarks: Sequence[str] = ()
    folded: Sequence[Picture] = ()


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with some decimals, or a dash if it is not defined."""
    return "–" if value is None else f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 0) -> str:
    """Return a fraction in percent, or a dash if it is not defined."""
    return "–" if value is None else f"{100 * value:.{digits}f}%"
