"""A figure as an SVG element that is a part of a page and follows its theme."""

from __future__ import annotations

import io
import re

from matplotlib.figure import Figure

from spinlock.plots.theme import POINT, ROLES, themed

RASTER_DPI = 2 * POINT
"""Resolution of the parts of a figure that are images, for screens with two pixels per pixel of the page."""


def to_svg(figure: Figure, title: str, prefix: str) -> str:
    """Return the SVG element of a figure.

    Parameters
    ----------
    figure
        Figure whose colors are those of the theme.
    title
        Description for readers who do not see it.
    prefix
        Prefix of the identifiers, which have to be unique in a page.

    Returns
    -------
    str
        An element without declarations, comments and metadata. Its width is that of its container.
    """
    stream = io.StringIO()
    with themed():
        figure.savefig(stream, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"font: (?:[a-z]+ )?([\d.]+)px [^;\"]*", r"font: \1px var(--font)", text)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\g<1>{prefix}-", text)
    for color, variable in ROLES.items():
        text = text.replace(color, f"var({variable})")
    size = re.search(r'<svg [^>]*?width="([\d.]+)pt" height="([\d.]+)pt"', text)
    assert size is not None, "matplotlib writes the size in points"
    box = f'<svg role="img" viewBox="0 0 {size[1]} {size[2]}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    inner = text[text.index(">", text.index("<svg")) + 1 :]
    return f"{box}<title>{_escaped(title)}</title>{inner.strip()}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
