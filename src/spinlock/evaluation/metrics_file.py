"""``metrics.json``, the result of an evaluation as plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

from spinlock.metrics.targets import Target


class _Result(Protocol):
    """A dataclass with the targets of an evaluation."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def targets(self) -> Sequence[Target]: ...


def metrics_content(result: _Result, format_version: int) -> dict[str, Any]:
    """Return the content of ``metrics.json``.

    Parameters
    ----------
    result
        A dataclass with the attribute ``targets``.
    format_version
        Version of the keys of this kind of result.

    Returns
    -------
    dict
        ``format_version`` and the attributes of the result. Values that are NaN or infinite are None.
    """
    values = asdict(result)
    for target, entry in zip(result.targets, values["targets"], strict=True):
        entry["met"] = target.met
    content: dict[str, Any] = _json_values({"format_version": format_version, **values})
    return content


def metrics_file(content: dict[str, Any]) -> bytes:
    """Return the file ``metrics.json`` of the content that :func:`metrics_content` returned."""
    return (json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _json_values(value: Any) -> Any:
    """Convert tuples to lists, NumPy numbers to Python numbers, and numbers that are not finite to None."""
    if isinstance(value, dict):
        return {str(key): _json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_values(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
