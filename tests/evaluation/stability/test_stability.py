"""Survival of tokens against encoding and decoding with the tokenizer itself."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

import spinlock as sl
from spinlock.evaluation.stability.churn import measure_churn
from spinlock.evaluation.stability.halves import halves_of_aggregates, halves_of_realizations
from spinlock.evaluation.stability.section import measure_stability, survival
from tests.cli.workspace import NAMES
from tests.evaluation.conftest import SETTINGS, Case, make_case


def test_survival_counts_equal_tokens() -> None:
    first = np.zeros((2, 2, 3), dtype=np.int64)
    second = first.copy()
    second[0, 1, 2] = 1
    result = survival(first, second, ("a", "b"))
    assert result.all == pytest.approx(11 / 12)
    assert result.by_level == (1, 1, 0.75)
    assert result.by_category == {"a": 1, "b": pytest.approx(5 / 6)}
    assert result.unchanged_rows == 0.5


def test_idempotence_is_that_of_the_tokenizer(case: Case) -> None:
    result = measure_stability(case.rows, None, seed=0)
    tokens = case.tokenizer.encode(case.table[case.rows.positions])
    again = case.tokenizer.encode(case.tokenizer.decode(tokens))
    assert result.idempotence.all == pytest.approx((tokens == again).mean(), abs=1e-9)
    assert result.idempotence.unchanged_rows == (tokens == again).all(1).mean()
    assert result.realizations is None


def test_more_noise_changes_more_tokens(case: Case) -> None:
    result = measure_stability(case.rows, None, seed=0)
    little, much = result.noise
    assert (little.noise, much.noise) == (0.01, 0.05)
    assert 1 > little.survival.all > much.survival.all > 0.3
    assert measure_stability(case.rows, None, seed=0) == result


def test_noise_is_relative_to_the_spread_of_each_column(case: Case) -> None:
    random, raw = np.random.default_rng(0), case.table[case.rows.positions].astype(np.float64)
    random.permutation(len(raw))  # the sample of rows
    tokens = case.tokenizer.encode(raw)
    for result in measure_stability(case.rows, None, seed=0).noise:
        noisy = raw + result.noise * raw_spread(case) * random.standard_normal(raw.shape)
        assert result.survival.all == pytest.approx((case.tokenizer.encode(noisy) == tokens).mean(), abs=1e-9)


def raw_spread(case: Case) -> np.ndarray:
    """The standard deviations of the columns after clipping, of which all are kept."""
    train = case.table[case.tokenizer.checkpoint.split.train].astype(np.float64)
    return np.clip(train, *np.percentile(train, [0.1, 99.9], axis=0)).std(0)


def test_halves_of_realizations_are_means() -> None:
    values = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    halves = halves_of_realizations(values)
    np.testing.assert_array_equal(halves.first, values[:, 0])
    np.testing.assert_array_equal(halves.second, values[:, 1:].mean(1))
    assert (halves.num_realizations, halves.num_columns) == (3, 2)


def test_only_columns_that_are_means_are_halved(rng: np.random.Generator) -> None:
    realizations = rng.standard_normal((40, 4, 3))
    raw = np.column_stack([realizations[:, :, 0].mean(1), realizations[:, :, 1].std(1), realizations[:, :, 2].mean(1)])
    halves = halves_of_aggregates(raw, ["a.mean", "b", "c"], realizations, ["a", "b", "c"])
    assert halves is not None
    assert halves.num_columns == 2
    np.testing.assert_allclose(halves.first[:, 0], realizations[:, :2, 0].mean(1))
    np.testing.assert_allclose(halves.second[:, 2], realizations[:, 2:, 2].mean(1))
    np.testing.assert_array_equal(halves.first[:, 1], raw[:, 1])
    assert halves_of_aggregates(raw, ["x", "y", "z"], realizations, ["a", "b", "c"]) is None


def test_equal_halves_have_equal_tokens(case: Case) -> None:
    raw = case.table[:30]
    halves = halves_of_realizations(np.stack([raw, raw], axis=1))
    result = measure_stability(case.rows, halves, seed=0).realizations
    assert result is not None
    assert (result.survival.all, result.num_operators) == (1, 30)


def test_a_model_has_no_churn_against_itself(case: Case) -> None:
    churn = measure_churn(case.rows, case.rows, "same.pt")
    assert churn.equal_tokens == churn.neighbor_overlap == 1
    assert churn.distance_correlation == pytest.approx(1)
    assert all(category.category == category.other for category in churn.categories)
    assert all(category.agreement == pytest.approx(1) for category in churn.categories)


def test_churn_against_another_model(case: Case) -> None:
    names = list(reversed(NAMES))
    table = case.table[:, ::-1].copy()
    other = make_case(table, random_seed=5, num_categories_auto=2)
    frame = sl.Tokenizer.fit(table, SETTINGS | {"num_categories_auto": 2}, feature_names=names)
    result = sl.evaluate(case.tokenizer, case.table, against=frame, sections=["churn"]).churn
    assert result is not None
    assert result.equal_tokens is None
    assert len(result.categories) == 3
    assert other.rows.spec.num_categories == 2
    agreements = [category.agreement for category in result.categories]
    assert agreements == sorted(agreements)
    one = result.categories[0]
    own = case.tokenizer.encode(case.table[case.rows.positions])
    peer = frame.encode(table[case.rows.positions])
    first = {f"{name}": own[:, 3 * c] for c, name in enumerate(case.tokenizer.categories)}
    second = {f"{name}": peer[:, 3 * c] for c, name in enumerate(frame.categories)}
    assert one.agreement == pytest.approx(adjusted_mutual_info_score(first[one.category], second[one.other]), abs=1e-6)
    columns = set(case.tokenizer.categories[one.category]), set(frame.categories[one.other])
    assert one.common_columns == pytest.approx(len(columns[0] & columns[1]) / len(columns[0] | columns[1]))
