"""Put the closed form into the network: epoch 0 is the classical optimum, training has to improve on it."""

from __future__ import annotations

import torch
from torch import Tensor

from spinlock.initialization.closed_form import ClosedForm, FittedLevel, fit_closed_form
from spinlock.model import CategoricalVQVAE
from spinlock.model.network.quantizer import QuantizerLevel


@torch.no_grad()
def closed_form_start(
    model: CategoricalVQVAE, rows: Tensor, *, ridge: float, rows_per_batch: int, seed: int, iterations: int = 25
) -> ClosedForm:
    """Set encoders to principal axes, codebooks to residual k-means and decoders to ridge regression.

    ``rows`` [n, D] are all training rows (or the reservoir), with points between them (:func:`interpolated`);
    ``rows_per_batch`` scales the codes' counts to what the moving average will hold. The branches that only training
    can use start at zero.
    """
    form = fit_closed_form(
        rows, model.spec, ridge=ridge, generator=torch.Generator().manual_seed(seed), iterations=iterations
    )
    for block, fitted in zip(model.each_bucket(), form.buckets, strict=True):
        block.encoder.linear.copy_(fitted.axes)
        block.category_decoders.linear.copy_(fitted.axes.transpose(1, 2).expand_as(block.category_decoders.linear))
        for level, codes in zip(block.quantizer.each(), fitted.levels, strict=True):
            _set_level(level, codes, rows_per_batch / rows.shape[0])
    model.decoder.linear.copy_(form.decoder)
    return form


@torch.no_grad()
def random_start(model: CategoricalVQVAE, rows: Tensor, *, rows_per_batch: int, seed: int) -> None:
    """Codebooks from latents of random training rows; every weight stays as it was drawn."""
    generator = torch.Generator().manual_seed(seed)
    for block in model.each_bucket():
        residual = block.encoder(block.layout.gather(rows))
        for level in block.quantizer.each():
            count = level.codes.shape[1]
            order = torch.randperm(rows.shape[0], generator=generator)
            chosen = order[torch.arange(count) % rows.shape[0]].to(rows.device)
            codes = level.project(residual)[:, chosen] * level.mask[..., None]
            level.set_codes(codes, level.mask * (rows_per_batch / level.num_codes[:, None]))
            residual = residual - level(residual).contribution


def _set_level(level: QuantizerLevel, fitted: FittedLevel, scale: float) -> None:
    """Identity projections onto the leading coordinates, and the codes of k-means, padded to the level's width."""
    identity = torch.eye(level.project_in.shape[1], level.project_in.shape[2], device=level.project_in.device)
    level.project_in.copy_(identity.expand_as(level.project_in))
    level.project_out.copy_(identity.t().expand_as(level.project_out))
    padded = torch.zeros_like(level.codes)
    padded[..., : fitted.codes.shape[-1]] = fitted.codes
    level.set_codes(padded, fitted.counts * scale)
