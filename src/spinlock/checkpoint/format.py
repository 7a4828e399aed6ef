"""Format of a checkpoint file: its version, its required keys, and the parsing of single values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from spinlock.errors import CheckpointError

Part = TypeVar("Part")

KIND = "spinlock-vqvae"
FORMAT_VERSION = 1

REMEDY = "use the best_model.pt or last.pt of a training run"

REQUIRED = frozenset(
    {
        "model_state_dict",
        "optimizer_state_dict",
        "group_indices",
        "normalization_stats",
        "feature_names",
        "config",
        "history",
        "val_loss",
        "metrics",
        "training_state",
        "model_spec",
        "cleaner",
        "split",
        "split_operators",
        "dataset",
        "discovery",
        "dropped_features",
        "provenance",
        "requested_config",
        "validation_errors",
    }
)

REQUIRED_STATE = frozenset({"weights", "progress", "best_validation", "compile", "random", "environment"})


def check_format(content: Any, path: Path) -> None:
    """Check that the content of a file is a complete checkpoint of this format.

    Parameters
    ----------
    content
        Content of the file.
    path
        Path of the file, for the error message.

    Raises
    ------
    CheckpointError
        The content is not a checkpoint, has another format version, or lacks a required key.
    """
    where = str(path)
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise CheckpointError("is not a Spinlock checkpoint", where=where, remedy=REMEDY)
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"has format version {version}",
            where=where,
            expected=f"version {FORMAT_VERSION}",
            remedy="use the version of Spinlock that wrote it, or train again",
        )
    missing = sorted(REQUIRED - content.keys())
    if missing:
        raise CheckpointError(f"lacks {', '.join(missing)}", where=where, remedy=REMEDY)
    state = content.get("training_state")
    missing = sorted(REQUIRED_STATE - set(state if isinstance(state, dict) else ()))
    if missing:
        raise CheckpointError(f"lacks {', '.join(missing)} in training_state", where=where, remedy=REMEDY)


def read_part(
    content: Mapping[str, Any], where: str, key: str, parse: Callable[[Any], Part], *, kind: type = dict
) -> Part:
    """Parse the value of one key of a checkpoint file.

    Parameters
    ----------
    content
        Content of the file.
    where
        Path of the file, for the error message.
    key
        Key of the value.
    parse
        Function that parses the stored value.
    kind
        Type of the stored value.

    Returns
    -------
    object
        Result of ``parse``.

    Raises
    ------
    CheckpointError
        The value has another type or cannot be parsed.
    """
    value = content[key]
    if not isinstance(value, kind):
        raise CheckpointError(f"is damaged: {key} cannot be read", where=where, remedy=REMEDY)
    try:
        return parse(value)
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise CheckpointError(f"is damaged: {key} cannot be read", where=where, remedy=REMEDY) from error
