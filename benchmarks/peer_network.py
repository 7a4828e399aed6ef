"""A peer: one ``vector_quantize_pytorch.ResidualVQ`` per category between the encoder and the decoder of Spinlock.

    e_c = A_c x_c + W2_c gelu(W1_c x_c + b1_c),   z_c = ResidualVQ_c(e_c),   x^ = W z + b + W2 gelu(W1 z + b1)

The code is what a user of that library would write: a loop over categories, k-means initialization, moving averages and
replacement of dead codes. In addition it has what raises the quality at no bits: an initialization from principal axes
and ridge regression, and a beam search over the levels.

Letters: ``B``, ``n``, ``m`` rows, ``D`` columns, ``C`` categories, ``M`` columns of a category, ``E`` latent width,
``K`` codes, ``L`` = 3 levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from vector_quantize_pytorch import ResidualVQ

import spinlock as sl

LEVELS = 3

KMEANS_ITERATIONS = 25

BEAM_WIDTH = 8
BEAM_WEIGHTS = (0.01, 0.1, 1.0)
"""Weights of the levels: the library scores a prefix by the weighted errors of its levels, and the last one decides."""

ENCODE_ROWS = 1024
"""Number of rows that are encoded at a time."""

RIDGE_GRID = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Ridge strengths of the decoder, in units of n."""


@dataclass(frozen=True)
class NetworkSettings:
    """Settings that a user of the library would choose.

    Attributes
    ----------
    learning_rate
        Maximum of the cosine schedule.
    initialization
        ``pca``: encoders from principal axes and decoder from ridge regression; or ``random``.
    width
        Maximum width of a category's latent.
    hidden
        Hidden units of each gelu branch.
    decay
        Decay of the moving averages; 0.95 averages over 20 steps, which are two epochs of 2,700 rows.
    dead_fraction
        A code is replaced if its use is below this fraction of the even use ``batch`` / K.
    weight_decay
        Weight decay of AdamW.
    batch
        Maximum number of rows of a batch.
    interpolated
        Whether batches consist of points between near rows, like those of Spinlock.
    topographic_weight
        Weight of Spinlock's topographic loss.
    steps_by_coordinate
        Whether the learning rate of the encoder weights of each latent coordinate is multiplied by its standard
        deviation at epoch 0, divided by the largest one of its category.
    """

    learning_rate: float = 3e-3
    initialization: str = "pca"
    width: int = 32
    hidden: int = 64
    decay: float = 0.95
    dead_fraction: float = 0.1
    weight_decay: float = 0.0
    batch: int = 256
    interpolated: bool = False
    topographic_weight: float = 0.0
    steps_by_coordinate: bool = False


@dataclass(frozen=True)
class NetworkOutput:
    """Reconstruction [B, D], latents [B, sum E], tokens [B, C L] and the mean commitment loss."""

    reconstruction: Tensor
    latents: Tensor
    tokens: Tensor
    commitment: Tensor


class Branch(nn.Module):
    """x A + b + W2 gelu(W1 x + b1), from [B, M] to [B, E]. W2 is zero at first, so that the branch is linear."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.hidden = nn.Linear(inputs, hidden)
        self.output = nn.Linear(hidden, outputs, bias=False)
        nn.init.zeros_(self.output.weight)

    def forward(self, rows: Tensor) -> Tensor:
        """Return [B, E] from [B, M]."""
        return self.linear(rows) + self.output(F.gelu(self.hidden(rows)))


class PeerNetwork(nn.Module):
    """Encoders, residual quantizers and a shared decoder. The weights are random until :func:`initialize`."""

    def __init__(self, groups: Sequence[Sequence[int]], codes: Sequence[int], settings: NetworkSettings) -> None:
        super().__init__()
        self.groups = [torch.tensor(list(group)) for group in groups]
        self.widths = [min(settings.width, len(group)) for group in groups]
        self.encoders = nn.ModuleList(
            Branch(len(group), settings.hidden, width) for group, width in zip(groups, self.widths, strict=True)
        )
        self.quantizers = nn.ModuleList(
            make_quantizer(width, size, settings) for width, size in zip(self.widths, codes, strict=True)
        )
        self.decoder = Branch(sum(self.widths), settings.hidden, sum(len(group) for group in groups))
        self.columns = torch.cat(self.groups).argsort()

    def forward(self, rows: Tensor, beam: int = 1) -> NetworkOutput:
        """Encode, quantize and decode rows [B, D]; in training mode the codes are updated too."""
        latents, tokens, losses = [], [], []
        for group, encoder, quantizer in zip(self.groups, self.encoders, self.quantizers, strict=True):
            width = min(beam, quantizer.codebook_size)  # the library fails if the beam is wider than the codebook
            quantized, indices, commitment = quantizer(encoder(rows[:, group]), beam_size=width)
            latents.append(quantized)
            tokens.append(indices)
            losses.append(commitment.mean())
        flat = torch.cat(latents, 1)
        reconstruction = self.decoder(flat)[:, self.columns]
        return NetworkOutput(reconstruction, flat, torch.cat(tokens, 1), torch.stack(losses).mean())

    @torch.no_grad()
    def encode(self, rows: Tensor) -> NetworkOutput:
        """Encode rows [n, D] in evaluation mode, with a beam search."""
        self.eval()
        blocks = [self(block, beam=BEAM_WIDTH) for block in rows.split(ENCODE_ROWS)]
        joined = (
            torch.cat([getattr(block, name) for block in blocks]) for name in ("reconstruction", "latents", "tokens")
        )
        return NetworkOutput(*joined, commitment=blocks[-1].commitment)

    def quality(self, rows: Tensor) -> float:
        """Return the quality 1 - sum (x - x^)^2 / sum x^2 of rows [n, D]."""
        return sl.metrics.reconstruction_quality(rows.numpy(), self.encode(rows).reconstruction.numpy())


def make_quantizer(width: int, size: int, settings: NetworkSettings) -> ResidualVQ:
    """Return a quantizer with three levels of ``size`` codes; k-means on the first rows initializes the codes."""
    return ResidualVQ(
        dim=width,
        num_quantizers=LEVELS,
        codebook_size=size,
        kmeans_init=True,
        kmeans_iters=KMEANS_ITERATIONS,
        decay=settings.decay,
        threshold_ema_dead_code=settings.dead_fraction * settings.batch / size,
        beam_score_quantizer_weights=list(BEAM_WEIGHTS),
    )


@torch.no_grad()
def initialize(network: PeerNetwork, train: Tensor, validation: Tensor, settings: NetworkSettings) -> None:
    """Initialize the codes by k-means on all rows [n, D], and encoders and decoder as the settings say."""
    if settings.initialization == "pca":
        for group, encoder, width in zip(network.groups, network.encoders, network.widths, strict=True):
            encoder.linear.weight.copy_(principal_axes(train[:, group], width))
            encoder.linear.bias.zero_()
    network.eval()
    network(train)  # the library runs k-means on the rows of the first call: here on all rows, not on one batch
    if settings.initialization == "pca":
        initialize_decoder(network, train, validation)


def principal_axes(rows: Tensor, width: int) -> Tensor:
    """Return the leading eigenvectors [E, D] of the covariance of rows [n, D], largest eigenvalue first."""
    points = rows.double()
    return torch.linalg.eigh(points.t() @ points).eigenvectors.flip(1)[:, :width].t().float()


def initialize_decoder(network: PeerNetwork, train: Tensor, validation: Tensor) -> None:
    """Set the decoder to W = W_0 + (Z'Z + lambda n I)^-1 Z'(X - Z W_0), with W_0 the transposed axes.

    lambda is the value of the grid with the smallest error on the validation rows [m, D].
    """
    order = torch.cat(network.groups)
    base = torch.block_diag(*(encoder.linear.weight for encoder in network.encoders)).double()
    latents, held_out = network.encode(train).latents.double(), network.encode(validation).latents.double()
    gram, right = latents.t() @ latents, latents.t() @ (train[:, order].double() - latents @ base)

    def decoder(strength: float) -> Tensor:
        ridge = strength * len(train) * torch.eye(len(gram), dtype=gram.dtype)
        return base + torch.linalg.solve(gram + ridge, right)

    def error(weights: Tensor) -> float:
        return float((validation[:, order] - held_out @ weights).square().sum())

    best = min((decoder(strength) for strength in RIDGE_GRID), key=error)
    network.decoder.linear.weight.copy_(best.t())
    network.decoder.linear.bias.zero_()
