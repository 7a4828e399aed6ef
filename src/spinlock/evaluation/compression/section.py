"""The section *compression* of an evaluation.

Letters: ``n`` reference rows, ``m`` scored rows, ``D`` input columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.compression.faiss_code import MIN_ROWS, faiss_quality, has_faiss
from spinlock.evaluation.compression.token_model import autoregressive_code_length
from spinlock.evaluation.compression.transform_code import transform_code_quality
from spinlock.evaluation.reference import ReferenceRows
from spinlock.evaluation.rows import EvaluatedRows, Tokens
from spinlock.metrics.code_length import independent_code_length
from spinlock.metrics.codebook import codebook_use
from spinlock.metrics.gaussian_reference import GaussianReference
from spinlock.metrics.reconstruction import fraction_explained, squared_sums
from spinlock.model import LEVELS

FLOAT_BITS = 32
"""Bits of a float32 number."""

GRID = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.25)
"""Rates of the curves, as fractions of the nominal rate."""


@dataclass(frozen=True)
class RateCurve:
    """Quality of a code at several rates.

    Attributes
    ----------
    name
        ``tokens``, ``gaussian``, ``pca`` or ``faiss``.
    bits, quality
        Bits per row in ascending order, and the fraction of the variance of the scored rows that is explained.
    """

    name: str
    bits: tuple[float, ...]
    quality: tuple[float, ...]


@dataclass(frozen=True)
class Compression:
    """Bits per row of the tokens, and rate-distortion curves.

    Attributes
    ----------
    float32_bits
        Bits of the D input columns as float32, 32 D.
    nominal_bits
        Sum of log2 K over the codebooks.
    entropy_bits
        Sum over the codebooks of the empirical entropy of the evaluated rows. It is too small if rows are few.
    independent_bits
        Mean code length of a row if each codebook is coded with the code frequencies of the reference rows.
    autoregressive_bits
        Mean code length of a row under a small autoregressive model of the tokens of the reference rows. This is the
        rate that an entropy coder with this model reaches.
    autoregressive_bits_by_level
        The same for the tokens of each level, given all coarser tokens and the preceding tokens of the level.
    nominal_ratio, independent_ratio, autoregressive_ratio
        ``float32_bits`` divided by each of these rates; None at 0 bits.
    fitted_on
        Rows on which the references are fitted: training rows, or one half of the evaluated operators.
    fitted_rows, scored_rows
        Numbers of reference rows, and of rows on which the rates and curves are measured.
    curves
        ``tokens`` (a point for each level prefix), ``gaussian`` (held-out Gaussian reference), ``pca`` (transform
        code), and ``faiss`` (residual quantizer) if it is installed.
    faiss_installed
        Whether faiss is installed.
    """

    float32_bits: int
    nominal_bits: float
    entropy_bits: float
    independent_bits: float
    autoregressive_bits: float
    autoregressive_bits_by_level: tuple[float, ...]
    nominal_ratio: float | None
    independent_ratio: float | None
    autoregressive_ratio: float | None
    fitted_on: str
    fitted_rows: int
    scored_rows: int
    curves: tuple[RateCurve, ...]
    faiss_installed: bool


def measure_compression(rows: EvaluatedRows, reference: ReferenceRows, seed: int) -> Compression:
    """Measure the rates of the tokens, and compare their quality with that of other codes.

    Parameters
    ----------
    rows
        Evaluated rows.
    reference
        Reference rows, and the evaluated rows on which references are measured.
    seed
        Seed of the fits.

    Returns
    -------
    Compression
    """
    sizes = np.array(rows.spec.num_codes)
    scored, fitted = by_level(rows.tokens[reference.scored]), by_level(reference.tokens)
    flat_sizes = sizes.T.ravel()
    independent = independent_code_length(fitted, scored, flat_sizes)
    held_out = _held_out(reference, seed)
    conditional = autoregressive_code_length(fitted[~held_out], fitted[held_out], scored, flat_sizes, seed)
    nominal, by_code = rows.spec.bits_per_row, conditional.reshape(LEVELS, -1).sum(1)
    float_bits = FLOAT_BITS * len(rows.coder.cleaner.names)

    def ratio(bits: float) -> float | None:
        return float_bits / bits if bits > 0 else None

    return Compression(
        float32_bits=float_bits,
        nominal_bits=nominal,
        entropy_bits=codebook_use(rows.flat_tokens, sizes.ravel()).entropy_bits,
        independent_bits=float(independent.sum()),
        autoregressive_bits=float(by_code.sum()),
        autoregressive_bits_by_level=tuple(by_code.tolist()),
        nominal_ratio=ratio(nominal),
        independent_ratio=ratio(float(independent.sum())),
        autoregressive_ratio=ratio(float(by_code.sum())),
        fitted_on=reference.origin,
        fitted_rows=len(reference.tokens),
        scored_rows=len(reference.scored),
        curves=_curves(rows, reference, np.log2(sizes).sum(0).cumsum(), seed),
        faiss_installed=has_faiss(),
    )


def by_level(tokens: Tokens) -> Tokens:
    """Return tokens [n, C, L] as [n, L C], all tokens of the first level first."""
    return tokens.transpose(0, 2, 1).reshape(len(tokens), -1)


def _held_out(reference: ReferenceRows, seed: int) -> NDArray[np.bool_]:
    """Return a mask [n] of a tenth of the reference operators, at least one, which stop the fit of the token model."""
    operators = np.unique(reference.operators)
    chosen = np.random.default_rng(seed).permutation(operators)[: max(1, len(operators) // 10)]
    mask = np.isin(reference.operators, chosen)
    return mask if not mask.all() else np.zeros(len(mask), dtype=bool)


def _curves(
    rows: EvaluatedRows, reference: ReferenceRows, level_bits: NDArray[np.float64], seed: int
) -> tuple[RateCurve, ...]:
    """Return the curves; ``level_bits`` [L] are the nominal bits of the level prefixes."""
    chosen = reference.scored
    fitted, scored = reference.z_scores.astype(np.float64), rows.z_scores[chosen].astype(np.float64)
    tokens = [fraction_explained(*squared_sums(rows.z_scores[chosen], decoded[chosen])) for decoded in rows.decoded]
    nominal = level_bits.tolist()
    rates = tuple(sorted({*(fraction * nominal[-1] for fraction in GRID), *nominal}))
    gaussian = GaussianReference.from_rows(fitted, scored)
    curves = [
        RateCurve("tokens", tuple(nominal), tuple(tokens)),
        RateCurve("gaussian", rates, tuple(gaussian.held_out(bits) for bits in rates)),
        RateCurve("pca", rates, tuple(transform_code_quality(fitted, scored, rates))),
    ]
    if has_faiss() and len(fitted) >= MIN_ROWS:
        points = [faiss_quality(fitted, scored, bits, seed) for bits in nominal]
        curves.append(RateCurve("faiss", tuple(bits for bits, _ in points), tuple(value for _, value in points)))
    return tuple(curves)
