"""The four targets that a tokenizer has to meet at once, and what to say about a missed one."""

from __future__ import annotations

from dataclasses import dataclass

QUALITY = 0.90
UTILIZATION = 0.80
TOPOGRAPHIC = 0.85
ORTHOGONALITY = 0.25


@dataclass(frozen=True)
class Target:
    """One target: its metric, the value reached (None: not defined), the bound and the side of it that is wanted."""

    metric: str
    value: float | None
    bound: float
    above: bool

    @property
    def met(self) -> bool:
        """Strictly on the wanted side; an undefined value is a missed target."""
        if self.value is None:
            return False
        return self.value > self.bound if self.above else self.value < self.bound


def targets(
    quality: float, utilization: float, topographic: float, orthogonality: float | None
) -> tuple[Target, Target, Target, Target]:
    """The four, in the order in which the user's document lists them."""
    return (
        Target("reconstruction_quality", quality, QUALITY, above=True),
        Target("codebook_utilization", utilization, UTILIZATION, above=True),
        Target("inter_category_orthogonality", orthogonality, ORTHOGONALITY, above=False),
        Target("topographic_correlation", topographic, TOPOGRAPHIC, above=True),
    )
