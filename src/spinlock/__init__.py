"""Spinlock: a tokenizer for the behavior of dynamical operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinlock.tokenizer import Tokenizer

__version__ = "0.1.0"

__all__ = ["Tokenizer", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the tokenizer, and torch with it, only when it is asked for: ``spinlock --help`` has to be quick."""
    if name == "Tokenizer":
        from spinlock.tokenizer import Tokenizer

        return Tokenizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
