"""Operations whose gradient is not that of their forward pass, or is faster than that of automatic differentiation.

Letters: ``B`` rows, ``C`` categories, ``E`` embedding width, ``K`` codes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _LookupRows(torch.autograd.Function):
    """Look up rows of tables forward, and multiply with the transposed one-hot rows backward."""

    @staticmethod
    def forward(ctx: Any, tables: Tensor, indices: Tensor, one_hot: Tensor) -> Tensor:
        ctx.save_for_backward(one_hot)
        return detached_rows(tables, indices)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (one_hot,) = ctx.saved_tensors
        return torch.bmm(one_hot.transpose(1, 2), gradient), None, None


def lookup_rows(tables: Tensor, indices: Tensor, one_hot: Tensor) -> Tensor:
    """Return rows [C, B, E] of tables [C, K, E], with a gradient for the tables.

    Looking them up is faster than a product with one-hot rows; the gradient is the transpose of that product.

    Parameters
    ----------
    tables
        Tables [C, K, E].
    indices
        Row of each table [C, B].
    one_hot
        The same rows as one-hot rows [C, B, K].
    """
    rows: Tensor = _LookupRows.apply(tables, indices, one_hot)
    return rows


def detached_rows(tables: Tensor, indices: Tensor) -> Tensor:
    """Return rows [C, B, E] of tables [C, K, E] by indices [C, B], without a gradient for the tables."""
    first = tables.shape[1] * torch.arange(len(tables), device=tables.device)[:, None]
    return F.embedding(indices + first, tables.detach().flatten(0, 1))


class _StraightThrough(torch.autograd.Function):
    """Return the value forward, and multiply the gradient with the transposed derivative backward."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, embeddings: Tensor, derivative: Tensor) -> Tensor:
        ctx.save_for_backward(derivative)
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (derivative,) = ctx.saved_tensors
        return gradient, torch.bmm(gradient, derivative.transpose(1, 2)), None


def straight_through(value: Tensor, embeddings: Tensor, derivative: Tensor) -> Tensor:
    """Straight-through estimator value + (e - stop(e)) M.

    Parameters
    ----------
    value
        Value [C, B, m], which is returned.
    embeddings
        Embeddings e [C, B, E], which a gradient g of the value reaches as g M^T.
    derivative
        Derivative M [C, E, m] that the estimator assumes.
    """
    estimate: Tensor = _StraightThrough.apply(value, embeddings, derivative)
    return estimate
