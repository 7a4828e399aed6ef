"""Initialization of a network from the closed-form tokenizer, or with random weights.

After closed-form initialization the network equals the closed-form tokenizer, and training starts from its quality.
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
    """Set encoders to principal axes, codebooks to residual k-means and the shared decoder to a ridge regression.

    The category decoders are set to the transposed axes. The output weights of the hidden layers stay zero.

    Parameters
    ----------
    model
        Network to initialize.
    rows
        Training rows and interpolated points [n, D] in normalized units.
    ridge
        Ridge strength of the decoder, in units of n.
    rows_per_batch
        Number of rows of a batch. The counts of the codes are scaled to it, since moving averages are in rows per
        batch.
    seed
        Seed of k-means.
    iterations
        Maximum number of iterations of k-means.

    Returns
    -------
    ClosedForm
        The fitted tokenizer.
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
    """Set codebooks to latents of random rows. The weights keep their random values.

    Parameters
    ----------
    model
        Network to initialize.
    rows
        Training rows [n, D] in normalized units.
    rows_per_batch
        Number of rows of a batch, over which the counts of the codes are evenly distributed.
    seed
        Seed of the random rows.
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
    """Set the codes to the k-means centers."""
    padded = torch.zeros_like(level.codes)
    padded[..., : fitted.codes.shape[-1]] = fitted.codes
    level.set_codes(padded, fitted.counts * scale)
