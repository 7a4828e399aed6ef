"""The final account of a trained model: every metric of the contract, and what limits a missed target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.evaluation.assignments import locality
from spinlock.metrics.codebook import codebook_use
from spinlock.metrics.correlation import correlation_matrix
from spinlock.metrics.orthogonality import (
    centroid_cosines,
    centroid_weights,
    held_out_centroid_cosine,
)
from spinlock.metrics.rate_distortion import GaussianReference, gaussian_quality
from spinlock.metrics.reconstruction import (
    fraction_explained,
    quality_by_column,
    quality_by_group,
    squared_sums,
)
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.metrics.targets import QUALITY, UTILIZATION, Target, targets
from spinlock.metrics.topography import fixed_rows, topography
from spinlock.model import LEVELS, CategoricalVQVAE
from spinlock.model.codec.inference import Codec, latent_rows
from spinlock.preprocessing.training_data import TrainingData
from spinlock.sizing.search import max_codebook_size
from spinlock.training.plan import NEARLY

Floats = NDArray[np.float64]


@torch.no_grad()
def final_metrics(model: CategoricalVQVAE, data: TrainingData) -> dict[str, Any]:
    """Every metric of the best model; quality on validation rows, in z-scored clipped units."""
    cleaner, spec = data.cleaner, model.spec
    train = cleaner.to_z_scores(data.train.cpu().numpy())
    validation = cleaner.to_z_scores(data.validation.cpu().numpy())
    groups = [np.array(group) for group in spec.groups]
    codec = Codec(model)
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
        **locality(model, data).named(),
        "latent_redundancy": _redundancy(model, encoded.indices),
        **_topography(model, data, validation, encoded.indices, prefixes[-1]),
        **_rate(spec.bits_per_row, train, validation, groups, spec.num_codes, fraction_explained(error, power)),
    }


def target_table(metrics: Mapping[str, Any]) -> tuple[Target, Target, Target, Target]:
    """The four targets from final metrics."""
    return targets(
        metrics["reconstruction_quality"],
        metrics["codebook_utilization"],
        metrics["topographic_correlation"],
        metrics["inter_category_orthogonality"],
    )


@dataclass(frozen=True)
class Limits:
    """What the advice depends on."""

    train_rows: int
    validation_rows: int
    local: bool
    discovered: bool
    meets_target: bool
    max_bits: float | None = None


def advice(target: Target, metrics: Mapping[str, Any], limits: Limits) -> str:
    """What limits a missed target, and what would mend it, in one sentence."""
    bits, bound = metrics["bits_per_sample"], metrics["rate_distortion_quality"]["held_out"]
    finer = "a higher orthogonality_target" if limits.discovered else "a finer mapping file"
    if target.metric == "reconstruction_quality":
        if limits.max_bits is not None and bits > NEARLY * limits.max_bits:
            return f"{bits:.0f} bits per row, and max_bits allows {limits.max_bits:g}; a Gaussian bound is {bound:.2f}"
        cap = max_codebook_size(limits.train_rows, limits.validation_rows)
        if bound <= QUALITY:
            return (
                f"{bits:.0f} bits per row: even a Gaussian bound gives {bound:.2f} there. More categories ({finer}) or "
                f"larger codebooks (K is at most {cap} for {limits.train_rows} training and {limits.validation_rows} "
                "validation rows: more rows) would raise it"
            )
        if metrics["quality_train"] > QUALITY:
            return (
                f"the training rows reach {metrics['quality_train']:.2f}: {limits.train_rows} rows are too few to "
                "generalize from; more rows would help, more epochs would not"
            )
        alone = metrics["rate_distortion_quality"]["block"]
        if limits.local and alone <= QUALITY:
            return (
                f"{bits:.0f} bits per row would allow {bound:.2f} over all columns together, but {alone:.2f} category "
                f"by category. assignment: joint lets the tokens of a row answer for each other; more bits ({finer} "
                "gives more categories, factors larger codebooks) help too"
            )
        return (
            f"{bits:.0f} bits per row would allow {bound:.2f}; more bits ({finer} gives more categories, factors "
            "larger codebooks) help most"
        )
    if target.metric == "codebook_utilization" and metrics["utilization_expected"] > UTILIZATION:
        return (
            f"codes are used unevenly: training rows use {metrics['utilization_train']:.2f} of them, and even use "
            f"would show {metrics['utilization_expected']:.2f} in {limits.validation_rows} validation rows. Rare codes "
            "serve outliers: smaller num_codes in factors, or more rows"
        )
    if target.metric == "codebook_utilization":
        return (
            f"{limits.validation_rows} validation rows are expected to show {metrics['utilization_expected']:.2f} of "
            f"evenly used codes, at most {metrics['utilization_limit']:.2f}; training rows use "
            f"{metrics['utilization_train']:.2f}. More rows, or smaller num_codes in factors"
        )
    if target.metric == "inter_category_orthogonality":
        if target.value is None:
            return "there is one category only: the columns have no second independent direction; add features"
        if not limits.discovered:
            return "two categories of the mapping file correlate: change it; training does not change the categories"
        if not limits.meets_target:
            return (
                "no partition below orthogonality_target was found: fewer categories (num_categories_auto) or less "
                "min_features_per_category may get there; training does not change the categories"
            )
        return "lower orthogonality_target or num_categories_auto: training does not change the categories"
    return "raise topo_weight, or the bits per row: coarse codes blur the distances"


def _train_quality(codec: Codec, data: TrainingData, train: NDArray[np.float32], tokens: torch.Tensor) -> float:
    restored = data.cleaner.to_z_scores(codec.decode(tokens).cpu().numpy())
    return fraction_explained(*squared_sums(train, restored))


def _quality_all_columns(data: TrainingData, decoded: torch.Tensor) -> float:
    """Quality over all columns that vary, dropped ones included, in observed cells of validation rows."""
    truth = data.cleaner.z_scores_of_all_columns(data.table.rows[data.validation_rows])
    mean, std = data.cleaner.screening.mean, data.cleaner.screening.std
    raw = data.cleaner.inverse_transform(decoded.cpu().numpy()).astype(np.float64)
    restored = (raw - mean) / np.where(std > 0, std, 1.0)  # not clipped: with nothing dropped it is the quality
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
    share = max(len(group) for group in groups) / sum(len(group) for group in groups)
    if len(groups) < 2:
        return {"inter_category_orthogonality": None, "largest_category_share": share}
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
        "largest_category_share": share,
    }


def _redundancy(model: CategoricalVQVAE, tokens: torch.Tensor) -> float:
    latents = latent_rows(model, tokens[torch.from_numpy(fixed_rows(len(tokens))).to(tokens.device)])
    return float(latent_redundancy(latents.view(len(latents), model.spec.num_categories, -1).transpose(0, 1)))


def _topography(
    model: CategoricalVQVAE,
    data: TrainingData,
    validation: NDArray[np.float32],
    tokens: torch.Tensor,
    decoded: NDArray[np.float32],
) -> dict[str, Any]:
    fixed = fixed_rows(len(validation))
    rows = torch.from_numpy(fixed).to(data.validation.device)
    joint = model.spec.assignment == "joint"
    after = decoded[fixed] if joint else latent_rows(model, tokens[rows]).cpu().numpy()
    result = topography(validation[fixed], after)
    before = model(data.validation[rows]).embeddings.transpose(0, 1).flatten(1).cpu().numpy()
    return {
        "topographic_correlation": result.pearson,
        "topographic_spearman": result.spearman,
        "topographic_trustworthiness": result.trustworthiness,
        "topographic_continuity": result.continuity,
        "topographic_before_quantization": topography(validation[fixed], before).pearson,
    }


def _rate(
    bits: float,
    train: NDArray[np.float32],
    validation: NDArray[np.float32],
    groups: list[NDArray[np.int64]],
    num_codes: tuple[tuple[int, int, int], ...],
    quality: float,
) -> dict[str, Any]:
    """Bits, and the bounds of a Gaussian source at that rate: joint, held out, and each category alone."""
    bound = GaussianReference.of(train, validation)
    block_error = 0.0
    for group, sizes in zip(groups, num_codes, strict=True):
        block = np.asarray(np.linalg.eigvalsh(bound.covariance[np.ix_(group, group)]), dtype=np.float64)
        block_bits = sum(math.log2(size) for size in sizes)
        block_error += (1 - gaussian_quality(block, block_bits)) * float(np.maximum(block, 0).sum())
    return {
        "bits_per_sample": bits,
        "rate_distortion_quality": {
            "training": bound.training(bits),
            "held_out": bound.held_out(bits),
            "block": 1 - block_error / float(np.trace(bound.covariance)),
            "ledoit_wolf": bound.shrunk,
        },
        "gap_db": bound.gap_db(quality, bits),
    }
