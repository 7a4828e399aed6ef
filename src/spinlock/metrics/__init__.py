"""Metrics of a tokenizer. Each is defined once, as a function of arrays that returns numbers or a small dataclass.

The package reads no files and does not depend on the model. Its functions are attributes, for example
``spinlock.metrics.codebook_use``. They are imported at first use, because importing SciPy and torch takes about a
second.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinlock.metrics.centroids import (
        BootstrapInterval,
        centroid_cosines,
        centroid_weights,
        held_out_centroid_cosine,
        max_centroid_cosine,
    )
    from spinlock.metrics.codebook import CodebookUse, codebook_use, expected_use
    from spinlock.metrics.correlation import correlation_matrix
    from spinlock.metrics.gaussian_reference import GaussianReference
    from spinlock.metrics.ranks import rank_quality
    from spinlock.metrics.rate_distortion import WaterFilling, gaussian_bits, gaussian_quality, water_filling
    from spinlock.metrics.reconstruction import quality_by_column, quality_by_group, reconstruction_quality
    from spinlock.metrics.redundancy import latent_redundancy
    from spinlock.metrics.row_centroids import max_clipped_cosine
    from spinlock.metrics.targets import Target, evaluate_targets
    from spinlock.metrics.topography import Topography, topographic_correlation, topographic_measures

__all__ = [
    "BootstrapInterval",
    "CodebookUse",
    "GaussianReference",
    "Target",
    "Topography",
    "WaterFilling",
    "centroid_cosines",
    "centroid_weights",
    "codebook_use",
    "correlation_matrix",
    "evaluate_targets",
    "expected_use",
    "gaussian_bits",
    "gaussian_quality",
    "held_out_centroid_cosine",
    "latent_redundancy",
    "max_centroid_cosine",
    "max_clipped_cosine",
    "quality_by_column",
    "quality_by_group",
    "rank_quality",
    "reconstruction_quality",
    "topographic_correlation",
    "topographic_measures",
    "water_filling",
]

_MODULES = {
    "centroids": (
        "BootstrapInterval",
        "centroid_cosines",
        "centroid_weights",
        "held_out_centroid_cosine",
        "max_centroid_cosine",
    ),
    "codebook": ("CodebookUse", "codebook_use", "expected_use"),
    "correlation": ("correlation_matrix",),
    "gaussian_reference": ("GaussianReference",),
    "ranks": ("rank_quality",),
    "rate_distortion": ("WaterFilling", "gaussian_bits", "gaussian_quality", "water_filling"),
    "reconstruction": ("quality_by_column", "quality_by_group", "reconstruction_quality"),
    "redundancy": ("latent_redundancy",),
    "row_centroids": ("max_clipped_cosine",),
    "targets": ("Target", "evaluate_targets"),
    "topography": ("Topography", "topographic_correlation", "topographic_measures"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
