"""Parsing of JSON and YAML, and writing of YAML.

PyYAML implements YAML 1.1, where ``1e-3`` is a string, ``1:30:00`` is a number of seconds, ``010`` is 8 and ``no`` is
false. Configurations use the scalars of YAML 1.2 (core schema). A key that is given twice is an error.
"""

import json
import re
from collections.abc import Hashable
from typing import Any

import yaml

from spinlock.config.section import Section

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


class ConfigTextError(ValueError):
    """The text is not valid JSON or YAML, or it contains a key twice. The message is one line."""


class _Loader(yaml.SafeLoader):
    """A YAML loader with the scalars of YAML 1.2, which raises an error if a key is given twice."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own name and type)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        first_line: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and not is_comment(key.value):
                line = key.start_mark.line + 1
                if key.value in first_line:
                    raise ConfigTextError(
                        f"the key {key.value} is given twice, on lines {first_line[key.value]} and {line}"
                    )
                first_line[key.value] = line
        return super().construct_mapping(node, deep)

    def construct_int(self, node: yaml.ScalarNode) -> int:
        text = self.construct_scalar(node)
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)

    def construct_float(self, node: yaml.ScalarNode) -> float:
        return float(self.construct_scalar(node).lower().replace(".inf", "inf").replace(".nan", "nan"))


class _Dumper(yaml.SafeDumper):
    """A YAML dumper that quotes each string that YAML 1.1 or YAML 1.2 would read as another type."""


for _name, (_pattern, _starts) in _CORE_SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _starts)
_Loader.add_constructor(_TAG + "int", _Loader.construct_int)
_Loader.add_constructor(_TAG + "float", _Loader.construct_float)


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
        raise ConfigTextError("it is nested too deeply") from None


def parse_value(text: str) -> object:
    """Parse one YAML document, for example the value of ``--set``; errors are those of :func:`parse_text`."""
    try:
        return _without_comments(yaml.load(text, _Loader))
    except ConfigTextError:
        raise
    except RecursionError:
        raise ConfigTextError("it is nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigTextError(f"broken YAML{place}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigTextError(f"broken YAML: {' '.join(str(error).split())}") from None


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
                raise ConfigTextError(f"the key {key} is given twice")
            mapping[key] = value
        return mapping

    try:
        return json.loads(text, object_pairs_hook=without_duplicates)
    except (json.JSONDecodeError, ConfigTextError):
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise ConfigTextError(f"broken JSON: {error}") from None


def _without_comments(value: object) -> object:
    """Remove comment keys from all mappings in a value."""
    if isinstance(value, dict):
        return {key: _without_comments(inner) for key, inner in value.items() if not is_comment(key)}
    if isinstance(value, list):
        return [_without_comments(inner) for inner in value]
    return value
