"""Tokens of rows in fixed blocks: the same kernels on the same shapes, whatever batch the rows come in.

A matrix product's rounding may depend on its number of rows; so that a row's tokens never depend on the other rows or
on the batch size, every product here sees exactly 1,024 rows, the last block padded with zeros. On a CPU each block has
one thread, and several are worked on side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spinlock.model.codec.tables import TokenTables
from spinlock.model.network.vqvae import CategoricalVQVAE
from spinlock.runtime.threads import parallel_map

BLOCK = 1024


@dataclass(frozen=True)
class EncodedRows:
    """Tokens [n, C, L] int64, each row's mean squared reconstruction error [n] in normalized units, near ties [n]."""

    indices: Tensor
    error: Tensor
    near_tie: Tensor


@contextmanager
def full_precision() -> Iterator[None]:
    """Products in float32 proper, whatever the calling program chose (TF32, bfloat16, autocast would move tokens)."""
    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False), _float32_products():
        yield


@contextmanager
def _float32_products() -> Iterator[None]:
    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:  # the caller set the precision of a backend, and torch refuses to mix the two ways
        with _ieee(torch.backends.cuda.matmul), _ieee(torch.backends.mkldnn.matmul):  # type: ignore[attr-defined]
            yield
        return
    if before == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _ieee(backend: Any) -> Iterator[None]:
    before, backend.fp32_precision = backend.fp32_precision, "ieee"
    try:
        yield
    finally:
        backend.fp32_precision = before


class Codec:
    """A model whose weights stay, as tables: made once, for any number of rows, on the model's device."""

    @torch.no_grad()
    @full_precision()
    def __init__(self, model: CategoricalVQVAE) -> None:
        self.tables = TokenTables(model)

    @torch.no_grad()
    def encode_block(self, rows: Tensor) -> EncodedRows:
        """Encode at most 1,024 normalized rows [n, D]; to be called within :func:`full_precision`."""
        block = _padded(rows)
        tokens = self.tables.encode(block)
        error = (block - self.tables.decode(tokens.indices)).square().mean(1)
        return EncodedRows(tokens.indices[: len(rows)], error[: len(rows)], tokens.near_tie[: len(rows)])

    def encode(self, rows: Tensor) -> EncodedRows:
        """Tokens and reconstruction errors of normalized rows [n, D]."""
        with full_precision():
            parts = parallel_map(self.encode_block, torch.split(rows, BLOCK), rows.device)
        return EncodedRows(
            torch.cat([part.indices for part in parts]),
            torch.cat([part.error for part in parts]),
            torch.cat([part.near_tie for part in parts]),
        )

    @torch.no_grad()
    def decode(self, indices: Tensor) -> Tensor:
        """Normalized rows [n, D] of tokens [n, C, l], any prefix of the levels."""
        return _in_blocks(self.tables.decode, indices)


def encode_rows(model: CategoricalVQVAE, rows: Tensor) -> EncodedRows:
    """:meth:`Codec.encode` of a model that is used once."""
    return Codec(model).encode(rows)


def decode_tokens(model: CategoricalVQVAE, indices: Tensor) -> Tensor:
    """:meth:`Codec.decode` of a model that is used once."""
    return Codec(model).decode(indices)


@torch.no_grad()
def encode_local_rows(model: CategoricalVQVAE, rows: Tensor) -> Tensor:
    """Local tokens [n, C, L] of normalized rows [n, D], of a joint model too."""
    tables = TokenTables(model)
    return _in_blocks(lambda block: tables.encode_local(block).indices, rows)


@torch.no_grad()
def decode_local_tokens(model: CategoricalVQVAE, indices: Tensor) -> Tensor:
    """Normalized rows [n, D] of local tokens [n, C, l], of a joint model too."""
    return _in_blocks(TokenTables(model).decode_local, indices)


@torch.no_grad()
def latent_rows(model: CategoricalVQVAE, indices: Tensor) -> Tensor:
    """Quantized latents [n, C E] of tokens [n, C, l]."""
    return _in_blocks(lambda block: model.lookup(block).transpose(0, 1).flatten(1), indices)


def _in_blocks(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """A function without gradients of rows [n, ...], block by block."""

    def padded(block: Tensor) -> Tensor:
        return function(_padded(block))[: len(block)]

    with full_precision():
        return torch.cat(parallel_map(padded, torch.split(rows, BLOCK), rows.device))


def _padded(rows: Tensor) -> Tensor:
    """Exactly 1,024 rows."""
    missing = BLOCK - len(rows)
    return torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows
