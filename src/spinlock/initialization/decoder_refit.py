"""Ridge regression of the shared decoder on fixed tokens.

In training, the tokens of a level are the nearest codes. Rows are encoded with a beam search over the levels, which
finds nearer sums of codes and therefore some other tokens. After training, the decoder is fitted to these tokens:
W <- W + (Z'Z + lambda n I)^-1 Z'(X - X^), with the quantized latents Z and the reconstruction X^.

Letters: ``n`` rows, ``D`` columns, ``C`` categories, ``E`` embedding width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spinlock.initialization.ridge import fit_decoders
from spinlock.model import CategoricalVQVAE
from spinlock.model.codec import make_codec
from spinlock.runtime.precision import full_precision

RIDGE = 0.003
"""Ridge strength lambda, in units of n. The penalty is on the change of the decoder."""


@torch.no_grad()
@full_precision()
def refit_decoder(model: CategoricalVQVAE, rows: Tensor) -> None:
    """Fit the linear part of the shared decoder to the tokens of rows [n, D], in place."""
    latents = model.flat_latents(make_codec(model).encode(rows).indices)
    rest = rows - model.decoder(latents)
    linear = model.decoder.linear
    linear.add_(fit_decoders(latents, rest, torch.zeros_like(linear), (RIDGE,))[0])
