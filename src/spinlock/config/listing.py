"""Generation of a YAML file of a configuration, with the meaning, unit and limits of each key as a comment."""

import textwrap

from spinlock.config.problems import describe
from spinlock.config.section import Section
from spinlock.config.text import dump_config

WIDTH = 120


def list_keys(config: Section) -> str:
    """Return YAML of ``config``; a comment above each key gives its description and its allowed values."""
    properties = type(config).model_json_schema()["properties"]
    lines: list[str] = []
    for line in dump_config(config).splitlines():
        key = line.partition(":")[0]
        node = properties[key]
        unit = f" ({node['unit']})" if "unit" in node and "errorMessage" in node else ""
        text = f"{node['description']} Allowed: {describe(node)}{unit}."
        lines += ["", *textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# "), line]
    return "\n".join(lines) + "\n"
