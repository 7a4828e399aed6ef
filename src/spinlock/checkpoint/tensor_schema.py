"""Schema of tensors; see :mod:`spinlock.checkpoint.schema`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spinlock.checkpoint.schema import Context, Kind, Mismatch, Size, describe


@dataclass(frozen=True)
class TensorOf(Kind):
    """A tensor of one of some types, and of a shape if it is given.

    Attributes
    ----------
    dtypes
        Types of its numbers.
    shape
        Sizes of its dimensions; None for any shape.
    finite
        Whether all numbers have to be finite.
    minimum
        Smallest number that is allowed.
    maximum
        Largest absolute value that is allowed.
    positive
        Whether all numbers have to be greater than zero.
    """

    dtypes: tuple[torch.dtype, ...]
    shape: tuple[Size, ...] | None = None
    finite: bool = True
    minimum: float | None = None
    maximum: float | None = None
    positive: bool = False

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return self._description(None if self.shape is None else list(self.shape))

    def _description(self, shape: list[Size] | None) -> str:
        names = " or ".join(str(dtype).removeprefix("torch.") for dtype in self.dtypes)
        return f"a tensor {names}" if shape is None else f"a tensor {names} [{', '.join(map(str, shape))}]"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is not such a tensor."""
        if type(value) is not Tensor or value.dtype not in self.dtypes:
            raise self.mismatch_of(value)
        if self.shape is not None:
            if value.ndim != len(self.shape):
                raise self.mismatch_of(value)
            expected = [context.size(size, actual) for size, actual in zip(self.shape, value.shape, strict=True)]
            if list(value.shape) != expected:
                raise Mismatch(f"is {describe(value)}", self._description([*expected]))
        if self.finite and value.is_floating_point() and not _is_finite(value):
            raise Mismatch("contains numbers that are not finite")
        if self.positive and bool((value <= 0).any()):
            raise Mismatch("contains numbers that are zero or negative", "numbers greater than zero")
        if self.maximum is not None and value.numel() and float(value.abs().max()) > self.maximum:
            raise Mismatch(f"contains {float(value.abs().max()):g}", f"absolute values of at most {self.maximum:g}")
        if self.minimum is not None and value.numel() and float(value.min()) < self.minimum:
            raise Mismatch(f"contains {float(value.min()):g}", f"numbers of at least {self.minimum:g}")


def _is_finite(value: Tensor) -> bool:
    """Return whether all numbers are finite. A sum needs no memory; it can overflow for finite numbers in float64."""
    return bool(value.sum(dtype=torch.float64).isfinite()) or bool(value.isfinite().all())
