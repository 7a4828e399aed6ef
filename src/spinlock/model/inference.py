"""Tokens of rows in fixed blocks: the same kernels on the same shapes, whatever batch the rows come in.

A matrix product's rounding may depend on its number of rows; so that a row's tokens never depend on the other rows or
on the batch size, every product here sees exactly 1,024 rows, the last block padded with zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spinlock.model.tables import TokenTables
from spinlock.model.vqvae import CategoricalVQVAE

BLOCK = 1024


@dataclass(frozen=True)
class EncodedRows:
    """Tokens [n, C, L] int64, each row's mean squared reconstruction error [n] in normalised units, near ties [n]."""

    indices: Tensor
    error: Tensor
    near_tie: Tensor


@contextmanager
def full_precision() -> Iterator[None]:
    """Products in float32 proper, whatever the calling program chose (TF32 or bfloat16 would move tokens)."""
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


@torch.no_grad()
@full_precision()
def encode_rows(model: CategoricalVQVAE, rows: Tensor) -> EncodedRows:
    """Tokens and reconstruction errors of normalised rows [n, D] on the model's device."""
    tables, encoded, errors = TokenTables(model), [], []
    for block in _blocks(rows):
        encoded.append(tables.encode(block))
        errors.append((block - tables.decode(encoded[-1].indices)).square().mean(1))
    return EncodedRows(
        torch.cat([part.indices for part in encoded])[: len(rows)],
        torch.cat(errors)[: len(rows)],
        torch.cat([part.near_tie for part in encoded])[: len(rows)],
    )


@torch.no_grad()
@full_precision()
def decode_tokens(model: CategoricalVQVAE, indices: Tensor) -> Tensor:
    """Normalised rows [n, D] of tokens [n, C, l], any prefix of the levels."""
    tables = TokenTables(model)
    return torch.cat([tables.decode(block) for block in _blocks(indices)])[: len(indices)]


@torch.no_grad()
@full_precision()
def encode_local_rows(model: CategoricalVQVAE, rows: Tensor) -> Tensor:
    """Local tokens [n, C, L] of normalised rows [n, D], of a joint model too."""
    tables = TokenTables(model)
    return torch.cat([tables.encode_local(block).indices for block in _blocks(rows)])[: len(rows)]


@torch.no_grad()
@full_precision()
def decode_local_tokens(model: CategoricalVQVAE, indices: Tensor) -> Tensor:
    """Normalised rows [n, D] of local tokens [n, C, l], of a joint model too."""
    tables = TokenTables(model)
    return torch.cat([tables.decode_local(block) for block in _blocks(indices)])[: len(indices)]


@torch.no_grad()
@full_precision()
def latent_rows(model: CategoricalVQVAE, indices: Tensor) -> Tensor:
    """Quantised latents [n, C E] of tokens [n, C, l]."""
    latents = [model.lookup(block).transpose(0, 1).flatten(1) for block in _blocks(indices)]
    return torch.cat(latents)[: len(indices)]


def _blocks(rows: Tensor) -> list[Tensor]:
    padding = -len(rows) % BLOCK
    if padding or len(rows) == 0:
        rows = torch.cat([rows, rows.new_zeros(padding or BLOCK, *rows.shape[1:])])
    return list(torch.split(rows, BLOCK))
