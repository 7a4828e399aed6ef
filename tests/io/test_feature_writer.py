"""Feature files that are written in blocks."""

from pathlib import Path

import numpy as np
import pytest

from spinlock.io.feature_writer import FeatureWriter
from spinlock.io.features import open_features
from tests.tables import write_table


@pytest.mark.parametrize(("shape", "feature_type"), [((50,), "aggregated"), ((10, 5), "per_timestep")])
def test_written_features_can_be_read_as_a_dataset(
    tmp_path: Path, rng: np.random.Generator, shape: tuple[int, ...], feature_type: str
) -> None:
    x = rng.standard_normal((50, 3)).astype(np.float32)
    x[4, 1] = np.nan
    original = write_table(tmp_path / "a.h5", np.zeros((shape[0], 2)), labels={"kind": np.arange(shape[0])})
    with (
        open_features(original) as source,
        FeatureWriter(
            tmp_path / "out.h5",
            ["a", "b", "ö"],
            shape,
            family="other",
            feature_type=feature_type,
            annotations=source,
            attributes={"levels": 2},
        ) as writer,
    ):
        for start in range(0, 50, 7):
            writer.write(x[start : start + 7])
    with open_features(tmp_path / "out.h5", family="other", feature_type=feature_type) as decoded:
        assert decoded.names == ("a", "b", "ö")
        assert decoded.shape == (*shape, 3)
        assert np.array_equal(decoded.read_all(), x, equal_nan=True)
        assert decoded.labels() == ("kind",)
