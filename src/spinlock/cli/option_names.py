"""Conversion of keyword arguments in error messages of the library to options of the command line."""

from __future__ import annotations

import re

from spinlock.errors import SpinlockError

OPTIONS = {
    "batch_size": "--batch-size",
    "device": "--device",
    "hold_diverged": "--hold-diverged",
    "input_path": "--input",
    "output_dir": "--output",
    "overwrite": "--overwrite",
    "resume": "--resume",
    "resume_from": "--resume-from",
    "scale": "--scale",
    "strict": "--strict",
    "tokens_path": "--tokens",
}
"""{keyword: option}. Every other keyword is a key of the configuration, which ``--set`` changes."""

_KEYWORD = re.compile(r"\b([a-z_]+)=(True|\.\.\.|'[^']*'|[\w.]+)")


def message_with_options(error: SpinlockError) -> str:
    """Return the message of an error, in which the remedy has options instead of keyword arguments.

    For example ``pass overwrite=True`` becomes ``pass --overwrite``, and ``device='cpu'`` becomes ``--device cpu``.
    """
    message = str(error)
    if not error.remedy or not message.endswith(error.remedy):
        return message
    return message.removesuffix(error.remedy) + _KEYWORD.sub(_option, error.remedy)


def _option(match: re.Match[str]) -> str:
    """Return the option for one keyword argument."""
    keyword, value = match[1], match[2].strip("'")
    if keyword not in OPTIONS:
        return f"--set {keyword}={value}"
    return OPTIONS[keyword] if value in ("True", "...") else f"{OPTIONS[keyword]} {value}"
