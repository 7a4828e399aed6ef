"""The neural peer: one ``vector_quantize_pytorch.ResidualVQ`` per category inside this program's encoder and decoder.

    e_c = A_c x_c + W2_c gelu(W1_c x_c + b1_c),   z_c = ResidualVQ_c(e_c),   x^ = W z + b + W2 gelu(W1 z + b1)

written as a user of that library would: a plain loop over categories, k-means start, moving averages, replacement of
dead codes, Adam with a cosine schedule on mse(x^, x) + commitment, weights of the best epoch kept. It gets what makes
it better at no bits: a start from principal axes and a ridge regression, and a beam over the three levels.

B rows, D columns, C categories, M columns of a category, E latent width, K codes, L = 3 levels.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from vector_quantize_pytorch import ResidualVQ

LEVELS = 3
BATCH = 256

EPOCHS = 150
"""Epochs of one training; the best epoch is kept, and with either start it comes before these are over."""

EVERY = 5
"""Epochs between two looks at the hold-out."""

PATIENCE = 8
"""Looks without improvement after which training stops."""

KMEANS_ITERATIONS = 25

COMMITMENT = 0.25
"""Weight of the commitment loss (van den Oord et al., 2017), a mean over categories, levels and dimensions."""

BEAM = 8
BEAM_WEIGHTS = (0.01, 0.1, 1.0)
"""Encoding keeps eight prefixes; the library scores one by its levels' weighted errors: mostly the last one counts."""

RIDGE_GRID = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Strengths of the ridge regression that starts the decoder, in units of n rows."""


@dataclass(frozen=True)
class NetworkSettings:
    """What a user of the peer would choose.

    ``learning_rate`` the highest of a cosine; ``start`` "pca" (encoders from principal axes, decoder from a ridge
    regression) or "random"; ``width`` widest latent, ``hidden`` units of every gelu branch; ``decay`` of the moving
    averages (0.95: a memory of 20 steps, two epochs of 2,700 rows); a code is replaced below ``dead_share`` of the fair
    use BATCH / K.
    """

    learning_rate: float = 3e-3
    start: str = "pca"
    width: int = 32
    hidden: int = 64
    decay: float = 0.95
    dead_share: float = 0.1
    weight_decay: float = 0.0


@dataclass(frozen=True)
class NetworkOutput:
    """Reconstruction [B, D], latents [B, sum E], tokens [B, C L] and the mean commitment loss."""

    reconstruction: Tensor
    latents: Tensor
    tokens: Tensor
    commitment: Tensor


class Branch(nn.Module):
    """x A + b + W2 gelu(W1 x + b1), [B, M] to [B, E]; W2 starts at zero, so that the start is linear."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.hidden = nn.Linear(inputs, hidden)
        self.output = nn.Linear(hidden, outputs, bias=False)
        nn.init.zeros_(self.output.weight)

    def forward(self, rows: Tensor) -> Tensor:
        """[B, E] from [B, M]."""
        return self.linear(rows) + self.output(F.gelu(self.hidden(rows)))


class PeerNetwork(nn.Module):
    """Encoders, residual quantizers and shared decoder; random weights until :func:`start_network`."""

    def __init__(self, groups: Sequence[Sequence[int]], codes: Sequence[int], settings: NetworkSettings) -> None:
        super().__init__()
        self.groups = [torch.tensor(list(group)) for group in groups]
        self.widths = [min(settings.width, len(group)) for group in groups]
        self.encoders = nn.ModuleList(
            Branch(len(group), settings.hidden, width) for group, width in zip(groups, self.widths, strict=True)
        )
        self.quantizers = nn.ModuleList(
            quantizer(width, size, settings) for width, size in zip(self.widths, codes, strict=True)
        )
        self.decoder = Branch(sum(self.widths), settings.hidden, sum(len(group) for group in groups))
        self.columns = torch.cat(self.groups).argsort()

    def forward(self, rows: Tensor, beam: int = 1) -> NetworkOutput:
        """Encode, quantize and decode rows [B, D]; in training also moves the codes."""
        latents, tokens, losses = [], [], []
        for group, encoder, vq in zip(self.groups, self.encoders, self.quantizers, strict=True):
            kept = min(beam, vq.codebook_size)  # the library fails where a beam is wider than its codebook
            quantized, indices, commitment = vq(encoder(rows[:, group]), beam_size=kept)
            latents.append(quantized)
            tokens.append(indices)
            losses.append(commitment.mean())
        flat = torch.cat(latents, 1)
        return NetworkOutput(
            self.decoder(flat)[:, self.columns], flat, torch.cat(tokens, 1), torch.stack(losses).mean()
        )

    @torch.no_grad()
    def encode(self, rows: Tensor) -> NetworkOutput:
        """What rows [B, D] become when nothing learns, by beam search."""
        self.eval()
        parts = [self(part, beam=BEAM) for part in rows.split(1024)]
        joined = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("reconstruction", "latents", "tokens")
        )
        return NetworkOutput(*joined, commitment=parts[-1].commitment)


def quantizer(width: int, size: int, settings: NetworkSettings) -> ResidualVQ:
    """Three levels of ``size`` codes, started by k-means on the first rows they see."""
    return ResidualVQ(
        dim=width,
        num_quantizers=LEVELS,
        codebook_size=size,
        kmeans_init=True,
        kmeans_iters=KMEANS_ITERATIONS,
        decay=settings.decay,
        threshold_ema_dead_code=settings.dead_share * BATCH / size,
        beam_score_quantizer_weights=list(BEAM_WEIGHTS),
    )


def quality(rows: Tensor, reconstruction: Tensor) -> float:
    """1 - sum (x - x^)^2 / sum x^2."""
    return 1.0 - float((rows - reconstruction).square().sum() / rows.square().sum())


@torch.no_grad()
def start_network(network: PeerNetwork, fit: Tensor, choose: Tensor, settings: NetworkSettings) -> None:
    """Axes of the encoders, k-means of all rows [n, D] for the codes, and a ridge regression for the decoder."""
    if settings.start == "pca":
        for group, encoder, width in zip(network.groups, network.encoders, network.widths, strict=True):
            encoder.linear.weight.copy_(principal_axes(fit[:, group], width))
            encoder.linear.bias.zero_()
    network.eval()
    network(fit)  # the library starts its codes by k-means on what they see first: all rows, and not one batch
    if settings.start == "pca":
        start_decoder(network, fit, choose)


def principal_axes(rows: Tensor, width: int) -> Tensor:
    """Leading eigenvectors [E, D] of the covariance of rows [n, D], largest first."""
    points = rows.double()
    return torch.linalg.eigh(points.t() @ points).eigenvectors.flip(1)[:, :width].t().float()


def start_decoder(network: PeerNetwork, fit: Tensor, choose: Tensor) -> None:
    """W = W_0 + (Z'Z + lambda n I)^-1 Z'(X - Z W_0): toward the transposed axes, lambda by the hold-out."""
    order = torch.cat(network.groups)
    base = torch.block_diag(*(encoder.linear.weight for encoder in network.encoders)).double()
    latents, held_out = network.encode(fit).latents.double(), network.encode(choose).latents.double()
    gram, right = latents.t() @ latents, latents.t() @ (fit[:, order].double() - latents @ base)

    def decoder(strength: float) -> Tensor:
        ridge = strength * len(fit) * torch.eye(len(gram), dtype=gram.dtype)
        return base + torch.linalg.solve(gram + ridge, right)

    def error(weights: Tensor) -> float:
        return float((choose[:, order] - held_out @ weights).square().sum())

    best = min((decoder(strength) for strength in RIDGE_GRID), key=error)
    network.decoder.linear.weight.copy_(best.t())
    network.decoder.linear.bias.zero_()


def learning_rate(step: int, total: int, highest: float) -> float:
    """Two percent of linear warm-up, then half a cosine to a hundredth."""
    warm = max(1, total // 50)
    if step < warm:
        return highest * (step + 1) / warm
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm))))


@dataclass(frozen=True)
class Trained:
    """A network with the weights of its best epoch, that epoch, and its quality on the hold-out."""

    network: PeerNetwork
    epoch: int
    quality: float


def train_network(
    fit: Tensor,
    choose: Tensor,
    groups: Sequence[Sequence[int]],
    codes: Sequence[int],
    settings: NetworkSettings,
    *,
    epochs: int,
    seed: int,
) -> Trained:
    """Train on rows [n, D] and keep the epoch that reconstructs the hold-out [m, D] best; epoch 0 counts too.

    The library draws from the global generator: it is seeded here and given back as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PeerNetwork(groups, codes, settings)
        start_network(network, fit, choose, settings)
        return _descend(network, fit, choose, settings, epochs)


def _descend(network: PeerNetwork, fit: Tensor, choose: Tensor, settings: NetworkSettings, epochs: int) -> Trained:
    best = Trained(network, 0, quality(choose, network.encode(choose).reconstruction))
    weights = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=settings.weight_decay)
    steps = math.ceil(len(fit) / BATCH)
    for epoch in range(1, epochs + 1):
        network.train()
        for index, chosen in enumerate(torch.randperm(len(fit)).tensor_split(steps)):
            step = (epoch - 1) * steps + index
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, epochs * steps, settings.learning_rate)
            result = network(fit[chosen])
            loss = F.mse_loss(result.reconstruction, fit[chosen]) + COMMITMENT * result.commitment
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % EVERY == 0 or epoch == epochs:
            value = quality(choose, network.encode(choose).reconstruction)
            if value > best.quality:
                best, weights = Trained(network, epoch, value), copy.deepcopy(network.state_dict())
            elif epoch - best.epoch >= PATIENCE * EVERY:
                break
    network.load_state_dict(weights)
    return best
