"""Lines about a quality that a few extreme rows dominate, and about values that are not known."""

from typing import Any

import pytest

from spinlock.evaluation.quality_notes import quality_notes, second_values

METRICS: dict[str, Any] = {
    "reconstruction_quality": 0.91,
    "rank_quality": 0.62,
    "orthogonality_clipped": 0.31,
    "extreme_rows": {
        "num_rows": 400,
        "num_rows_of_half": 7,
        "largest": [{"row": 905, "share": 0.25}, {"row": 17, "share": 0.125}],
    },
}


def test_a_quality_far_above_the_rank_quality_names_the_extreme_rows() -> None:
    assert quality_notes(METRICS) == (
        "reconstruction_quality 0.910 is dominated by a few extreme rows: rank_quality is 0.620; half of the variance "
        "is in 7 of 400 rows, the largest shares in the rows 905 (25.0%), 17 (12.5%)",
    )


def test_many_equal_values_are_not_called_extreme_rows() -> None:
    rows = METRICS["extreme_rows"] | {"num_rows_of_half": 100}
    (line,) = quality_notes(METRICS | {"extreme_rows": rows})
    assert "the quality does not depend on a few rows" in line
    assert "many equal values" in line


@pytest.mark.parametrize(("rank_quality", "lines"), [(0.80, 1), (0.82, 0), (0.99, 0)])
def test_the_line_needs_a_difference_above_a_tenth(rank_quality: float, lines: int) -> None:
    assert len(quality_notes(METRICS | {"rank_quality": rank_quality})) == lines


@pytest.mark.parametrize("changes", [{"rank_quality": None}, {}], ids=["null", "absent"])
def test_an_unknown_rank_quality_is_said(changes: dict[str, Any]) -> None:
    metrics = {"reconstruction_quality": 0.91} | changes
    (line,) = quality_notes(metrics)
    assert line.startswith("rank_quality is not known: an earlier version")
    assert second_values(metrics) == ()


def test_second_values_have_one_line_each() -> None:
    quality, cosine = second_values(METRICS)
    assert quality.startswith("rank_quality 0.6200")
    clipped = "columns clipped at their 0.5% and 99.5% quantiles"
    assert cosine == f"orthogonality_clipped 0.3100: the largest centroid cosine with {clipped}"
