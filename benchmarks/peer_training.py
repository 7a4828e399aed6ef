"""Search of the settings, training and measurement of the network of :mod:`peer_network`.

settings, trials = search_network(train, validation, groups, codes, seed=0)
result = run_network(train, validation, test, groups, codes, settings, seed=0)
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import spinlock as sl
from peer_network import LEVELS, NetworkSettings, PeerNetwork, initialize
from peer_result import PeerResult, Rows, Trials, topographic_correlation
from spinlock.initialization.neighbor_interpolation import interpolate, nearest_rows
from spinlock.training.losses.topographic import topographic_loss

EPOCHS = 150
"""Maximum number of epochs. With either initialization the best epoch comes earlier."""

VALIDATION_INTERVAL = 5
"""Epochs between two validations."""

PATIENCE = 8
"""Number of validations without improvement after which training stops."""

COMMITMENT = 0.25
"""Weight of the commitment loss (van den Oord et al., 2017), a mean over categories, levels and dimensions."""

LEARNING_RATES = (1e-3, 3e-3, 1e-2)


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of its best epoch, this epoch, and its quality of the validation rows."""

    network: PeerNetwork
    epoch: int
    quality: float


def learning_rate(step: int, total: int, highest: float) -> float:
    """Return the rate of a step: linear warm-up over 2 % of the steps, then half a cosine down to 1 %."""
    warmup = max(1, total // 50)
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup))))


def train_network(
    train: Tensor,
    validation: Tensor,
    groups: Sequence[Sequence[int]],
    codes: Sequence[int],
    settings: NetworkSettings,
    *,
    epochs: int,
    seed: int,
    select_epoch: bool = True,
) -> TrainedNetwork:
    """Train on rows [n, D] and keep the epoch with the best quality of the validation rows [m, D], epoch 0 included.

    Without ``select_epoch`` the last epoch is kept. The library draws from the global generator of torch, which is
    seeded here and restored at the end.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PeerNetwork(groups, codes, settings)
        initialize(network, train, validation, settings)
        return _train_epochs(network, train, validation, settings, epochs, select_epoch)


def _train_epochs(
    network: PeerNetwork, train: Tensor, validation: Tensor, settings: NetworkSettings, epochs: int, select_epoch: bool
) -> TrainedNetwork:
    neighbors = nearest_rows(train) if settings.interpolated else None
    scales = coordinate_deviations(network, train) if settings.steps_by_coordinate else {}
    best = TrainedNetwork(network, 0, network.quality(validation))
    weights = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=settings.weight_decay)
    steps = math.ceil(len(train) / settings.batch)
    for epoch in range(1, epochs + 1):
        network.train()
        for index, positions in enumerate(torch.randperm(len(train)).tensor_split(steps)):
            step = (epoch - 1) * steps + index
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, epochs * steps, settings.learning_rate)
            rows = train[positions]
            if neighbors is not None:
                rows = interpolate(train, neighbors, positions, torch.rand(2, len(positions)))
            result = network(rows)
            loss = F.mse_loss(result.reconstruction, rows) + COMMITMENT * result.commitment
            if settings.topographic_weight:
                loss = loss + settings.topographic_weight * topographic_loss(rows, result.latents)
            optimizer.zero_grad()
            loss.backward()
            before = {parameter: parameter.detach().clone() for parameter in scales}
            optimizer.step()
            with torch.no_grad():
                for parameter, scale in scales.items():
                    parameter.lerp_(before[parameter], 1 - scale)
        if select_epoch and (epoch % VALIDATION_INTERVAL == 0 or epoch == epochs):
            quality = network.quality(validation)
            if quality > best.quality:
                best, weights = TrainedNetwork(network, epoch, quality), copy.deepcopy(network.state_dict())
            elif epoch - best.epoch >= PATIENCE * VALIDATION_INTERVAL:
                break
    if not select_epoch:
        return TrainedNetwork(network, epochs, network.quality(validation))
    network.load_state_dict(weights)
    return best


@torch.no_grad()
def coordinate_deviations(network: PeerNetwork, rows: Tensor) -> dict[torch.nn.Parameter, Tensor]:
    """Return, for the weights [E, .] of each encoder, the relative standard deviations [E, 1] of its latents."""
    scales = {}
    for group, encoder in zip(network.groups, network.encoders, strict=True):
        deviation = encoder(rows[:, group]).std(0)[:, None]
        scales |= dict.fromkeys((encoder.linear.weight, encoder.output.weight), deviation / deviation.max())
    return scales


def search_network(
    train: Rows,
    validation: Rows,
    groups: Sequence[Sequence[int]],
    codes: Sequence[int],
    seed: int,
    epochs: int = EPOCHS,
) -> tuple[NetworkSettings, Trials]:
    """Return the settings with the highest quality of the validation rows, and all trials.

    A trial has half the epochs. The search tries both initializations at the middle learning rate, the other learning
    rates with the better initialization, and wider hidden layers.
    """
    trials: Trials = []
    rows, held_out = torch.from_numpy(train), torch.from_numpy(validation)

    def attempt(settings: NetworkSettings) -> None:
        started = time.perf_counter()
        trained = train_network(rows, held_out, groups, codes, settings, epochs=max(1, epochs // 2), seed=seed)
        trials.append(
            {
                "settings": asdict(settings),
                "train_quality": trained.network.quality(rows),
                "validation_quality": trained.quality,
                "best_epoch": trained.epoch,
                "seconds": time.perf_counter() - started,
            }
        )

    def best() -> NetworkSettings:
        return NetworkSettings(**max(trials, key=lambda trial: trial["validation_quality"])["settings"])

    low, middle, high = LEARNING_RATES
    for initialization in ("pca", "random"):
        attempt(NetworkSettings(learning_rate=middle, initialization=initialization))
    better = best()
    for rate in (low, high):
        attempt(replace(better, learning_rate=rate))
    attempt(replace(best(), hidden=4 * better.hidden))
    return best(), trials


def run_network(
    train: Rows,
    validation: Rows,
    test: Rows,
    groups: Sequence[Sequence[int]],
    codes: Sequence[int],
    settings: NetworkSettings,
    seed: int,
    epochs: int = EPOCHS,
) -> PeerResult:
    """Train with the selected settings, select the epoch on the validation rows, and measure on the test rows."""
    rows, held_out, unseen = (torch.from_numpy(part) for part in (train, validation, test))
    started = time.perf_counter()
    trained = train_network(rows, held_out, groups, codes, settings, epochs=epochs, seed=seed)
    encoded = trained.network.encode(unseen)
    seconds = time.perf_counter() - started
    sizes = np.repeat(np.asarray(codes), LEVELS)
    return PeerResult(
        bits=float(np.log2(sizes).sum()),
        quality=sl.metrics.reconstruction_quality(test, encoded.reconstruction.numpy()),
        train_quality=trained.network.quality(rows),
        utilization=sl.metrics.codebook_use(encoded.tokens.numpy(), sizes).utilization,
        topographic_correlation=topographic_correlation(test, encoded.latents.numpy()),
        seconds=seconds,
        settings=asdict(settings) | {"best_epoch": trained.epoch},
    )
