"""The precision of matrix products, independent of the settings of the calling program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def default_precision() -> Iterator[None]:
    """Set float32 as the default dtype, and compute matrix products as in :func:`full_precision`."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with full_precision():
            yield
    finally:
        torch.set_default_dtype(dtype)


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute matrix products in full float32 precision, without TF32, bfloat16 or autocast.

    Lower precision, which the calling program may have enabled, would change tokens.
    """
    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False), _float32_products():
        yield


@contextmanager
def _float32_products() -> Iterator[None]:
    """Set the precision of products to float32, and restore the caller's precision afterward."""
    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:  # the caller set the precision of one backend, and torch refuses to mix both interfaces
        with _ieee(torch.backends.cuda.matmul), _ieee(torch.backends.mkldnn.matmul):  # type: ignore[attr-defined]
            yield
        return
    if precision == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)


@contextmanager
def _ieee(backend: Any) -> Iterator[None]:
    """Set the precision of one backend to float32, and restore it afterward."""
    precision, backend.fp32_precision = backend.fp32_precision, "ieee"
    try:
        yield
    finally:
        backend.fp32_precision = precision
