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
from spinlock.metrics.centroids import (
    centroid_cosines,
    centroid_weights,
    held_out_centroid_cosine,
)
from spinlock.metrics.codebook import codebook_use
from spinlock.metrics.correlation import correlation_matrix
from spinlock.metrics.rate_distortion import GaussianReference, gaussian_quality
from spinlock.metrics.reconstruction import (
    fraction_explained,
    quality_by_column,
    quality_by_group,
    squared_sums,
)
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.metrics.topography import fixed_rows, topographic_measures
from spinlock.model import LEVELS, CategoricalVQVAE
from spinlock.model.codec import Codec, make_codec
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
    encoded = codec.encode(data.validation)
    train_tokens = codec.encode(data.train).indices
    decoded = [codec.decode(encoded.indices[..., : level + 1]) for level in range(LEVELS)]
    prefixes = [cleaner.to_z_scores(rows.cpu().numpy()) for rows in decoded]
    error, power = squared_sums(validation, prefixes[-1])
    columns = quality_by_column(error, power)
    varying = [quality for quality in columns if quality is not None]
    names = cleaner.kept_names
    return {
        "reconstruction_quality": fraction_explained(error, power),
        "quality_train": _train_quality(codec, data, train, train_tokens),
        "quality_by_level": [fraction_explained(*squared_sums(validation, prefix)) for prefix in prefixes],
        "quality_by_category": dict(zip(spec.category_names, quality_by_group(error, power, spec.groups), strict=True)),
        "quality_by_feature": dict(zip(names, columns, strict=True)),
        "quality_macro": float(np.mean(varying)) if varying else None,
        "quality_all_columns": _quality_all_columns(data, decoded[-1]),
        **_codebooks(spec.num_codes, encoded.indices, train_tokens),
        **_orthogonality(train, validation, groups),
        **compare_assignments(model, data).to_dict(),
        "latent_redundancy": _redundancy(codec, encoded.indices),
        **_topography(codec, data, validation, encoded.indices, prefixes[-1]),
        **_rate(spec.bits_per_row, train, validation, groups, spec.num_codes, fraction_explained(error, power)),
    }


def _train_quality(codec: Codec, data: TrainingData, train: NDArray[np.float32], tokens: torch.Tensor) -> float:
    """Return the quality of z-scored training rows [n, D] that are decoded from their tokens."""
    restored = data.cleaner.to_z_scores(codec.decode(tokens).cpu().numpy())
    return fraction_explained(*squared_sums(train, restored))


def _quality_all_columns(data: TrainingData, decoded: torch.Tensor) -> float:
    """Return the quality over all columns that vary, including dropped ones, in the finite cells of validation rows."""
    truth = data.cleaner.z_scores_of_all_columns(data.table.rows[data.validation_rows])
    mean, std = data.cleaner.screening.mean, data.cleaner.screening.std
    raw = data.cleaner.inverse_transform(decoded.cpu().numpy()).astype(np.float64)
    restored = (raw - mean) / np.where(std > 0, std, 1.0)  # not clipped
    difference = np.where(truth.observed, truth.values - restored, 0.0)
    power = np.where(truth.observed, truth.values.astype(np.float64), 0.0)
    return fraction_explained(np.square(difference).sum(0), np.square(power).sum(0))


def _codebooks(
    num_codes: tuple[tuple[int, int, int], ...], validation: torch.Tensor, train: torch.Tensor
) -> dict[str, Any]:
    sizes = np.array([size for sizes in num_codes for size in sizes])
    use = codebook_use(validation.flatten(1).cpu().numpy(), sizes)
    trained = codebook_use(train.flatten(1).cpu().numpy(), sizes)
    return {
        "codebook_utilization": use.utilization,
        "utilization_train": trained.utilization,
        "utilization_minimum": use.minimum,
        "perplexity_ratio": use.perplexity_ratio,
        "utilization_expected": use.expected,
        "utilization_limit": use.limit,
        "utilization_by_codebook": list(use.per_codebook),
        "entropy_bits": use.entropy_bits,
        "entropy_bits_train": trained.entropy_bits,
    }


def _orthogonality(
    train: NDArray[np.float32], validation: NDArray[np.float32], groups: list[NDArray[np.int64]]
) -> dict[str, Any]:
    largest_fraction = max(len(group) for group in groups) / sum(len(group) for group in groups)
    if len(groups) < 2:
        return {"inter_category_orthogonality": None, "largest_category_share": largest_fraction}
    correlation = correlation_matrix(train.astype(np.float64))
    weights = centroid_weights(correlation, groups)
    cosine = centroid_cosines(correlation, weights)
    held_out = held_out_centroid_cosine(validation.astype(np.float64), weights, np.random.default_rng(0))
    assert held_out is not None
    return {
        "inter_category_orthogonality": float(cosine.max()),
        "orthogonality_mean": float(cosine[np.triu_indices(len(groups), 1)].mean()),
        "orthogonality_validation": {"value": held_out.value, "low": held_out.low, "high": held_out.high},
        "orthogonality_noise": 1 / math.sqrt(len(validation)),
        "largest_category_share": largest_fraction,
    }


def _redundancy(codec: Codec, tokens: torch.Tensor) -> float:
    """Return the latent redundancy of the rows of :func:`fixed_rows`."""
    latents = codec.latents(tokens[torch.from_numpy(fixed_rows(len(tokens))).to(tokens.device)])
    return float(latent_redundancy(latents.view(len(latents), codec.model.spec.num_categories, -1).transpose(0, 1)))


def _topography(
    codec: Codec,
    data: TrainingData,
    validation: NDArray[np.float32],
    tokens: torch.Tensor,
    decoded: NDArray[np.float32],
) -> dict[str, Any]:
    fixed = fixed_rows(len(validation))
    rows = torch.from_numpy(fixed).to(data.validation.device)
    points = codec.distance_points(tokens[rows], torch.from_numpy(decoded[fixed]))
    result = topographic_measures(validation[fixed], points.cpu().numpy())
    before = codec.model(data.validation[rows]).embeddings.transpose(0, 1).flatten(1).cpu().numpy()
    return {
        "topographic_correlation": result.pearson,
        "topographic_spearman": result.spearman,
        "topographic_trustworthiness": result.trustworthiness,
        "topographic_continuity": result.continuity,
        "topographic_before_quantization": topographic_measures(validation[fixed], before).pearson,
    }


def _rate(
    bits: float,
    train: NDArray[np.float32],
    validation: NDArray[np.float32],
    groups: list[NDArray[np.int64]],
    num_codes: tuple[tuple[int, int, int], ...],
    quality: float,
) -> dict[str, Any]:
    """Return the bits per row, and the Gaussian reference at this rate: on training rows, held out, and by category."""
    reference = GaussianReference.from_rows(train, validation)
    category_error = 0.0
    for group, sizes in zip(groups, num_codes, strict=True):
        spectrum = np.asarray(np.linalg.eigvalsh(reference.covariance[np.ix_(group, group)]), dtype=np.float64)
        category_bits = sum(math.log2(size) for size in sizes)
        category_error += (1 - gaussian_quality(spectrum, category_bits)) * float(np.maximum(spectrum, 0).sum())
    return {
        "bits_per_sample": bits,
        "rate_distortion_quality": {
            "training": reference.training(bits),
            "held_out": reference.held_out(bits),
            "block": 1 - category_error / float(np.trace(reference.covariance)),
            "ledoit_wolf": reference.shrunk,
        },
        "gap_db": reference.gap_db(quality, bits),
    }
