"""Initialization of a network: by the closed form, or with random weights.

With the closed-form initialization the network before training is a classical optimum, which training has to improve.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spinlock.initialization.closed_form import ClosedForm, FittedLevel, fit_closed_form
from spinlock.model import CategoricalVQVAE
from spinlock.model.network.quantizer import QuantizerLevel


@torch.no_grad()
def initialize_closed_form(
    model: CategoricalVQVAE, rows: Tensor, *, ridge: float, rows_per_batch: int, seed: int, iterations: int = 25
) -> ClosedForm:
    """Set encoders to principal axes, codebooks to residual k-means and decoders to ridge regression.

    The nonlinear branches keep their initial output weights, which are zero.

    Parameters
    ----------
    model
        Network to initialize.
    rows
        Training rows [n, D] in normalized units, and points between them.
    ridge
        Ridge strength of the decoder, in units of n.
    rows_per_batch
        Number of rows of a batch, to which the counts of the codes are scaled, as in the moving average.
    seed
        Seed of k-means.
    iterations
        Maximum number of iterations of k-means.
    """
    form = fit_closed_form(
        rows, model.spec, ridge=ridge, generator=torch.Generator().manual_seed(seed), iterations=iterations
    )
    for bucket, fitted in zip(model.each_bucket(), form.buckets, strict=True):
        bucket.encoder.linear.copy_(fitted.axes)
        category_decoders = bucket.category_decoders.linear
        category_decoders.copy_(fitted.axes.transpose(1, 2).expand_as(category_decoders))
        for level, fitted_level in zip(bucket.quantizer.each_level(), fitted.levels, strict=True):
            _set_level(level, fitted_level, rows_per_batch / rows.shape[0])
    model.decoder.linear.copy_(form.decoder)
    return form


@torch.no_grad()
def initialize_random(model: CategoricalVQVAE, rows: Tensor, *, rows_per_batch: int, seed: int) -> None:
    """Set codebooks to latents of random rows, and leave all weights as they were drawn.

    Parameters
    ----------
    model
        Network to initialize.
    rows
        Training rows [n, D] in normalized units.
    rows_per_batch
        Number of rows of a batch, which the codes share evenly.
    seed
        Seed of the choice of rows.
    """
    generator = torch.Generator().manual_seed(seed)
    for bucket in model.each_bucket():
        residual = bucket.encoder(bucket.layout.gather(rows))
        for level in bucket.quantizer.each_level():
            count = level.codes.shape[1]
            order = torch.randperm(rows.shape[0], generator=generator)
            positions = order[torch.arange(count) % rows.shape[0]].to(rows.device)
            codes = level.project(residual)[:, positions] * level.mask[..., None]
            level.set_codes(codes, level.mask * (rows_per_batch / level.num_codes[:, None]))
            residual = residual - level(residual).contribution


def _set_level(level: QuantizerLevel, fitted: FittedLevel, scale: float) -> None:
    """Set the projections to the identity on the leading coordinates, and the codes to those of k-means."""
    identity = torch.eye(level.project_in.shape[1], level.project_in.shape[2], device=level.project_in.device)
    level.project_in.copy_(identity.expand_as(level.project_in))
    level.project_out.copy_(identity.t().expand_as(level.project_out))
    padded = torch.zeros_like(level.codes)
    padded[..., : fitted.codes.shape[-1]] = fitted.codes
    level.set_codes(padded, fitted.counts * scale)
