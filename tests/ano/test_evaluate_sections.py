"""Sections of an evaluation of an ANO against densities with known closed forms."""

import numpy as np
import pytest
import torch

from spinlock.ano.calibration.conformal import LEVELS, ConformalWidths
from spinlock.ano.data.scales import ParameterScale
from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.density.mixture import GaussianMixture
from spinlock.ano.evaluation.calibration import measure_calibration
from spinlock.ano.evaluation.families import measure_families
from spinlock.ano.evaluation.parameters import measure_parameters
from spinlock.ano.evaluation.posteriors import FamilyPosterior
from spinlock.ano.evaluation.targets import ano_targets, target_notes

NOISE = 0.7
SHRINKAGE, DEVIATION = 1 / (1 + NOISE**2), NOISE / np.sqrt(1 + NOISE**2)
SPACE = ParameterSpace(
    ("heat", "wave"),
    tuple(ParameterScale(name, "linear", (0.0, 2.0)) for name in ("heat.a", "heat.b", "wave.c")),
    ((0, 1), (2,)),
    (False, False),
)
EXACT = ConformalWidths(np.tile(np.array(LEVELS) / 2, (2, 1)), (100, 100))
"""Widths of the intervals of an exact density."""


def posterior(
    rng: np.random.Generator, family: int, rows: int, *, bias: float = 0.0, scale: float = 1.0
) -> FamilyPosterior:
    """The posterior of z ~ N(0, I) given x = z + s e, shifted and scaled by numbers of its deviations."""
    columns = SPACE.columns[family]
    truth = rng.standard_normal((rows, len(columns)))
    means = SHRINKAGE * (truth + NOISE * rng.standard_normal(truth.shape)) + bias * DEVIATION
    factors = torch.eye(len(columns), dtype=torch.float64) * DEVIATION * scale
    density = GaussianMixture(
        torch.zeros(rows, 1, dtype=torch.float64),
        torch.from_numpy(means).unsqueeze(1),
        factors.expand(rows, 1, len(columns), len(columns)),
    )
    draws = density.sample(200, torch.Generator().manual_seed(0)).numpy()
    return FamilyPosterior(family, columns, np.arange(rows), truth, density, draws)


def both(rng: np.random.Generator, **changes: float) -> list[FamilyPosterior]:
    return [posterior(rng, 0, 600, **changes), posterior(rng, 1, 400, **changes)]


def test_the_exact_posterior_has_the_promised_coverage_information_and_explained_variance(
    rng: np.random.Generator,
) -> None:
    posteriors = both(rng)
    found = measure_parameters(posteriors, SPACE, EXACT)
    for level, fraction in found.coverage.items():
        assert fraction.value == pytest.approx(float(level), abs=4 * fraction.error)
        assert fraction.error == pytest.approx(np.sqrt(float(level) * (1 - float(level)) / 1600), rel=0.1)
    assert [(each.family, each.name, each.operators) for each in found.parameters] == [
        ("heat", "a", 600),
        ("heat", "b", 600),
        ("wave", "c", 400),
    ]
    explained = 6 / np.pi * np.arcsin(SHRINKAGE / 2)  # from the covariance of two draws given x, asin(r / 2) / (2 pi)
    assert np.mean([each.r2_of_mean for each in found.parameters]) == pytest.approx(explained, abs=0.04)
    for each in found.parameters:
        assert each.r2 <= each.r2_of_mean + 0.01
    bits = posteriors[0].information_bits().mean()
    assert bits == pytest.approx(2 * 0.5 * np.log2(1 + 1 / NOISE**2), abs=0.15)


def test_the_exact_posterior_meets_all_targets_of_calibration(rng: np.random.Generator) -> None:
    found = measure_calibration(both(rng), SPACE, rng)
    assert found.share_uniform == 1
    assert found.tarp_gap < 0.05
    assert sum(found.ranks[0].histogram) == 600


@pytest.mark.parametrize(("bias", "scale"), [(1.0, 1.0), (0.0, 0.5)])
def test_a_biased_and_a_narrow_density_fail_each_check(rng: np.random.Generator, bias: float, scale: float) -> None:
    posteriors = both(rng, bias=bias, scale=scale)
    parameters = measure_parameters(posteriors, SPACE, EXACT)
    calibration = measure_calibration(posteriors, SPACE, rng)
    assert parameters.coverage["0.8"].value < 0.75
    assert calibration.share_uniform == 0
    assert calibration.tarp_gap > 0.05
    families = measure_families(SPACE.families, np.tile([0.9, 0.1], (10, 1)), np.zeros(10, int), np.ones(10, bool), rng)
    targets = {target.metric: target for target in ano_targets(families, parameters, calibration, None)}
    assert not any(targets[name].met for name in ("coverage_error", "share_uniform", "tarp_gap", "information_ratio"))
    assert targets["family_accuracy"].met
    notes = target_notes(families, parameters, calibration, None)
    assert "heat a, heat b, wave c" in notes["share_uniform"]
    assert "not measured" in notes["information_ratio"]
    assert set(notes) == set(targets)


def test_absent_parameters_count_nowhere(rng: np.random.Generator) -> None:
    whole = posterior(rng, 0, 400)
    truth = whole.truth.copy()
    truth[::2, 1] = np.nan
    part = FamilyPosterior(0, whole.columns, whole.rows, truth, whole.density, whole.draws)
    found = measure_parameters([part], SPACE, EXACT)
    assert [each.operators for each in found.parameters] == [400, 200]
    assert found.coverage["0.5"].value == pytest.approx(0.5, abs=0.1)
    calibration = measure_calibration([part], SPACE, rng)
    assert [each.operators for each in calibration.ranks] == [400, 200]
    assert calibration.tarp_gap < 0.06


def test_families_are_counted(rng: np.random.Generator) -> None:
    probability = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.3, 0.7, 0], [0.6, 0.4, 0]])
    unseen = np.array([False, False, True, True])
    found = measure_families(("a", "b", "c"), probability + 1e-9, np.array([0, 0, 1, 1]), unseen, rng)
    assert (found.accuracy, found.accuracy_unseen) == (0.75, 0.5)
    assert found.confusion == ((2, 0, 0), (1, 1, 0), (0, 0, 0))
    assert found.recall == {"a": 1.0, "b": 0.5}
    assert found.confidence == pytest.approx(0.75)


def test_the_calibration_error_of_exact_probabilities_is_below_that_of_their_samples(rng: np.random.Generator) -> None:
    probability = rng.dirichlet(np.ones(4), 300)
    bounds = probability.cumsum(axis=1)[:, :-1]
    errors = []
    for _ in range(12):
        labels = (bounds < rng.random((300, 1))).sum(axis=1)
        found = measure_families(("a", "b", "c", "d"), probability, labels, np.zeros(300, dtype=bool), rng)
        errors.append(found.ece)
        assert np.isnan(found.accuracy_unseen)
    assert np.mean(np.array(errors) < found.ece_null_quantile) > 0.7
