"""Parsing of JSON and YAML, and writing of YAML.

PyYAML implements YAML 1.1, where ``1e-3`` is a string, ``1:30:00`` is a number of seconds, ``010`` is 8 and ``no`` is
false. Configurations use the scalars of YAML 1.2 (core schema). A key that is given twice is an error.
"""

import json
import math
import re
import sys
from collections.abc import Hashable
from typing import Any

import yaml

from spinlock.config.section import Section
from spinlock.errors import shortened

_TAG = "tag:yaml.org,2002:"
_DIGITS = list("-+.0123456789")
_CORE_SCALARS = {
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", _DIGITS),
    "float": (
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        _DIGITS,
    ),
    "null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "merge": (r"^<<$", ["<"]),
}

MAX_VALUES = 100_000
"""Maximum number of values of a YAML document in which each alias is replaced by its value."""

MAX_DEPTH = 100
"""Maximum nesting depth of lists and mappings.

Python's recursion limit is not used for this, because other packages can change it.
"""

_TOO_DEEP = f"it is nested too deeply; expected at most {MAX_DEPTH} nested lists and mappings"

MAX_PROBLEM_LENGTH = 200
"""Maximum length of a description of the YAML parser in a message."""


class ConfigTextError(ValueError):
    """The text is not valid JSON or YAML, or it contains a key twice. The message is one line."""


class _Loader(yaml.SafeLoader):
    """A YAML loader with the scalars of YAML 1.2, which raises an error if a key is given twice."""

    depth = 0

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own name and type)
    yaml_constructors = {  # noqa: RUF012
        tag: yaml.SafeLoader.yaml_constructors[tag] for tag in (None, *(_TAG + name for name in ("map", "seq", "str")))
    }

    def get_single_node(self) -> yaml.Node | None:
        """Return the root of the document, if its aliases do not make it too large."""
        root = super().get_single_node()
        if root is not None and _expanded_size(root, {}) > MAX_VALUES:
            raise ConfigTextError(f"it has more than {MAX_VALUES:,} values, with its aliases replaced by their values")
        return root

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node, if it is not nested too deeply."""
        self.depth += 1
        if self.depth > MAX_DEPTH + 1:  # the values in the innermost list are one level deeper than the list
            raise ConfigTextError(_TOO_DEEP)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        first_line: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and not is_comment(key.value):
                line = key.start_mark.line + 1
                if key.value in first_line:
                    lines = f"on lines {first_line[key.value]} and {line}"
                    raise ConfigTextError(f"the key {shortened(key.value)} is given twice, {lines}")
                first_line[key.value] = line
        return super().construct_mapping(node, deep)

    def construct_core_scalar(self, node: yaml.ScalarNode) -> bool | int | float | None:
        """Return the value of a scalar whose tag is implied by its text, or is given, as in ``!!bool true``."""
        text, name = self.construct_scalar(node), node.tag.removeprefix(_TAG)
        if not re.match(_CORE_SCALARS[name][0], text):
            place = f"in line {node.start_mark.line + 1}"
            raise ConfigTextError(f"broken YAML {place}: {shortened(text)!r} is not of the type !!{name}")
        match name:
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text, 0) if text[:2] in ("0o", "0x") else _integer(text)
            case "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return None


class _Dumper(yaml.SafeDumper):
    """A YAML dumper that quotes each string that YAML 1.1 or YAML 1.2 would read as another type."""


for _name, (_pattern, _starts) in _CORE_SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _starts)
for _name in ("bool", "int", "float", "null"):
    _Loader.add_constructor(_TAG + _name, _Loader.construct_core_scalar)


def is_comment(key: object) -> bool:
    """Return whether a key is a comment: it begins with ``_``, or it is ``$schema``, which editors use."""
    return isinstance(key, str) and (key.startswith("_") or key == "$schema")


def parse_text(text: str, *, suffix: str) -> object:
    """Parse the text of a file.

    A ``.json`` file is parsed as JSON. Any other file is parsed as JSON if it is valid JSON, else as YAML.

    Raises
    ------
    ConfigTextError
        The text is not valid, or contains a key twice.
    """
    try:
        if suffix.lower() == ".json":
            return _without_comments(_parse_json(text))
        if text.lstrip().startswith("{"):
            try:
                return _without_comments(_parse_json(text))
            except json.JSONDecodeError:
                pass
        return parse_value(text)
    except json.JSONDecodeError as error:
        raise ConfigTextError(f"broken JSON in line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ConfigTextError(_TOO_DEEP) from None


def parse_value(text: str) -> object:
    """Parse one YAML document, for example the value of ``--set``; errors are those of :func:`parse_text`."""
    try:
        return _without_comments(yaml.load(text, _Loader))
    except ConfigTextError:
        raise
    except RecursionError:
        raise ConfigTextError(_TOO_DEEP) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = shortened(str(error.problem or error.context), MAX_PROBLEM_LENGTH)
        raise ConfigTextError(f"broken YAML{place}: {problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        problem = shortened(" ".join(str(error).split()), MAX_PROBLEM_LENGTH)
        raise ConfigTextError(f"broken YAML: {problem}") from None


def dump_config(config: Section) -> str:
    """Return YAML of all keys, in the order of their declaration; loading it returns the same configuration."""
    values = config.model_dump(mode="json")
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000)


def _parse_json(text: str) -> object:
    """Parse JSON, and raise an error if a key is given twice."""

    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in pairs:
            if key in mapping and not is_comment(key):
                raise ConfigTextError(f"the key {shortened(key)} is given twice")
            mapping[key] = value
        return mapping

    try:
        return json.loads(text, object_pairs_hook=without_duplicates, parse_int=_integer)
    except (json.JSONDecodeError, ConfigTextError):
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise ConfigTextError(f"broken JSON: {error}") from None


def _integer(text: str) -> int:
    """Return a decimal integer, or raise a ValueError if it has more digits than Python converts."""
    try:
        return int(text)
    except ValueError:
        digits = len(text.lstrip("+-"))
        limit = sys.get_int_max_str_digits()
        raise ValueError(f"the integer {shortened(text)} has {digits:,} digits; expected at most {limit:,}") from None


def _expanded_size(node: yaml.Node, sizes: dict[int, float]) -> float:
    """Return the number of values below a node, with aliases replaced; infinity if a node contains itself.

    ``sizes`` are the results by ``id(node)``. An alias is the same node object again, which is counted from here.
    """
    if id(node) not in sizes:
        sizes[id(node)] = math.inf
        children = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        sizes[id(node)] = 1 + sum(_expanded_size(child, sizes) for child in children)
    return sizes[id(node)]


def _without_comments(value: object, depth: int = 1) -> object:
    """Remove comment keys from all mappings in a value, or raise an error if it is nested too deeply."""
    if not isinstance(value, dict | list):
        return value
    if depth > MAX_DEPTH:
        raise ConfigTextError(_TOO_DEEP)
    if isinstance(value, list):
        return [_without_comments(inner, depth + 1) for inner in value]
    return {key: _without_comments(inner, depth + 1) for key, inner in value.items() if not is_comment(key)}
