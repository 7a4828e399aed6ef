"""Frames of operators as one image, of which the page shows parts.

Letters: ``S`` operators, ``F`` frames, ``C`` channels, ``H`` x ``W`` points, ``P`` pixels of a side of a frame.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from spinlock.io.snapshots import Snapshots
from spinlock.plots.theme import SEQUENTIAL

PIXELS, COLUMNS = 32, 12
"""Maximum pixels P of a side of a frame, and operators in one row of the image."""

SHOWN = 40
"""Size of a frame on the page, in pixels of the page."""

MAX_FRAMES, MAX_OPERATORS = 3, 600
"""Maximum number of frames of an operator, evenly spaced with the first and the last one, and maximum number of
operators, so that the image is below 2 MB."""

LIMITS = (0.01, 0.99)
"""Quantiles of a field that have the first and the last color."""


@dataclass(frozen=True)
class Thumbnails:
    """Frames of operators in one image.

    Attributes
    ----------
    image
        The image as a ``data:`` address; empty without frames.
    width, height
        Size of the frames of one operator on the page, in pixels of the page.
    image_width
        Width of the image on the page, in pixels of the page.
    places
        {operator: left and top of its frames in the image, in pixels of the page}.
    steps
        Numbers of the frames in the rollout.
    """

    image: str
    width: int
    height: int
    image_width: int
    places: dict[int, tuple[int, int]]
    steps: tuple[int, ...]


NONE = Thumbnails("", 0, 0, 0, {}, ())
"""No frames."""


def make_thumbnails(snapshots: Snapshots | None, operators: Iterable[int]) -> Thumbnails:
    """Draw frames of operators.

    The first channel of an operator is drawn. All its frames have the same colors, from the 1% to the 99% quantile.

    Parameters
    ----------
    snapshots
        Fields of some operators, or None.
    operators
        The operators to draw, all of which have fields; the first :data:`MAX_OPERATORS` of them are drawn.
    """
    drawn = list(dict.fromkeys(operators))[:MAX_OPERATORS]
    if snapshots is None or not drawn:
        return NONE
    index = {int(operator): s for s, operator in enumerate(snapshots.operators)}
    frames = snapshots.fields.shape[1]
    kept = np.unique(np.linspace(0, frames - 1, min(frames, MAX_FRAMES)).round().astype(int))
    tiles = [_tile(snapshots.fields[index[operator]][kept]) for operator in drawn]
    height, width = tiles[0].shape
    rows = -(-len(tiles) // COLUMNS)
    sheet = np.zeros((rows * height, COLUMNS * width), dtype=np.uint8)
    places = {}
    shown = len(kept) * SHOWN
    for number, (operator, tile) in enumerate(zip(drawn, tiles, strict=True)):
        row, column = divmod(number, COLUMNS)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile
        places[operator] = (column * shown, row * SHOWN)
    return Thumbnails(_png(sheet), shown, SHOWN, COLUMNS * shown, places, tuple(snapshots.steps[kept].tolist()))


def _tile(fields: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the frames [F, C, H, W] of an operator side by side, [P, F P] with values from 0 to 255."""
    frames = fields[:, 0].astype(np.float64)
    finite = frames[np.isfinite(frames)]
    low, high = np.quantile(finite, LIMITS) if finite.size else (0.0, 1.0)
    scaled = np.nan_to_num((frames - low) / (high - low if high > low else 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    _, rows, columns = frames.shape
    i = (np.arange(PIXELS) + 0.5) * rows / PIXELS
    j = (np.arange(PIXELS) + 0.5) * columns / PIXELS
    sampled = scaled[:, i.astype(int)][:, :, j.astype(int)]
    return np.asarray(255 * np.concatenate(list(sampled.clip(0, 1)), axis=1), dtype=np.uint8)


def _png(sheet: NDArray[np.uint8]) -> str:
    """Return an image with the colors of quantities, as a ``data:`` address."""
    image = Image.fromarray(sheet, mode="P")
    image.putpalette((255 * colormaps[SEQUENTIAL](np.arange(256))[:, :3]).round().astype(np.uint8).tobytes())
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
