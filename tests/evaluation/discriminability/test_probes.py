"""Probes against scikit-learn, and mutual information of labels that are known functions of tokens."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from spinlock.evaluation.discriminability.attributes import Attribute, make_attribute
from spinlock.evaluation.discriminability.information import category_information
from spinlock.evaluation.discriminability.leaks import determining_columns
from spinlock.evaluation.discriminability.probes import RIDGE_STRENGTHS, one_hot, operator_folds, probe
from spinlock.evaluation.discriminability.section import measure_discriminability
from spinlock.evaluation.reference import KnownRows, known_rows
from tests.evaluation.conftest import Case


def attribute(values: np.ndarray) -> Attribute:
    made = make_attribute("label", values)
    assert isinstance(made, Attribute), made
    return made


def folds_of(case: Case) -> PredefinedSplit:
    random = np.random.default_rng(3)
    random.permutation(len(case.rows))  # the sample of rows
    return PredefinedSplit(operator_folds(case.rows.operators, random))


def scores(case: Case, label: Attribute) -> dict[tuple[str, str], float]:
    return {(each.representation, each.method): each.score for each in probe(case.rows, label, seed=3)[1]}


def test_scores_of_classes_are_those_of_scikit_learn(case: Case) -> None:
    label = attribute((case.rows.z_scores[:, 0] > 0).astype(int) + (case.rows.z_scores[:, 4] > 0.5))
    measured, split, codes = scores(case, label), folds_of(case), label.codes
    sizes = [size for sizes in case.rows.spec.num_codes for size in sizes]
    columns = one_hot(case.rows.flat_tokens, sizes)
    for name, points in (("features", case.rows.z_scores), ("tokens", columns)):
        predicted = cross_val_predict(RidgeClassifierCV(RIDGE_STRENGTHS), points, codes, cv=split)
        assert measured[name, "linear"] == pytest.approx((predicted == codes).mean(), abs=1e-6)
    for name, points, metric in (
        ("decoded features", case.rows.decoded[-1], "euclidean"),
        ("tokens", case.rows.flat_tokens, "hamming"),
    ):
        nearest = KNeighborsClassifier(5, metric=metric, algorithm="brute")
        predicted = cross_val_predict(nearest, points, codes, cv=split)
        assert measured[name, "nearest neighbors"] == pytest.approx((predicted == codes).mean(), abs=1e-6)


def test_scores_of_numbers_are_fractions_of_variance(case: Case) -> None:
    values = case.rows.z_scores[:, 2].astype(np.float64)
    label, split = attribute(values), folds_of(case)
    measured = scores(case, label)
    means = cross_val_predict(DummyRegressor(), values[:, None], values, cv=split)  # of the rows of each fit
    sizes = [size for sizes in case.rows.spec.num_codes for size in sizes]
    for name, points, columns, metric in (
        ("features", case.rows.z_scores, case.rows.z_scores, "euclidean"),
        ("decoded features", case.rows.decoded[-1], case.rows.decoded[-1], "euclidean"),
        ("tokens", case.rows.flat_tokens, one_hot(case.rows.flat_tokens, sizes), "hamming"),
    ):
        for method, estimator, inputs in (
            ("linear", RidgeCV(RIDGE_STRENGTHS), columns),
            ("nearest neighbors", KNeighborsRegressor(5, metric=metric, algorithm="brute"), points),
        ):
            predicted = cross_val_predict(estimator, inputs, values, cv=split)
            expected = 1 - np.square(values - predicted).sum() / np.square(values - means).sum()
            assert measured[name, method] == pytest.approx(expected, abs=1e-6)
    assert measured["features", "linear"] > 0.95


def test_folds_keep_operators_together(rng: np.random.Generator) -> None:
    operators = np.repeat(np.arange(20), 3)
    folds = operator_folds(operators, rng)
    assert set(folds) == set(range(5))
    assert all(len(set(folds[operators == operator])) == 1 for operator in range(20))


def test_a_label_of_the_operator_does_not_leak_between_its_rows(case: Case, rng: np.random.Generator) -> None:
    """Rows of one operator are copies with a random label: only a probe that saw the operator could know it."""
    count = len(case.rows)
    first = np.arange(count) // 4 * 4
    rows = replace(
        case.rows,
        operators=first,
        z_scores=case.rows.z_scores[first],
        tokens=case.rows.tokens[first],
        decoded=tuple(each[first] for each in case.rows.decoded),
    )
    label = attribute(rng.integers(2, size=count)[first])
    for each in probe(rows, label, seed=0)[1]:
        assert each.score < 0.9  # it would be 1


def test_unrelated_labels_are_at_chance(case: Case, rng: np.random.Generator) -> None:
    label = attribute(rng.integers(2, size=len(case.rows)))
    chance, probes = probe(case.rows, label, seed=0)
    assert chance == pytest.approx(0.5, abs=0.12)
    for each in probes:
        assert each.score == pytest.approx(chance, abs=0.25)


def test_a_token_that_is_the_label_has_all_of_its_information(case: Case) -> None:
    known = known_rows(case.rows, case.reference)
    label = attribute(known.tokens[:, 1, 0])
    result = category_information(known, label, seed=0)
    name = known.category_names[1]
    bits = mutual_info_score(known.tokens[:, 1, 0], known.tokens[:, 1, 0]) / np.log(2)
    assert result[name].by_token[0].bits == pytest.approx(bits, abs=1e-6)
    assert result[name].adjusted == pytest.approx(1)
    assert result[name].normalized == pytest.approx(1)
    assert result[name].by_token[0].is_significant


def test_information_is_that_of_scikit_learn(case: Case) -> None:
    known = known_rows(case.rows, case.reference)
    table = np.concatenate([case.table[case.rows.positions], case.table[case.reference.operators]])
    label = attribute((table[:, 0] > 0).astype(int))
    for c, (_, result) in enumerate(category_information(known, label, seed=0).items()):
        for level in range(3):
            tokens = known.tokens[:, c, level]
            expected = mutual_info_score(label.codes, tokens) / np.log(2)
            assert result.by_token[level].bits == pytest.approx(expected, abs=1e-6)
            _, prefix = np.unique(known.tokens[:, c, : level + 1], axis=0, return_inverse=True)
            expected = mutual_info_score(label.codes, prefix.ravel()) / np.log(2)
            assert result.cumulative[level].bits == pytest.approx(expected, abs=1e-6)
        expected = normalized_mutual_info_score(label.codes, known.tokens[:, c, 0])
        assert result.normalized == pytest.approx(expected, abs=1e-6)


def test_permuted_labels_have_the_information_of_chance(rng: np.random.Generator) -> None:
    """The mean mutual information of independent variables is about (K - 1) (L - 1) / (2 n ln 2)."""
    tokens = rng.integers(8, size=(3000, 1, 3))
    known = KnownRows(("a",), tokens, np.arange(3000))
    result = category_information(known, attribute(rng.integers(5, size=3000)), seed=0)["a"]
    assert result.by_token[0].null == pytest.approx(7 * 4 / (2 * 3000 * np.log(2)), rel=0.25)
    assert result.adjusted < 0.01


def test_permutations_keep_the_rows_of_an_operator_together(rng: np.random.Generator) -> None:
    """A token that is the operator says much about any label of the operators, also about an unrelated one."""
    operators = np.repeat(np.arange(12), rng.integers(20, 60, size=12))
    tokens = np.repeat(operators[:, None, None], 3, axis=2)
    label = attribute(rng.integers(3, size=12)[operators])
    first = category_information(KnownRows(("a",), tokens, operators), label, seed=0)["a"].by_token[0]
    assert first.bits > 0.5
    assert first.null > 0.8 * first.bits
    assert not first.is_significant


def test_a_leaked_label_names_its_column(case: Case) -> None:
    raw = case.rows.raw.copy()
    numbers = raw[:, 3].astype(np.float64) * 2 - 1
    assert determining_columns(case.rows, attribute(numbers)) == (case.tokenizer.feature_names[3],)
    classes = np.digitize(raw[:, 6], np.quantile(raw[:, 6], [0.3, 0.6]))
    assert determining_columns(case.rows, attribute(classes)) == (case.tokenizer.feature_names[6],)


def test_leaks_of_other_forms_are_found(case: Case, rng: np.random.Generator) -> None:
    raw, names = case.rows.raw.copy(), case.tokenizer.feature_names
    assert determining_columns(case.rows, attribute(np.exp(-raw[:, 3].astype(np.float64)))) == (names[3],)
    codes = rng.integers(3, size=len(raw))
    raw[:, 5] = codes
    raw[::4, 5] = np.nan
    label = attribute(codes)
    assert determining_columns(replace(case.rows, raw=raw), label) == (names[5],)
    raw[:, [2, 7, 9]] = np.eye(3)[codes]
    raw[:, 5] = 0
    assert set(determining_columns(replace(case.rows, raw=raw), label)) == {names[2], names[7], names[9]}


def test_a_wrong_label_hides_no_leak(case: Case) -> None:
    raw = np.tile(case.rows.raw, (4, 1))
    codes = np.digitize(raw[:, 6], np.quantile(raw[:, 6], [0.3, 0.6]))
    codes[0] = (codes[0] + 1) % 3
    rows = replace(case.rows, raw=raw)
    assert determining_columns(rows, attribute(codes)) == (case.tokenizer.feature_names[6],)


@pytest.mark.parametrize("positive", [1, 2])
def test_a_rare_class_at_the_end_of_a_column_is_chance(case: Case, positive: int) -> None:
    codes = np.zeros(len(case.rows), dtype=int)
    codes[np.argsort(case.rows.raw[:, 4])[:positive]] = 1
    label = replace(attribute(np.arange(len(codes)) % 2), codes=codes)
    assert determining_columns(case.rows, label) == ()


def test_an_ordinary_label_is_not_a_leak(case: Case, rng: np.random.Generator) -> None:
    numbers = case.rows.raw[:, 3] + 0.1 * rng.standard_normal(len(case.rows))
    assert determining_columns(case.rows, attribute(numbers.astype(np.float64))) == ()
    assert determining_columns(case.rows, attribute(rng.integers(3, size=len(case.rows)))) == ()


def test_a_column_whose_values_two_classes_share_is_not_a_leak(case: Case) -> None:
    raw = case.rows.raw.copy()
    raw[:] = 0
    raw[:, 1] = np.arange(len(raw)) // (len(raw) // 2)
    codes = np.arange(len(raw)) // (len(raw) // 3)
    rows = replace(case.rows, raw=raw)
    assert determining_columns(rows, attribute(codes.clip(0, 2))) == ()


def test_the_section_has_a_result_for_each_attribute(case: Case) -> None:
    known = known_rows(case.rows, case.reference)
    labels = [attribute(known.tokens[:, 0, 0]), replace(attribute(known.tokens[:, 1, 0]), name="second")]
    result = measure_discriminability(case.rows, known, labels, {"third": "reason"}, seed=0)
    assert [each.name for each in result.attributes] == ["label", "second"]
    assert result.attributes[0].num_rows == len(case.rows)
    assert result.attributes[0].score("tokens", "linear") > 0.9
    assert (result.skipped, result.num_known_rows) == ({"third": "reason"}, 240)
