"""Final metrics of a trained model.

Letters: ``n`` training rows, ``m`` validation rows, ``D`` kept columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.evaluation.assignment_comparison import compare_assignments
from spinlock.evaluation.row_metrics import row_metrics
from spinlock.metrics.centroids import (
    absolute_cosines,
    centroid_cosines,
    centroid_weights,
    held_out_centroid_cosine,
)
from spinlock.metrics.codebook import codebook_use
from spinlock.metrics.correlation import correlation_matrix, is_wide, unit_columns
from spinlock.metrics.gaussian_reference import GaussianReference
from spinlock.metrics.reconstruction import fraction_explained, squared_sums
from spinlock.metrics.row_centroids import RowCentroids, max_clipped_cosine
from spinlock.model import CategoricalVQVAE, ModelSpec
from spinlock.model.codec import Codec, make_codec
from spinlock.preprocessing.copied_rows import copied_fraction
from spinlock.preprocessing.training_data import TrainingData

Floats = NDArray[np.float64]


@torch.no_grad()
def final_metrics(model: CategoricalVQVAE, data: TrainingData) -> dict[str, Any]:
    """Compute all metrics of a trained model.

    Quality, utilization and topography are measured on validation rows, in z-scored and clipped units for every
    normalization.

    Parameters
    ----------
    model
        Trained network, in evaluation mode.
    data
        Its training data.

    Returns
    -------
    dict
        Metrics by their names, as in ``metrics`` of a checkpoint.
    """
    cleaner, spec = data.cleaner, model.spec
    train = cleaner.to_z_scores(data.train.cpu().numpy())
    validation = cleaner.to_z_scores(data.validation.cpu().numpy())
    groups = [np.array(group) for group in spec.groups]
    codec = make_codec(model)
    train_tokens = codec.encode(data.train).indices
    measured = row_metrics(codec, cleaner, data.validation, data.table.rows[data.validation_rows], data.validation_rows)
    quality = measured["reconstruction_quality"]
    return {
        **measured,
        "quality_train": _train_quality(codec, data, train, train_tokens),
        "copied_validation_rows": copied_fraction(data.train.cpu().numpy(), data.validation.cpu().numpy()),
        **_train_codebooks(spec.num_codes, train_tokens),
        **_orthogonality(train, validation, groups),
        **compare_assignments(model, data).to_dict(),
        **_rate(data.gaussian_reference, spec, quality),
    }


def _train_quality(codec: Codec, data: TrainingData, train: NDArray[np.float32], tokens: torch.Tensor) -> float:
    """Return the quality of z-scored training rows [n, D] that are decoded from their tokens."""
    restored = data.cleaner.to_z_scores(codec.decode(tokens).cpu().numpy())
    return fraction_explained(*squared_sums(train, restored))


def _train_codebooks(num_codes: tuple[tuple[int, int, int], ...], tokens: torch.Tensor) -> dict[str, float]:
    trained = codebook_use(tokens.flatten(1).cpu().numpy(), np.array([size for sizes in num_codes for size in sizes]))
    return {"utilization_train": trained.utilization, "entropy_bits_train": trained.entropy_bits}


def _orthogonality(
    train: NDArray[np.float32], validation: NDArray[np.float32], groups: list[NDArray[np.int64]]
) -> dict[str, Any]:
    largest_fraction = max(len(group) for group in groups) / sum(len(group) for group in groups)
    if len(groups) < 2:
        undefined = dict.fromkeys(("inter_category_orthogonality", "orthogonality_clipped"))
        return {**undefined, "largest_category_share": largest_fraction}
    if is_wide(train.shape[1]):
        centroids = RowCentroids.of(unit_columns(train), groups)
        weights, cosine = centroids.weights, absolute_cosines(centroids.sums.T @ centroids.sums)
    else:
        correlation = correlation_matrix(train.astype(np.float64))
        weights = centroid_weights(correlation, groups)
        cosine = centroid_cosines(correlation, weights)
    held_out = held_out_centroid_cosine(validation.astype(np.float64), weights, np.random.default_rng(0))
    assert held_out is not None
    return {
        "inter_category_orthogonality": float(cosine.max()),
        "orthogonality_clipped": max_clipped_cosine(train, groups),
        "orthogonality_mean": float(cosine[np.triu_indices(len(groups), 1)].mean()),
        "orthogonality_validation": {"value": held_out.value, "low": held_out.low, "high": held_out.high},
        "orthogonality_noise": 1 / math.sqrt(len(validation)),
        "largest_category_share": largest_fraction,
    }


def _rate(reference: GaussianReference, spec: ModelSpec, quality: float) -> dict[str, Any]:
    """Return the bits per row, and the Gaussian reference at this rate: on training rows, held out, and by category."""
    bits = spec.bits_per_row
    error = 0.0
    for group, sizes in zip(spec.groups, spec.num_codes, strict=True):
        category = reference.of_columns(group)
        category_bits = sum(math.log2(size) for size in sizes)
        error += (1 - category.held_out(category_bits)) * category.held_out_variance
    return {
        "bits_per_sample": bits,
        "rate_distortion_quality": {
            "training": reference.training(bits),
            "held_out": reference.held_out(bits),
            "block": 1 - error / reference.held_out_variance,
            "ledoit_wolf": reference.shrunk,
        },
        "gap_db": reference.gap_db(quality, bits),
    }
