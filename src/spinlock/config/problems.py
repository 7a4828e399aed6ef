"""Descriptions of the problems of a configuration: the key, the value, its origin, and the expected value."""

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from spinlock.config.section import Conflict, Section, SectionT
from spinlock.errors import MAX_SHOWN_PROBLEMS, shortened

_MAX_SHOWN_BITS = 128
"""Maximum size of an integer in a message."""

_SHAPE_ERRORS = ("missing", "too_short", "too_long", "tuple_type")
_TYPE_NAMES = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "a string",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
_Loc = tuple[int | str, ...]


@dataclass(frozen=True)
class Given:
    """A key with its value and the origin of the value, for example "the file", "--set" or an option."""

    key: str
    value: object
    origin: str


def unknown_key(model: type[Section], given: Given) -> str:
    """Return the message for a key that ``model`` does not have, with the most similar key of ``model``."""
    hint = _nearest(given.key, list(model.model_fields), model)
    return f"{shortened(given.key)}: got an unknown key from {given.origin}, {hint}"


def validate(model: type[SectionT], given: Mapping[str, Given]) -> tuple[SectionT | None, list[str]]:
    """Build a configuration, or describe all its problems.

    Parameters
    ----------
    model
        Class of the configuration.
    given
        {key: value and origin}; all keys are keys of ``model``.

    Returns
    -------
    config
        The configuration, or None if there are problems.
    problems
        One line for each problem.
    """
    try:
        return model.model_validate({key: item.value for key, item in given.items()}), []
    except ValidationError as error:
        errors = error.errors()
    wrong = {str(fault["loc"][0]) for fault in errors if fault["loc"]}
    # An invalid entry also makes its list invalid; only the entry is reported.
    inside = {fault["loc"][:-1] for fault in errors}
    faults = [fault for fault in errors if fault["loc"] and fault["loc"] not in inside]
    lines = [_field_line(model, fault, given) for fault in faults[:MAX_SHOWN_PROBLEMS]]
    lines += [_spell(fault["loc"]) for fault in faults[MAX_SHOWN_PROBLEMS:]]  # these are counted and not shown
    lines += [_conflict_line(model, conflict, given) for conflict in _conflicts(model, given, wrong)]
    return None, list(dict.fromkeys(lines))


def _conflicts(model: type[Section], given: Mapping[str, Given], wrong: set[str]) -> list[Conflict]:
    """Return the conflicts between valid values, without those of the keys in ``wrong``."""
    try:
        model.model_validate({key: item.value for key, item in given.items() if key not in wrong})
    except ValidationError as error:
        conflicts = [conflict for fault in error.errors() for conflict in fault["ctx"]["conflicts"]]
        return [conflict for conflict in conflicts if not wrong.intersection(conflict.keys)]
    return []


def _conflict_line(model: type[Section], conflict: Conflict, given: Mapping[str, Given]) -> str:
    """Return the message for a conflict, with the value and the origin of each key."""
    parts = []
    for key in conflict.keys:
        if key in given:
            parts.append(f"{key} = {_show(given[key].value)} from {given[key].origin}")
        else:
            parts.append(f"{key} = {_show(model.model_fields[key].default)} by default")
    return f"{', '.join(parts)}: {conflict.reason}"


def _field_line(model: type[Section], fault: ErrorDetails, given: Mapping[str, Given]) -> str:
    """Return the message for an invalid value."""
    loc = fault["loc"]
    item = given[str(loc[0])]
    if fault["type"] in _SHAPE_ERRORS:
        loc = loc[:-1] if fault["type"] == "missing" else loc
    if loc[-1] == "[key]":
        return f"{_spell(loc[:-2])}: got the name {_show(loc[-2])} from {item.origin}, expected a string"
    if fault["type"] == "extra_forbidden":
        hint = _nearest(str(loc[-1]), list(_node_at(model, loc[:-1]).get("properties", {})), model)
        return f"{_spell(loc)}: got an unknown key from {item.origin}, {hint}"
    expected = describe(_node_at(model, loc))
    if fault["type"] == "finite_number":
        expected = expected.replace("a number", "a finite number")
    return f"{_spell(loc)}: got {_show(fault['input'])} from {item.origin}, expected {expected}"


def _nearest(key: str, known: list[str], model: type[Section]) -> str:
    """Return a hint that names the most similar known key."""
    name = shortened(key.lower().replace("-", "_"))  # comparing names takes time that is quadratic in their length
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"there is no similar key; {model.listing} lists all keys"


def _spell(loc: _Loc) -> str:
    """Return the name of a nested value, for example ``factors[0].num_codes``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in loc[1:])
    return str(loc[0]) + "".join(parts)


def _show(value: object) -> str:
    """Return a value as JSON, shortened. Python refuses to write integers of thousands of digits."""
    if isinstance(value, int) and value.bit_length() > _MAX_SHOWN_BITS:
        return f"an integer of {round(value.bit_length() * math.log10(2)):,} digits"
    try:
        return shortened(json.dumps(value, default=str, ensure_ascii=False))
    except ValueError:
        return f"a {type(value).__name__} with an integer of thousands of digits"


def _node_at(model: type[Section], loc: _Loc) -> dict[str, Any]:
    """Return the part of the JSON schema that describes the value at ``loc``."""
    schema = model.model_json_schema()
    node: dict[str, Any] = schema
    for part in loc:
        node = next((option for option in node.get("anyOf", []) if option.get("type") != "null"), node)
        if isinstance(part, int):
            node = node["prefixItems"][part] if "prefixItems" in node else node["items"]
        else:
            node = node.get("properties", {}).get(part) or node["additionalProperties"]
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def describe(node: Mapping[str, Any]) -> str:
    """Describe the values that a part of the JSON schema allows, for example "an integer of at least 1 (epochs)"."""
    if "errorMessage" in node:
        return str(node["errorMessage"])
    if "enum" in node:
        return "one of " + ", ".join(map(str, node["enum"]))
    unit = f" ({node['unit']})" if "unit" in node else ""
    if "anyOf" in node:
        return " or ".join(describe(option) for option in node["anyOf"]) + unit
    if "prefixItems" in node:
        return f"a list of {len(node['prefixItems'])}"
    if node.get("properties"):
        return "a mapping with " + ", ".join(node["properties"])
    if node.get("type") == "array" and "items" in node:
        return f"a list{' of one or more items' if node.get('minItems') else ''}, each item {describe(node['items'])}"
    limits = [
        f"{words} {node[name]}"
        for name, words in (
            ("minimum", "of at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if name in node
    ]
    return f"{_TYPE_NAMES[node['type']]} {' and '.join(limits)}".rstrip() + unit
