"""Pictures as PNG and SVG files, with their titles."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Mapping
from itertools import count

from spinlock.plots.theme import PAPER, POINT, themed
from spinlock.plots.view import Picture

PNG_DPI = 3 * POINT
"""Resolution of PNG files."""

TITLE_LETTERS, TITLE_LINE = 54, 16
"""Letters of a line of a title, and its height in pixels."""


def picture_files(pictures: Iterable[Picture]) -> dict[str, bytes]:
    """Return each picture as PNG and SVG on light paper; the title is added to the figure.

    Parameters
    ----------
    pictures
        Pictures with a ``key``. Their figures are modified; a page has to be rendered before.

    Returns
    -------
    dict
        {file name: content}.
    """
    files: dict[str, bytes] = {}
    with themed():
        for picture in pictures:
            files.update(_files(picture, files))
    return files


def _files(picture: Picture, others: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of one picture, whose names differ from those of other files."""
    figure = picture.figure
    lines = textwrap.wrap(picture.title, TITLE_LETTERS)
    figure.set_figheight(figure.get_figheight() + TITLE_LINE * len(lines) / POINT)
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=11)
    name = _unused(re.sub(r"[^\w.-]+", "_", picture.key), others)
    files = {}
    for suffix in ("png", "svg"):
        stream = io.BytesIO()
        metadata = {"Date": None} if suffix == "svg" else None
        figure.savefig(stream, format=suffix, facecolor=PAPER, dpi=PNG_DPI, metadata=metadata)
        files[f"{name}.{suffix}"] = stream.getvalue()
        figure.set_layout_engine("none")  # the second file has the layout of the first one
    return files


def _unused(name: str, files: Mapping[str, bytes]) -> str:
    """Return a name, with a number if there are files of this name."""
    numbered = (name if number == 1 else f"{name}_{number}" for number in count(1))
    return next(each for each in numbered if f"{each}.png" not in files)
