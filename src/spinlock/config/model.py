"""Settings of the categories, of the widths of the network and of the codebook sizes."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from spinlock.config.section import MAX_COUNT, Conflict, FilePath, Section, setting

LEVEL_COUNT = 3
"""Number of quantization levels of each category, coarse to fine; a token file has as many columns per category."""

MAX_RATIO = 1000.0

MAX_WIDTH = 8192
"""Maximum width of a layer of the network."""

MAX_CODES = 10_000_000
"""Maximum number of codes of a codebook."""

MAX_BITS = 1e6
"""Maximum of ``max_bits``."""
"""Maximum latent width of a level, in units of embedding_dim."""


class CategorySettings(Section):
    """How columns are grouped into categories."""

    category_assignment: Literal["auto", "manual", "hybrid"] = setting(
        "auto",
        "How categories are defined. auto: all categories are discovered. manual: all categories are read from a "
        "mapping file. hybrid: some categories are read from a mapping file, and the others are discovered.",
    )
    category_mapping_file: FilePath | None = setting(
        None,
        "JSON file {category: [column names or indices]}. It is required for manual and hybrid, and null for auto.",
    )
    num_categories_auto: int | None = setting(
        None,
        "Number of discovered categories. null: it is selected by cross-validated quality.",
        unit="categories",
        ge=1,
        le=MAX_COUNT,
    )
    orthogonality_target: float = setting(
        0.25,
        "Upper limit of the absolute cosine between the centroids of any two categories. With a lower limit there are "
        "fewer categories.",
        unit="|cosine|",
        gt=0,
        le=1,
    )
    comparison_rate: float | None = setting(
        None,
        "Rate at which partitions are compared, in units of the rate that a Gaussian source needs for target_quality. "
        "null: partitions are compared at 1, and also at 2 if the resulting codebook sizes are not expected to meet "
        "the targets.",
        gt=0,
        le=MAX_RATIO,
    )
    min_features_per_category: int = setting(
        3,
        "Minimum number of columns of a category. A smaller category is merged with the nearest one.",
        unit="columns",
        ge=1,
        le=MAX_COUNT,
    )
    max_clusters: int = setting(
        50,
        "Maximum number of categories. Discovery starts with this number of categories and merges some of them.",
        unit="categories",
        ge=1,
        le=MAX_COUNT,
    )

    @property
    def discovers_categories(self) -> bool:
        """Whether all or some of the categories are discovered."""
        return self.category_assignment != "manual"

    def conflicts(self) -> Iterator[Conflict]:
        """Yield a conflict if a mapping file is missing, or if a mapping file or a number of categories is not used."""
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
    """Sizes of one level of a category; null means automatic."""

    latent_dim: int | None = setting(
        None,
        "Width of the latents of the level. null: it follows from compression_ratios.",
        unit="dims",
        ge=1,
        le=MAX_WIDTH,
    )
    num_codes: int | None = setting(
        None, "Number of codes of the level. null: automatic.", unit="codes", ge=1, le=MAX_CODES
    )


LevelTriple = Annotated[tuple[LevelFactors, LevelFactors, LevelFactors], Field(strict=False)]
"""One :class:`LevelFactors` for each level, coarse to fine."""


def _to_ratio_text(value: object) -> str:
    """Return the same text for "0.50:1:1.5" and [0.5, 1, 1.5], so that equal ratios are equal values."""
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

_THREE_LEVELS = "three {latent_dim, num_codes}, coarse to fine, each value a number or null for automatic"


class ModelSettings(Section):
    """Widths of the network, sizes of its codebooks, and the assignment of tokens."""

    embedding_dim: int = setting(
        126,
        "Maximum width of the embedding of a category. The width is at most the number of columns of the category, "
        "rounded up to a multiple of 4.",
        unit="dims",
        ge=1,
        le=MAX_WIDTH,
    )
    hidden_dim: int | None = setting(
        None,
        "Width of the hidden layer of each encoder. The hidden layer of the decoder is 2 times as wide, or 4 times as "
        "wide with joint tokens. null: automatic, 16 to 128, depending on the number of training rows.",
        unit="dims",
        ge=1,
        le=MAX_WIDTH,
    )
    compression_ratios: RatioText = setting(
        "0.5:1:1.5",
        "Latent width of each level in units of embedding_dim, coarse to fine. Each width is rounded up to a multiple "
        "of 4, and it is at most the number of columns of the category, rounded up to a multiple of 4.",
        expected='three positive numbers, coarse to fine, as "a:b:c" or as a list',
    )
    factors: LevelTriple | None = setting(
        None,
        "Latent width and codebook size of each level, for all categories. null: automatic.",
        expected=f"{_THREE_LEVELS}; or null",
    )
    category_factors: dict[str, LevelTriple] | None = setting(
        None,
        "Latent width and codebook size of each level of individual categories, by name. It overrides factors.",
        expected=f"a mapping from a category's name to {_THREE_LEVELS}; or null",
    )
    assignment: Literal["local", "joint"] = setting(
        "local",
        "How tokens are assigned. local: a token depends only on the columns of its own category. "
        "joint: all tokens of a row are selected together, which gives a higher quality at the same number of bits.",
    )
    target_quality: float = setting(
        0.9,
        "Reconstruction quality on held-out rows that the automatic codebook sizes should reach with as few bits as "
        "possible. 1: all bits that max_bits allows are used.",
        unit="fraction of variance",
        gt=0,
        le=1,
    )
    max_bits: float | None = setting(
        None,
        "Maximum bits per row of the automatic codebook sizes. null: no limit.",
        unit="bits per row",
        ge=1,
        le=MAX_BITS,
    )
    warm_start: bool = setting(
        True,
        "Whether the network is initialized in closed form (principal axes, residual k-means, ridge regression). "
        "false initializes it randomly.",
    )

    @property
    def ratios(self) -> tuple[float, float, float]:
        """The three compression ratios as numbers, coarse to fine."""
        first, second, third = (float(part) for part in self.compression_ratios.split(":"))
        return first, second, third

    @property
    def level_count(self) -> int:
        """Number of levels of each category."""
        return LEVEL_COUNT
