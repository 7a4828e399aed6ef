"""How features form categories, and how wide the network and how large its codebooks are."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from spinlock.config.section import Conflict, FilePath, Section, setting

LEVEL_COUNT = 3
"""Levels of every category, coarse to fine: fixed, as a token file has three columns for each category."""

MAX_RATIO = 1000.0


class CategorySettings(Section):
    """How the columns are grouped into categories."""

    category_assignment: Literal["auto", "manual", "hybrid"] = setting(
        "auto",
        "auto discovers the categories, manual reads all of them from a mapping file, "
        "hybrid reads some and discovers the rest.",
    )
    category_mapping_file: FilePath | None = setting(
        None, "JSON file {category: [column names or indices]} for manual and hybrid; null for auto."
    )
    num_categories_auto: int | None = setting(
        None,
        "Number of discovered categories; null lets cross-validated quality decide.",
        unit="categories",
        ge=1,
    )
    orthogonality_target: float = setting(
        0.25,
        "Largest |cosine| allowed between two categories' centroids; lower leaves fewer categories.",
        unit="|cosine|",
        gt=0,
        le=1,
    )
    comparison_rate: float | None = setting(
        None,
        "Bits at which partitions are compared, over those a Gaussian source needs for target_quality; "
        "null = 1, then 1.5 and 2 while no codebook sizes are expected to meet the targets.",
        gt=0,
    )
    min_features_per_category: int = setting(
        3, "A smaller category is merged into its nearest; no column is dropped for it.", unit="columns", ge=1
    )
    max_clusters: int = setting(50, "Categories that discovery starts from, before it merges.", unit="categories", ge=1)

    @property
    def discovers_categories(self) -> bool:
        """Whether all or some of the categories are discovered."""
        return self.category_assignment != "manual"

    def conflicts(self) -> Iterator[Conflict]:
        """A mapping file and a number of categories are given where they are read, and only there."""
        mode, mapping, count = self.category_assignment, self.category_mapping_file, self.num_categories_auto
        if mode != "auto" and mapping is None:
            reason = f"category_assignment {mode} needs a category_mapping_file"
            yield Conflict(("category_assignment", "category_mapping_file"), reason)
        if mode == "auto" and mapping is not None:
            reason = "category_assignment auto reads no category_mapping_file; set manual or hybrid, or no file"
            yield Conflict(("category_assignment", "category_mapping_file"), reason)
        if not self.discovers_categories and count is not None:
            reason = "category_assignment manual discovers no categories; set num_categories_auto to null"
            yield Conflict(("category_assignment", "num_categories_auto"), reason)
        if count is not None and count > self.max_clusters:
            reason = "num_categories_auto has to be at most max_clusters"
            yield Conflict(("num_categories_auto", "max_clusters"), reason)
        yield from super().conflicts()


class LevelFactors(Section):
    """The size of one level of a category; null is worked out from the rows and the spectrum."""

    latent_dim: int | None = setting(None, "Width of the level's latent; null = from the ratio.", unit="dims", ge=1)
    num_codes: int | None = setting(None, "Codes in the level's codebook; null = auto.", unit="codes", ge=1)


LevelTriple = Annotated[tuple[LevelFactors, LevelFactors, LevelFactors], Field(strict=False)]
"""One :class:`LevelFactors` for each level, coarse to fine."""


def _to_ratio_text(value: object) -> str:
    """Bring "0.50:1:1.5" and [0.5, 1, 1.5] to one spelling, so that equal ratios compare as equal."""
    parts = value.split(":") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or len(parts) != LEVEL_COUNT:
        raise ValueError("there are three ratios")
    if any(isinstance(part, bool) or not isinstance(part, str | int | float) for part in parts):
        raise ValueError("a ratio is a number")
    if not isinstance(value, str) and any(isinstance(part, str) for part in parts):
        raise ValueError("a number in a list has no quotes")
    try:
        ratios = [float(part) for part in parts]
    except OverflowError:
        raise ValueError("the ratio is too large") from None
    if not all(math.isfinite(ratio) and 0 < ratio <= MAX_RATIO for ratio in ratios):
        raise ValueError("a ratio is positive")
    return ":".join(str(int(ratio)) if ratio.is_integer() else repr(ratio) for ratio in ratios)


RatioText = Annotated[
    str,
    BeforeValidator(_to_ratio_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[^:]+:[^:]+:[^:]+$"},
                {
                    "type": "array",
                    "items": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_RATIO},
                    "minItems": LEVEL_COUNT,
                    "maxItems": LEVEL_COUNT,
                },
            ]
        }
    ),
]

_THREE_LEVELS = "three {latent_dim, num_codes}, coarse to fine, either of them null for auto"


class ModelSettings(Section):
    """The widths of the network, the sizes of its codebooks and the way it assigns codes."""

    embedding_dim: int = setting(
        126,
        "Width of a category's embedding, at most its columns rounded up to a multiple of 4.",
        unit="dims",
        ge=1,
    )
    hidden_dim: int | None = setting(
        None,
        "Width of the encoders' hidden layers, half the decoder's (a quarter with joint tokens); null = auto.",
        unit="dims",
        ge=1,
    )
    compression_ratios: RatioText = setting(
        "0.5:1:1.5",
        "Latent width of each level over embedding_dim, coarse to fine; "
        "rounded up to a multiple of 4, at most the category's columns rounded up likewise.",
        expected='three positive numbers, coarse to fine, as "a:b:c" or as a list',
    )
    factors: LevelTriple | None = setting(
        None,
        "Latent width and codebook size of each level, for every category; null = auto.",
        expected=f"{_THREE_LEVELS}; or null",
    )
    category_factors: dict[str, LevelTriple] | None = setting(
        None,
        "The same for single categories, by name; it wins over factors.",
        expected=f"a mapping from a category's name to {_THREE_LEVELS}; or null",
    )
    assignment: Literal["local", "joint"] = setting(
        "local",
        "local: a token depends on its own category's columns alone; "
        "joint: all tokens of a row are chosen together, at higher quality.",
    )
    target_quality: float = setting(
        0.9,
        "Held-out quality that automatic codebook sizes aim at, with the fewest bits; 1 = as much as max_bits allows.",
        unit="share of variance",
        gt=0,
        le=1,
    )
    max_bits: float | None = setting(
        None, "Most bits that automatic codebook sizes may spend on a row; null = no limit.", unit="bits per row", ge=1
    )
    warm_start: bool = setting(
        True, "Start from the closed form (PCA, k-means, ridge) at epoch 0; false = random initialization."
    )

    @property
    def ratios(self) -> tuple[float, float, float]:
        """The three compression ratios as numbers, coarse to fine."""
        first, second, third = (float(part) for part in self.compression_ratios.split(":"))
        return first, second, third

    @property
    def level_count(self) -> int:
        """The number of levels of every category."""
        return LEVEL_COUNT
