"""The keys of the configuration as keyword arguments for editors: the text of :mod:`spinlock.config.keywords`."""

from __future__ import annotations

import textwrap
from typing import Any

from spinlock.config.section import Section

HEADER = '''"""The keys of a training configuration as keyword arguments, for completion and type check in editors.

scripts/write-derived writes this file from the sections of the configuration; do not edit it.
"""

from pathlib import Path
from typing import Any, Literal, TypedDict


class ConfigKeywords(TypedDict, total=False):
    """The keys of a training configuration; a key that is not given has its production value."""
'''


def list_keywords(model: type[Section]) -> str:
    """The module that declares every key of ``model`` with its type and description."""
    lines = [HEADER]
    properties = model.model_json_schema()["properties"]
    for key, node in properties.items():
        lines.append(f"    {key}: {_type(key, node)}")
        text = textwrap.wrap(node["description"], 112)
        if len(text) == 1:
            lines.append(f'    """{text[0]}"""')
        else:
            lines += [f'    """{text[0]}', *(f"    {line}" for line in text[1:]), '    """']
    return "\n".join(lines) + "\n"


def _type(key: str, node: dict[str, Any]) -> str:
    """The Python type of a value, from its JSON schema."""
    if key.endswith(("_path", "_dir", "_file", "_from")):
        optional = " | None" if any(option.get("type") == "null" for option in node.get("anyOf", ())) else ""
        return f"str | Path{optional}"
    if "enum" in node:
        return f"Literal[{', '.join(repr(value) for value in node['enum']).replace(chr(39), chr(34))}]"
    if "anyOf" in node:
        return " | ".join(dict.fromkeys(_type(key, option) for option in node["anyOf"]))
    names = {"integer": "int", "number": "float", "boolean": "bool", "string": "str", "null": "None"}
    if node.get("type") in names:
        return names[node["type"]]
    return "dict[str, Any]" if node.get("type") == "object" else "list[Any]"
