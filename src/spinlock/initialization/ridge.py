"""Ridge regression of the shared decoder toward a decoder of each category alone.

The decoder is W = W_0 + (Z'Z + lambda n I)^-1 Z'(X - Z W_0), where Z are the quantized coordinates of all categories,
and W_0 = blockdiag(V_c') decodes each category alone from its coordinates along its principal axes V_c. With fewer rows
than coordinates, Z (Z'Z + lambda n I)^-1 Z' = Z Z' (Z Z' + lambda n I)^-1 gives the reconstruction of held-out rows
without the decoder.

Letters: ``n`` rows to fit, ``m`` held-out rows, ``D`` columns, ``C`` categories, ``M`` columns of the widest category,
``E`` embedding width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.metrics.correlation import is_wide
from spinlock.model.network.layout import CategoryLayout

RIDGE_GRID = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Ridge strengths lambda that are tried; lambda is multiplied by the number of rows n, for columns of unit variance."""


BLOCK_COLUMNS = 2_048
"""Number of columns that are fitted at once, to limit the memory."""


@dataclass(frozen=True)
class Basis:
    """Column layout of the categories of a bucket, and their principal axes [C, M, E]."""

    layout: CategoryLayout
    axes: Tensor

    def decode(self, latents: Tensor) -> Tensor:
        """Return the columns [C, B, M] of the coordinates [B, C E] of the bucket's categories."""
        coordinates = latents.reshape(len(latents), self.axes.shape[0], self.axes.shape[2]).transpose(0, 1)
        return torch.bmm(coordinates, self.axes.transpose(1, 2))


def local_decoder(bases: Sequence[Basis], columns: int) -> Tensor:
    """Return the decoder W_0 [C E, D], which maps the coordinates of each category to its own columns only."""
    rows = []
    for basis in bases:
        categories, _, width = basis.axes.shape
        target = basis.layout.index[:, None].expand(-1, width, -1)
        decoder = basis.axes.new_zeros(categories, width, columns + 1)
        rows.append(decoder.scatter_(2, target, basis.axes.transpose(1, 2))[..., :columns].flatten(0, 1))
    return torch.cat(rows)


def fit_decoders(latents: Tensor, rows: Tensor, prior: Tensor, strengths: Sequence[float]) -> list[Tensor]:
    """Fit a decoder by ridge regression toward a prior decoder, for each ridge strength.

    Parameters
    ----------
    latents
        Quantized coordinates Z [n, C E].
    rows
        Training rows X [n, D].
    prior
        Decoder W_0 [C E, D].
    strengths
        Ridge strengths lambda, in units of n.

    Returns
    -------
    list of Tensor
        One decoder [C E, D] for each strength.
    """
    active = latents.abs().sum(0) > 0
    used = latents[:, active]
    design = used.double()
    decoders = [prior.clone() for _ in strengths]
    if is_wide(rows.shape[1]):
        for decoder, strength in zip(decoders, strengths, strict=True):
            operator = _ridge_operator(design, strength * len(rows))
            for start in range(0, rows.shape[1], BLOCK_COLUMNS):
                block = slice(start, start + BLOCK_COLUMNS)
                decoder[active, block] += operator @ (rows[:, block] - used @ prior[:, block][active])
        return decoders
    gram = design.t() @ design
    right = design.t() @ (rows - used @ prior[active]).double()
    for decoder, strength in zip(decoders, strengths, strict=True):
        decoder[active] += torch.cholesky_solve(right, _ridge_factor(gram, strength * len(rows))).float()
    return decoders


def _ridge_operator(design: Tensor, ridge: float) -> Tensor:
    """Return (Z'Z + r I)^-1 Z' = Z'(Z Z' + r I)^-1 [C E, n] of a design Z [n, C E], from the smaller matrix."""
    if len(design) < design.shape[1]:
        return torch.cholesky_solve(design, _ridge_factor(design @ design.t(), ridge)).t().float()
    return torch.cholesky_solve(design.t(), _ridge_factor(design.t() @ design, ridge)).float()


def _ridge_factor(products: Tensor, ridge: float) -> Tensor:
    """Return the Cholesky factor of P + r I for products P [k, k]."""
    identity = torch.eye(len(products), dtype=products.dtype, device=products.device)
    factor: Tensor = torch.linalg.cholesky(products + ridge * identity)
    return factor


def axis_variances(rows: Tensor, bases: Sequence[Basis]) -> tuple[NDArray[np.float64], ...]:
    """Return the variances [E] of rows [n, D] along the principal axes of each of the C categories."""
    variances: list[NDArray[np.float64]] = []
    for basis in bases:
        coordinates = torch.bmm(basis.layout.gather(rows), basis.axes)
        variances += [*coordinates.double().square().mean(1).cpu().numpy()]
    return tuple(variances)


def decode_locally(bases: Sequence[Basis], latents: Tensor, columns: int) -> Tensor:
    """Return Z W_0 [B, D] of the coordinates Z [B, C E] of all buckets, without the matrix W_0."""
    rows = latents.new_zeros(len(latents), columns + 1)  # the last column is the padding
    widths = [basis.axes.shape[0] * basis.axes.shape[2] for basis in bases]
    for basis, own in zip(bases, torch.split(latents, widths, dim=1), strict=True):
        rows[:, basis.layout.index.flatten()] = basis.decode(own).transpose(0, 1).flatten(1)
    return rows[:, :columns]


def held_out_reconstructions(
    latents: Tensor, rows: Tensor, held_out: Tensor, bases: Sequence[Basis], strengths: Sequence[float]
) -> Iterator[Tensor]:
    """Yield the reconstruction of held-out rows by the decoder of each ridge strength.

    Parameters
    ----------
    latents
        Quantized coordinates Z [n, C E] of the rows to fit.
    rows
        Rows to fit X [n, D].
    held_out
        Quantized coordinates [m, C E] of the held-out rows.
    bases
        Principal axes of all buckets, which define W_0.
    strengths
        Ridge strengths lambda, in units of n.

    Yields
    ------
    Tensor
        Reconstruction [m, D].
    """
    columns = rows.shape[1]
    if not is_wide(columns) or len(rows) >= latents.shape[1]:
        for decoder in fit_decoders(latents, rows, local_decoder(bases, columns), strengths):
            yield held_out @ decoder
        return
    rest = rows - decode_locally(bases, latents, columns)
    alone = decode_locally(bases, held_out, columns)
    design = latents.double()
    products, between = design @ design.t(), held_out.double() @ design.t()
    for strength in strengths:
        weights = torch.cholesky_solve(between.t(), _ridge_factor(products, strength * len(rows)))
        yield torch.addmm(alone, weights.t().float(), rest)
