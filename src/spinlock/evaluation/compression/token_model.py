"""A small autoregressive model of tokens, whose code length is the rate of an entropy coder that uses it.

The tokens x_1 ... x_T of a row are in the order of the levels, so that coarse tokens predict fine ones:

    h_t = sum_{s < t} E_s[x_s] / sqrt(t),    p(x_t | x_1 ... x_{t-1}) = softmax(b_t + W_t gelu(h_t))

b_t are the logarithms of the frequencies, and W_t = 0 at the start, so that the first model codes each codebook
independently. Training stops when rows that are held out of the fit are no longer coded better.

Letters: ``n`` rows, ``T`` tokens of a row, ``K`` codes of the largest codebook, ``H`` hidden width.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spinlock.metrics.code_length import log_frequencies

Tokens = NDArray[np.int64]

WIDTH = 48
"""Hidden width H."""

MAX_STEPS, CHECK_EVERY, PATIENCE = 600, 20, 3
"""Maximum number of steps, steps between two measurements of the held-out rows, and measurements without progress."""

BATCH, LEARNING_RATE, WEIGHT_DECAY = 256, 1e-2, 0.03


class TokenModel(nn.Module):
    """The model of the module's docstring; ``sizes`` [T] are the numbers of codes, ``fitted`` [n, T] its rows."""

    def __init__(self, sizes: Tokens, fitted: Tokens, generator: torch.Generator) -> None:
        super().__init__()
        count, largest = len(sizes), int(sizes.max())
        bias = np.full((count, largest), -np.inf)
        for row, logarithms in zip(bias, log_frequencies(fitted, sizes), strict=True):
            row[: len(logarithms)] = logarithms * math.log(2)
        self.bias = nn.Parameter(torch.from_numpy(np.where(np.isfinite(bias), bias, 0.0)).float())
        self.embedding = nn.Parameter(torch.randn(count, largest, WIDTH, generator=generator))
        self.readout = nn.Parameter(torch.zeros(count, WIDTH, largest))
        self.register_buffer("invalid", torch.from_numpy(~np.isfinite(bias)))
        self.register_buffer("scale", torch.arange(1, count + 1).sqrt().reciprocal()[:, None])
        self.invalid: Tensor
        self.scale: Tensor

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the code lengths [n, T] in bits of tokens [n, T]."""
        positions = torch.arange(tokens.shape[1])
        gathered = self.embedding[positions, tokens]
        context = (gathered.cumsum(1) - gathered) * self.scale
        logits = torch.einsum("nth,thk->ntk", nn.functional.gelu(context), self.readout) + self.bias
        logits = logits.masked_fill(self.invalid, -torch.inf)
        length = -logits.log_softmax(2).gather(2, tokens[..., None])[..., 0]
        return length / math.log(2)


def autoregressive_code_length(
    fitted: Tokens, held_out: Tokens, scored: Tokens, sizes: Tokens, seed: int
) -> NDArray[np.float64]:
    """Fit the model, and return the mean code length of each token.

    Parameters
    ----------
    fitted
        Tokens [n, T] on which the model is fitted.
    held_out
        Tokens [., T] that determine the number of steps.
    scored
        Tokens [m, T] that are coded.
    sizes
        Number of codes of each codebook, [T].
    seed
        Seed of the initial weights and the batches.

    Returns
    -------
    numpy.ndarray
        Bits [T] for each token; their sum is the bits per row.
    """
    generator = torch.Generator().manual_seed(seed)
    model = TokenModel(sizes, fitted, generator)
    weights: list[dict[str, Any]] = [
        {"params": [model.embedding, model.readout]},
        {"params": [model.bias], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    train, check, test = (torch.from_numpy(tokens) for tokens in (fitted, held_out, scored))
    best, best_state, waiting = _bits(model, check), _copy(model), 0
    for step in range(1, MAX_STEPS + 1):
        batch = train[torch.randint(len(train), (min(BATCH, len(train)),), generator=generator)]
        loss = model(batch).sum(1).mean()
        optimizer.zero_grad()
        torch.autograd.backward([loss])
        optimizer.step()
        if step % CHECK_EVERY == 0:
            bits = _bits(model, check)
            waiting = 0 if bits < best else waiting + 1
            if bits < best:
                best, best_state = bits, _copy(model)
            if waiting == PATIENCE:
                break
    model.load_state_dict(best_state)
    with torch.no_grad():
        lengths = torch.cat([model(block).double() for block in torch.split(test, BATCH)])
    return np.asarray(lengths.mean(0))


def _bits(model: TokenModel, tokens: Tensor) -> float:
    """Return the mean code length of rows in bits; 0 without rows."""
    with torch.no_grad():
        total = math.fsum(float(model(block).sum()) for block in torch.split(tokens, BATCH))
    return total / max(1, len(tokens))


def _copy(model: TokenModel) -> dict[str, Tensor]:
    return {name: values.clone() for name, values in model.state_dict().items()}
