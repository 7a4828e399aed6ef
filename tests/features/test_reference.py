"""Features and rollouts have the reference values of their version."""

import json

import pytest

from tests.features.reference import FILE, feature_values, rollout_values

EXPECTED = json.loads(FILE.read_text())


def test_features_keep_their_values() -> None:
    assert feature_values() == pytest.approx(EXPECTED["features"], rel=1e-5, abs=1e-5)


def test_rollouts_keep_their_values() -> None:
    found = rollout_values()
    assert found.keys() == EXPECTED["rollouts"].keys()
    for name, values in found.items():
        assert values == pytest.approx(EXPECTED["rollouts"][name], rel=1e-5, abs=1e-5), name
