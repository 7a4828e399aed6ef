"""Two peers at equal bits: faiss' residual quantizer on principal components, and a network around ``ResidualVQ``.

Both take rows [n, D] in normalized units (columns of mean 0), choose their settings on a hold-out of their own and are
measured once, on rows that neither fitting nor choosing saw:

    settings, log = search_faiss(fit, choose, bits=180, seed=0)
    result = run_faiss(fit, choose, test, 180, settings, seed=0)

faiss: z = x V for the leading principal axes V [D, d], M codebooks of 2^b codes fitted one on the other's residual and
searched by beam (Babenko and Lempitsky, 2014; Liu, Lu and Qi, 2015), x^ = z^ V'. The network: ``peer_network``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from peer_network import EPOCHS, LEVELS, NetworkSettings, quality, train_network
from spinlock.metrics.codebook import codebook_use
from spinlock.metrics.topography import fixed_rows, topographic_correlation

__all__ = [
    "FaissSettings",
    "NetworkSettings",
    "PeerResult",
    "run_faiss",
    "run_network",
    "search_faiss",
    "search_network",
]

Rows = NDArray[np.float32]
Log = list[dict[str, Any]]

CODE_BITS = (4, 5, 6, 7, 8, 9, 10)
DIMENSIONS = (8, 16, 32, 64, 128)
BEAMS = (8, 16, 32)
FINALISTS = 2
"""Settings that go on from one stage of the search to the next."""

TRAIN_TYPES = {
    "plain": faiss.ResidualQuantizer.Train_default,
    "progressive": faiss.ResidualQuantizer.Train_progressive_dim,
    "refined": faiss.ResidualQuantizer.Train_refine_codebook,
}
REFINEMENTS = 5

LEARNING_RATES = (1e-3, 3e-3, 1e-2)


@dataclass(frozen=True)
class FaissSettings:
    """``code_bits`` per codebook, ``dims`` components, ``beam`` kept prefixes, ``training`` of TRAIN_TYPES."""

    code_bits: int
    dims: int
    beam: int = 5
    training: str = "plain"


@dataclass(frozen=True)
class PeerResult:
    """What a peer reached.

    ``bits`` per row; ``quality`` 1 - sum (x - x^)^2 / sum x^2 of test rows, ``train_quality`` of fitted ones;
    ``utilization`` mean over codebooks of distinct codes in the test rows / K; ``topographic`` correlation of pairwise
    distances; ``seconds`` to fit and encode with the final settings; ``settings`` and what else describes the run.
    """

    bits: float
    quality: float
    train_quality: float
    utilization: float
    topographic: float
    seconds: float
    settings: dict[str, Any]


@dataclass(frozen=True)
class FittedFaiss:
    """Principal axes [D, d] and the residual quantizer of the components."""

    axes: Rows
    quantizer: faiss.ResidualQuantizer

    def encode(self, rows: Rows) -> NDArray[np.uint8]:
        """Packed codes [n, bytes]."""
        return self.quantizer.compute_codes(np.ascontiguousarray(rows @ self.axes))

    def decode(self, codes: NDArray[np.uint8]) -> Rows:
        """Rows [n, D] from packed codes."""
        return self.quantizer.decode(codes) @ self.axes.T

    def tokens(self, codes: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Tokens [n, M] from packed codes."""
        books, bits = self.quantizer.M, self.quantizer.nbits.at(0)
        return faiss.unpack_bitstrings(codes, books, bits).astype(np.int64)


def principal_axes(rows: Rows) -> Rows:
    """Eigenvectors [D, D] of the covariance of rows [n, D], largest first."""
    points = rows.astype(np.float64)
    return np.linalg.eigh(points.T @ points)[1][:, ::-1].astype(np.float32)


def fit_faiss(rows: Rows, axes: Rows, bits: float, settings: FaissSettings, seed: int) -> FittedFaiss:
    """The fewest codebooks of the given size that hold ``bits``, fitted on rows [n, D]."""
    kept = np.ascontiguousarray(axes[:, : settings.dims])
    quantizer = faiss.ResidualQuantizer(kept.shape[1], math.ceil(bits / settings.code_bits), settings.code_bits)
    quantizer.train_type = TRAIN_TYPES[settings.training]
    quantizer.niter_codebook_refine = REFINEMENTS
    quantizer.max_beam_size = settings.beam
    quantizer.cp.seed = seed + 1
    quantizer.cp.min_points_per_centroid = 1  # only when to warn
    quantizer.train(np.ascontiguousarray(rows @ kept))
    return FittedFaiss(kept, quantizer)


def explained(rows: Rows, reconstruction: Rows) -> float:
    """1 - sum (x - x^)^2 / sum x^2."""
    return quality(torch.from_numpy(rows), torch.from_numpy(reconstruction))


def search_faiss(fit: Rows, choose: Rows, bits: float, seed: int) -> tuple[FaissSettings, Log]:
    """The best settings on ``choose``, in stages, and a record of every one tried.

    With a narrow beam the code sizes, then the dimensions of the best ``FINALISTS`` sizes, then wider beams for the
    best ``FINALISTS``; at the end faiss' slower ways of training for the best (refining for the best that has fewer
    codes in all than rows, as faiss demands). A codebook has at most n codes.
    """
    axes = principal_axes(fit)
    log: Log = []

    def attempt(candidates: Iterable[FaissSettings]) -> None:
        for settings in candidates:
            if asdict(settings) in (entry["settings"] for entry in log):
                continue
            started = time.perf_counter()
            fitted = fit_faiss(fit, axes, bits, settings, seed)
            fitted_quality, held_out = (explained(rows, fitted.decode(fitted.encode(rows))) for rows in (fit, choose))
            log.append(
                {
                    "settings": asdict(settings),
                    "fit_quality": fitted_quality,
                    "choose_quality": held_out,
                    "seconds": time.perf_counter() - started,
                }
            )

    sizes = [size for size in CODE_BITS if 2**size <= len(fit)]
    every = fit.shape[1]
    dimensions = sorted({min(dims, every) for dims in (*DIMENSIONS, every)})
    middle = min(64, every)
    attempt(FaissSettings(size, middle) for size in sizes)
    attempt(replace(start, dims=dims) for start in ranking(log, FINALISTS) for dims in dimensions)
    attempt(replace(start, beam=beam) for start in ranking(log, FINALISTS) for beam in BEAMS)
    attempt(replace(start, training="progressive") for start in ranking(log, 1))
    attempt(replace(start, training="refined") for start in [s for s in ranking(log) if refinable(s, bits, fit)][:1])
    return ranking(log, 1)[0], log


def refinable(settings: FaissSettings, bits: float, fit: Rows) -> bool:
    """Whether faiss refines codebooks of these settings: a regression on M K codes from n rows."""
    return math.ceil(bits / settings.code_bits) * 2**settings.code_bits <= len(fit)


def ranking(log: Log, count: int | None = None) -> list[FaissSettings]:
    """The ``count`` settings (None: all) that reconstruct the hold-out best."""
    ordered = sorted(log, key=lambda entry: -entry["choose_quality"])
    return [FaissSettings(**entry["settings"]) for entry in ordered[:count]]


def run_faiss(fit: Rows, choose: Rows, test: Rows, bits: float, settings: FaissSettings, seed: int) -> PeerResult:
    """Fit with the chosen settings and measure on the test rows; ``choose`` has done its work."""
    started = time.perf_counter()
    fitted = fit_faiss(fit, principal_axes(fit), bits, settings, seed)
    codes = fitted.encode(test)
    seconds = time.perf_counter() - started
    reconstruction, tokens = fitted.decode(codes), fitted.tokens(codes)
    books = tokens.shape[1]
    return PeerResult(
        bits=float(books * settings.code_bits),
        quality=explained(test, reconstruction),
        train_quality=explained(fit, fitted.decode(fitted.encode(fit))),
        utilization=codebook_use(tokens, np.full(books, 2**settings.code_bits)).utilization,
        topographic=topographic(test, reconstruction),
        seconds=seconds,
        settings=asdict(settings) | {"codebooks": books},
    )


def topographic(rows: Rows, latents: Rows) -> float:
    """Correlation of pairwise distances between rows [t, D] and latents [t, E], on at most 2,000 fixed rows."""
    chosen = fixed_rows(len(rows))
    return topographic_correlation(rows[chosen], latents[chosen])


def search_network(
    fit: Rows, choose: Rows, groups: Sequence[Sequence[int]], codes: Sequence[int], seed: int
) -> tuple[NetworkSettings, Log]:
    """The best settings on ``choose``, trained for half the epochs, and a record of every one tried.

    Both starts at the middle learning rate, then the other rates with the better start, then wider hidden layers.
    """
    log: Log = []
    rows, held_out = torch.from_numpy(fit), torch.from_numpy(choose)

    def attempt(settings: NetworkSettings) -> None:
        started = time.perf_counter()
        trained = train_network(rows, held_out, groups, codes, settings, epochs=EPOCHS // 2, seed=seed)
        log.append(
            {
                "settings": asdict(settings),
                "fit_quality": quality(rows, trained.network.encode(rows).reconstruction),
                "choose_quality": trained.quality,
                "best_epoch": trained.epoch,
                "seconds": time.perf_counter() - started,
            }
        )

    def best() -> NetworkSettings:
        return NetworkSettings(**max(log, key=lambda entry: entry["choose_quality"])["settings"])

    low, middle, high = LEARNING_RATES
    for start in ("pca", "random"):
        attempt(NetworkSettings(learning_rate=middle, start=start))
    better = best()
    for rate in (low, high):
        attempt(replace(better, learning_rate=rate))
    attempt(replace(best(), hidden=4 * better.hidden))
    return best(), log


def run_network(
    fit: Rows,
    choose: Rows,
    test: Rows,
    groups: Sequence[Sequence[int]],
    codes: Sequence[int],
    settings: NetworkSettings,
    seed: int,
) -> PeerResult:
    """Train with the chosen settings, stop by ``choose``, and measure on the test rows."""
    rows, held_out, unseen = (torch.from_numpy(part) for part in (fit, choose, test))
    started = time.perf_counter()
    trained = train_network(rows, held_out, groups, codes, settings, epochs=EPOCHS, seed=seed)
    encoded = trained.network.encode(unseen)
    seconds = time.perf_counter() - started
    sizes = np.repeat(np.asarray(codes), LEVELS)
    return PeerResult(
        bits=float(np.log2(sizes).sum()),
        quality=quality(unseen, encoded.reconstruction),
        train_quality=quality(rows, trained.network.encode(rows).reconstruction),
        utilization=codebook_use(encoded.tokens.numpy(), sizes).utilization,
        topographic=topographic(test, encoded.latents.numpy()),
        seconds=seconds,
        settings=asdict(settings) | {"best_epoch": trained.epoch},
    )
