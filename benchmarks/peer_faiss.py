"""A peer: the residual quantizer of faiss on principal components.

z = x V for the leading principal axes V [D, d]. M codebooks of 2^b codes are fitted, each to the residual of those
before it, and are searched with a beam (Babenko and Lempitsky, 2014; Liu, Lu and Qi, 2015). x^ = z^ V'.

Rows [n, D] are in normalized units, with columns of mean 0. The settings are searched on validation rows, and the
result is measured once, on test rows:

    settings, trials = search_faiss(train, validation, bits=180, seed=0)
    result = run_faiss(train, test, 180, settings, seed=0)
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import faiss
import numpy as np
from numpy.typing import NDArray

import spinlock as sl
from peer_result import PeerResult, Rows, Trials, topographic_correlation

CODE_BITS = (4, 5, 6, 7, 8, 9, 10)
DIMENSIONS = (8, 16, 32, 64, 128)
BEAM_WIDTHS = (8, 16, 32)
FINALISTS = 2
"""Number of settings that each stage of the search passes to the next one."""

TRAIN_TYPES = {
    "plain": faiss.ResidualQuantizer.Train_default,
    "progressive": faiss.ResidualQuantizer.Train_progressive_dim,
    "refined": faiss.ResidualQuantizer.Train_refine_codebook,
}
REFINEMENTS = 5


@dataclass(frozen=True)
class FaissSettings:
    """Settings of the quantizer.

    Attributes
    ----------
    code_bits
        Bits b of each codebook.
    dims
        Number d of principal components.
    beam
        Number of prefixes that the beam search keeps.
    training
        A key of ``TRAIN_TYPES``.
    """

    code_bits: int
    dims: int
    beam: int = 5
    training: str = "plain"


@dataclass(frozen=True)
class FittedFaiss:
    """Principal axes [D, d] and the residual quantizer of the components."""

    axes: Rows
    quantizer: faiss.ResidualQuantizer

    def encode(self, rows: Rows) -> NDArray[np.uint8]:
        """Return packed codes [n, bytes] of rows [n, D]."""
        return self.quantizer.compute_codes(np.ascontiguousarray(rows @ self.axes))

    def decode(self, codes: NDArray[np.uint8]) -> Rows:
        """Return rows [n, D] from packed codes [n, bytes]."""
        return self.quantizer.decode(codes) @ self.axes.T

    def tokens(self, codes: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return tokens [n, M] from packed codes [n, bytes]."""
        return faiss.unpack_bitstrings(codes, self.quantizer.M, self.quantizer.nbits.at(0)).astype(np.int64)

    def quality(self, rows: Rows) -> float:
        """Return the quality 1 - sum (x - x^)^2 / sum x^2 of rows [n, D]."""
        return sl.metrics.reconstruction_quality(rows, self.decode(self.encode(rows)))


def principal_axes(rows: Rows) -> Rows:
    """Return the eigenvectors [D, D] of the covariance of rows [n, D], largest eigenvalue first."""
    points = rows.astype(np.float64)
    return np.linalg.eigh(points.T @ points)[1][:, ::-1].astype(np.float32)


def fit_faiss(rows: Rows, axes: Rows, bits: float, settings: FaissSettings, seed: int) -> FittedFaiss:
    """Fit the fewest codebooks of the given size that have at least ``bits`` bits per row."""
    kept = np.ascontiguousarray(axes[:, : settings.dims])
    quantizer = faiss.ResidualQuantizer(kept.shape[1], math.ceil(bits / settings.code_bits), settings.code_bits)
    quantizer.train_type = TRAIN_TYPES[settings.training]
    quantizer.niter_codebook_refine = REFINEMENTS
    quantizer.max_beam_size = settings.beam
    quantizer.cp.seed = seed + 1
    quantizer.cp.min_points_per_centroid = 1  # only the threshold of a warning
    quantizer.train(np.ascontiguousarray(rows @ kept))
    return FittedFaiss(kept, quantizer)


def search_faiss(train: Rows, validation: Rows, bits: float, seed: int) -> tuple[FaissSettings, Trials]:
    """Return the settings with the highest quality of the validation rows, and all trials.

    The search has stages: the code sizes with a narrow beam; the dimensions for the best ``FINALISTS`` sizes; wider
    beams for the best ``FINALISTS`` settings; the slower training methods of faiss for the best one. A codebook has at
    most n codes. Refined training also needs fewer codes in all codebooks together than rows.
    """
    axes = principal_axes(train)
    trials: Trials = []

    def attempt(candidates: Iterable[FaissSettings]) -> None:
        for settings in candidates:
            if asdict(settings) in (trial["settings"] for trial in trials):
                continue
            started = time.perf_counter()
            fitted = fit_faiss(train, axes, bits, settings, seed)
            trials.append(
                {
                    "settings": asdict(settings),
                    "train_quality": fitted.quality(train),
                    "validation_quality": fitted.quality(validation),
                    "seconds": time.perf_counter() - started,
                }
            )

    code_bits = [size for size in CODE_BITS if 2**size <= len(train)]
    columns = train.shape[1]
    dimensions = sorted({min(dims, columns) for dims in (*DIMENSIONS, columns)})
    attempt(FaissSettings(size, min(64, columns)) for size in code_bits)
    attempt(replace(best, dims=dims) for best in ranking(trials)[:FINALISTS] for dims in dimensions)
    attempt(replace(best, beam=beam) for best in ranking(trials)[:FINALISTS] for beam in BEAM_WIDTHS)
    attempt(replace(best, training="progressive") for best in ranking(trials)[:1])
    refinable = [settings for settings in ranking(trials) if can_be_refined(settings, bits, len(train))]
    attempt(replace(best, training="refined") for best in refinable[:1])
    return ranking(trials)[0], trials


def can_be_refined(settings: FaissSettings, bits: float, rows: int) -> bool:
    """Return whether faiss can refine the codebooks: this is a regression on all M K codes from n rows."""
    return math.ceil(bits / settings.code_bits) * 2**settings.code_bits <= rows


def ranking(trials: Trials) -> list[FaissSettings]:
    """Return the settings of all trials, the best quality of the validation rows first."""
    ordered = sorted(trials, key=lambda trial: -trial["validation_quality"])
    return [FaissSettings(**trial["settings"]) for trial in ordered]


def run_faiss(train: Rows, test: Rows, bits: float, settings: FaissSettings, seed: int) -> PeerResult:
    """Fit with the selected settings on the training rows, and measure on the test rows."""
    started = time.perf_counter()
    fitted = fit_faiss(train, principal_axes(train), bits, settings, seed)
    codes = fitted.encode(test)
    seconds = time.perf_counter() - started
    reconstruction, tokens = fitted.decode(codes), fitted.tokens(codes)
    codebooks = tokens.shape[1]
    sizes = np.full(codebooks, 2**settings.code_bits)
    return PeerResult(
        bits=float(codebooks * settings.code_bits),
        quality=sl.metrics.reconstruction_quality(test, reconstruction),
        train_quality=fitted.quality(train),
        utilization=sl.metrics.codebook_use(tokens, sizes).utilization,
        topographic_correlation=topographic_correlation(test, reconstruction),
        seconds=seconds,
        settings=asdict(settings) | {"codebooks": codebooks},
    )
