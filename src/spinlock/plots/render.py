"""Rendering of pages from templates."""

from __future__ import annotations

from itertools import count
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from spinlock.plots.svg import to_svg
from spinlock.plots.view import Picture


def render(template: str, **values: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template
        Name of a template of this package. It can call ``svg(picture)`` for the element of a figure.
    **values
        Variables of the template.

    Returns
    -------
    str
        HTML that makes no request, opens from a disk and follows the light or dark theme of the reader.
    """
    environment = Environment(
        loader=PackageLoader("spinlock.plots"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = count()

    def svg(picture: Picture) -> Markup:
        return Markup(to_svg(picture.figure, picture.title, f"f{next(numbers)}"))

    return environment.get_template(template).render(svg=svg, **values)
