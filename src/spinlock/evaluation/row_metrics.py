"""Metrics of rows: how well they are reconstructed, which codes they use, and whether distances are kept.

Letters: ``m`` rows, ``U`` kept columns, ``D`` input columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.io.arrays.row_precision import RawRows
from spinlock.metrics.codebook import codebook_use
from spinlock.metrics.ranks import rank_squared_sums
from spinlock.metrics.reconstruction import (
    fraction_explained,
    power_shares,
    quality_by_column,
    quality_by_group,
    squared_sums,
)
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.metrics.topography import fixed_rows, topographic_correlation, topographic_measures
from spinlock.model import LEVELS
from spinlock.model.codec import Codec
from spinlock.preprocessing.cleaning import Cleaner

NUM_EXTREME_ROWS = 5
"""Number of the rows with the largest shares of the sum of squared z-scores that are stored."""


@torch.no_grad()
def row_metrics(
    codec: Codec, cleaner: Cleaner, rows: Tensor, raw_rows: RawRows, row_numbers: NDArray[np.int64]
) -> dict[str, Any]:
    """Compute the metrics of rows that need no other rows.

    Parameters
    ----------
    codec
        Codec of the trained network.
    cleaner
        Fitted cleaning of the model.
    rows
        Rows [m, U] in normalized units, on the device of the codec.
    raw_rows
        The same rows [m, D] in raw units.
    row_numbers
        Indices [m] of the rows in their table.

    Returns
    -------
    dict
        Metrics by their names, as in ``metrics`` of a checkpoint.
    """
    spec = codec.model.spec
    z_scores = cleaner.to_z_scores(rows.cpu().numpy())
    tokens = codec.encode(rows).indices
    decoded = [codec.decode(tokens[..., : level + 1]) for level in range(LEVELS)]
    prefixes = [cleaner.to_z_scores(prefix.cpu().numpy()) for prefix in decoded]
    error, power = squared_sums(z_scores, prefixes[-1])
    columns = quality_by_column(error, power)
    varying = [quality for quality in columns if quality is not None]
    restored = cleaner.inverse_transform(decoded[-1].cpu().numpy())
    return {
        "reconstruction_quality": fraction_explained(error, power),
        "quality_by_level": [fraction_explained(*squared_sums(z_scores, prefix)) for prefix in prefixes],
        "quality_by_category": dict(zip(spec.category_names, quality_by_group(error, power, spec.groups), strict=True)),
        "quality_by_feature": dict(zip(cleaner.kept_names, columns, strict=True)),
        "quality_macro": float(np.mean(varying)) if varying else None,
        "quality_all_columns": _quality_all_columns(cleaner, raw_rows, restored),
        **_rank_qualities(cleaner, raw_rows, restored),
        "extreme_rows": _extreme_rows(z_scores, row_numbers),
        **_codebooks(spec.num_codes, tokens),
        "latent_redundancy": _redundancy(codec, tokens),
        **_topography(codec, rows, z_scores, tokens, prefixes[-1]),
    }


def _codebooks(num_codes: tuple[tuple[int, int, int], ...], tokens: Tensor) -> dict[str, Any]:
    use = codebook_use(tokens.flatten(1).cpu().numpy(), np.array([size for sizes in num_codes for size in sizes]))
    return {
        "codebook_utilization": use.utilization,
        "utilization_minimum": use.minimum,
        "perplexity_ratio": use.perplexity_ratio,
        "utilization_expected": use.expected,
        "utilization_limit": use.limit,
        "utilization_by_codebook": list(use.per_codebook),
        "entropy_bits": use.entropy_bits,
    }


def _rank_qualities(cleaner: Cleaner, raw_rows: RawRows, restored: RawRows) -> dict[str, Any]:
    """Return the rank quality of raw rows [m, D] and their reconstruction, of all kept columns and of each of them.

    All of them are None if the checkpoint has no distribution functions.
    """
    if cleaner.ranks is None:
        return {"rank_quality": None, "rank_quality_by_feature": dict.fromkeys(cleaner.kept_names)}
    raw = raw_rows[:, cleaner.kept].astype(np.float64)
    imputed = cleaner.screening.impute(raw, np.isfinite(raw), cleaner.kept)
    error, power = rank_squared_sums(imputed, restored[:, cleaner.kept], cleaner.ranks.curves())
    columns = quality_by_column(error, power)
    return {
        "rank_quality": fraction_explained(error, power),
        "rank_quality_by_feature": dict(zip(cleaner.kept_names, columns, strict=True)),
    }


def _extreme_rows(z_scores: NDArray[np.float32], row_numbers: NDArray[np.int64]) -> dict[str, Any]:
    """Return the rows with the largest shares of the sum of squares of z-scored rows [m, U], and how many have half.

    The keys are ``num_rows``, m, ``num_rows_of_half``, the smallest number of rows with half of the sum,
    and ``largest``, rows of the table and their shares, largest first.
    """
    shares = power_shares(z_scores)
    order = np.argsort(-shares, kind="stable")
    return {
        "num_rows": len(shares),
        "num_rows_of_half": int(np.searchsorted(shares[order].cumsum(), 0.5 * shares.sum())) + 1,
        "largest": [{"row": int(row_numbers[i]), "share": float(shares[i])} for i in order[:NUM_EXTREME_ROWS].tolist()],
    }


def _quality_all_columns(cleaner: Cleaner, raw_rows: RawRows, raw_restored: RawRows) -> float:
    """Return the quality over all columns that vary, including dropped ones, in the finite cells."""
    truth = cleaner.z_scores_of_all_columns(raw_rows)
    mean, std = cleaner.screening.mean, cleaner.screening.std
    restored = (raw_restored.astype(np.float64) - mean) / np.where(std > 0, std, 1.0)  # not clipped
    difference = np.where(truth.observed, truth.values - restored, 0.0)
    power = np.where(truth.observed, truth.values.astype(np.float64), 0.0)
    return fraction_explained(np.square(difference).sum(0), np.square(power).sum(0))


def _redundancy(codec: Codec, tokens: Tensor) -> float:
    """Return the latent redundancy of the rows of :func:`fixed_rows`."""
    latents = codec.latents(tokens[torch.from_numpy(fixed_rows(len(tokens))).to(tokens.device)])
    return float(latent_redundancy(latents.view(len(latents), codec.model.spec.num_categories, -1).transpose(0, 1)))


def _topography(
    codec: Codec,
    rows: Tensor,
    z_scores: NDArray[np.float32],
    tokens: Tensor,
    decoded: NDArray[np.float32],
) -> dict[str, Any]:
    fixed = fixed_rows(len(z_scores))
    chosen = torch.from_numpy(fixed).to(rows.device)
    points = codec.distance_points(tokens[chosen], torch.from_numpy(decoded[fixed]))
    result = topographic_measures(z_scores[fixed], points.cpu().numpy())
    before = codec.model(rows[chosen]).embeddings.transpose(0, 1).flatten(1).cpu().numpy()
    return {
        "topographic_correlation": result.pearson,
        "topographic_spearman": result.spearman,
        "topographic_trustworthiness": result.trustworthiness,
        "topographic_continuity": result.continuity,
        "topographic_before_quantization": topographic_correlation(z_scores[fixed], before),
    }
