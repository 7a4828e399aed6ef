"""The four targets that a tokenizer has to meet at the same time."""

from __future__ import annotations

from dataclasses import dataclass

QUALITY = 0.90
"""Threshold of the reconstruction quality (fraction of variance explained)."""

UTILIZATION = 0.80
"""Threshold of the codebook utilization."""

TOPOGRAPHIC = 0.85
"""Threshold of the topographic correlation."""

ORTHOGONALITY = 0.25
"""Threshold of the largest centroid cosine, which has to be below it."""


@dataclass(frozen=True)
class Target:
    """A metric with its threshold.

    Attributes
    ----------
    metric
        Name of the metric, as in the files of a run.
    value
        Value of the metric; None if it is not defined.
    threshold
        Value that the metric has to exceed or to stay below.
    above
        Whether the metric has to be above the threshold (true) or below it (false).
    """

    metric: str
    value: float | None
    threshold: float
    above: bool

    @property
    def met(self) -> bool:
        """Whether the value is strictly on the required side of the threshold; False for an undefined value."""
        if self.value is None:
            return False
        return self.value > self.threshold if self.above else self.value < self.threshold


def evaluate_targets(
    quality: float, utilization: float, topographic: float, orthogonality: float | None
) -> tuple[Target, Target, Target, Target]:
    """Compare four metrics with their thresholds.

    Parameters
    ----------
    quality
        Reconstruction quality; has to be above 0.90.
    utilization
        Codebook utilization; has to be above 0.80.
    topographic
        Topographic correlation; has to be above 0.85.
    orthogonality
        Largest centroid cosine; has to be below 0.25. None with fewer than two categories.

    Returns
    -------
    tuple of Target
        Quality, utilization, orthogonality and topographic correlation, in this order.
    """
    return (
        Target("reconstruction_quality", quality, QUALITY, above=True),
        Target("codebook_utilization", utilization, UTILIZATION, above=True),
        Target("inter_category_orthogonality", orthogonality, ORTHOGONALITY, above=False),
        Target("topographic_correlation", topographic, TOPOGRAPHIC, above=True),
    )
