"""The page of features agrees with the code."""

from pathlib import Path

from spinlock.features.extract import feature_names
from spinlock.features.listing import list_features

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_is_up_to_date() -> None:
    heading, _, listing = PAGE.read_text(encoding="utf-8").partition("\n## ")
    assert heading.startswith("# Features\n")
    assert f"\n## {listing}" == list_features()


def test_every_feature_has_a_row() -> None:
    names = feature_names(with_probes=True)
    rows = [line.split("`")[1] for line in list_features().splitlines() if line.startswith("| `")]
    assert rows == [name.partition(".")[2] for name in (*names.per_timestep, *names.per_trajectory)]
