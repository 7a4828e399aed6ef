"""Operations with custom gradients: a straight-through estimator, and a table lookup with a faster gradient.

Letters: ``B`` rows, ``C`` categories, ``E`` embedding width, ``K`` codes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _LookupRows(torch.autograd.Function):
    """Look up rows of tables in the forward pass; multiply by the transposed one-hot vectors in the backward pass."""

    @staticmethod
    def forward(ctx: Any, tables: Tensor, indices: Tensor, one_hot: Tensor) -> Tensor:
        ctx.save_for_backward(one_hot)
        return detached_rows(tables, indices)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (one_hot,) = ctx.saved_tensors
        return torch.bmm(one_hot.transpose(1, 2), gradient), None, None


def lookup_rows(tables: Tensor, indices: Tensor, one_hot: Tensor) -> Tensor:
    """Return rows [C, B, E] of tables [C, K, E], with a gradient with respect to the tables.

    A lookup is faster than the equivalent product with one-hot vectors. The gradient is that of the product.

    Parameters
    ----------
    tables
        Tables [C, K, E].
    indices
        Row indices [C, B].
    one_hot
        The same indices as one-hot vectors [C, B, K].
    """
    rows: Tensor = _LookupRows.apply(tables, indices, one_hot)
    return rows


def detached_rows(tables: Tensor, indices: Tensor) -> Tensor:
    """Return rows [C, B, E] of tables [C, K, E] by indices [C, B], without a gradient."""
    first = tables.shape[1] * torch.arange(len(tables), device=tables.device)[:, None]
    return F.embedding(indices + first, tables.detach().flatten(0, 1))


class _StraightThrough(torch.autograd.Function):
    """Return the value in the forward pass; multiply the gradient by the transposed derivative in the backward pass."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, embeddings: Tensor, derivative: Tensor) -> Tensor:
        ctx.save_for_backward(derivative)
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (derivative,) = ctx.saved_tensors
        return gradient, torch.bmm(gradient, derivative.transpose(1, 2)), None


def straight_through(value: Tensor, embeddings: Tensor, derivative: Tensor) -> Tensor:
    """Return the straight-through estimator value + (e - stop(e)) M.

    Parameters
    ----------
    value
        Value [C, B, m], which is returned.
    embeddings
        Embeddings e [C, B, E]. A gradient g with respect to the result gives them the gradient g M^T.
    derivative
        Derivative M [C, E, m] of the value with respect to the embeddings that the estimator assumes.
    """
    estimate: Tensor = _StraightThrough.apply(value, embeddings, derivative)
    return estimate
