"""Charts that several sections use."""

import numpy as np
import pytest

from spinlock.plots.charts import bars, heat_map


def test_a_heat_map_writes_its_values() -> None:
    values = [[0.123, -0.456], [-10.3, 10.25], [np.nan, 1.0]]
    figure = heat_map(values, ["a", "b", "c"], ["x", "y"])
    assert [text.get_text() for text in figure.axes[0].texts] == [".12", "-.46", "-10.30", "10.25", "1.00"]


def test_bars_without_values_and_with_negative_ones_are_drawn() -> None:
    assert bars([], [], "value").axes[0].get_xlim() == (0.0, 1.14)
    left, right = bars(["a"], [-2.0], "value").axes[0].get_xlim()
    assert left == pytest.approx(-2.0 - 0.14 * right)  # room for the label
    assert right == pytest.approx(1.14)
