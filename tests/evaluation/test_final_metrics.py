"""The final metrics against NumPy, and the advice for a missed target."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import rankdata, spearmanr
from sklearn.covariance import LedoitWolf

from spinlock import Tokenizer
from spinlock.evaluation.advice import AdviceContext, advice
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.evaluation.report import targets_of
from spinlock.metrics.targets import Target
from spinlock.model.codec import make_codec
from spinlock.training.run import Run
from spinlock.training.validation import Validator
from tests.metrics.test_topography import trustworthiness_by_definition
from tests.training.runs import config, curved_table, trained_run, write_table_in

CONTEXT = AdviceContext(train_rows=600, validation_rows=60, joint_possible=True, discovered=True, meets_target=True)


def run_with_settings(folder: Path, **settings: Any) -> Run:
    x = curved_table(300)
    table = np.concatenate([x, np.full((300, 1), 7.0), 2 * x[:, :1] + 1], axis=1).astype(np.float32)
    table[:3, 24] = 8.0
    write_table_in(folder, table)
    chosen = {"validation_fraction": 0.3, "max_constant_fraction": 0.98, "normalization_method": "standard"} | settings
    return trained_run(config(folder, epochs=1, **chosen))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_with_settings(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def metrics(run: Run) -> dict[str, Any]:
    return final_metrics(run.best_model(), run.plan.data)


def decoded_prefixes(run: Run) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Validation rows [n, D], their reconstruction from one, two and three levels, and tokens [n, C, 3]."""
    model, rows = run.best_model(), run.plan.data.validation
    with torch.no_grad():
        tokens = make_codec(model).encode(rows).indices
        restored = [model.decode(tokens[..., :count]).double().numpy() for count in (1, 2, 3)]
    return rows.double().numpy(), restored, tokens.numpy()


def explained_variance(rows: np.ndarray, restored: np.ndarray) -> float:
    return float(1 - ((rows - restored) ** 2).sum() / (rows**2).sum())


def test_quality_is_the_explained_variance_and_increases_with_the_levels(run: Run, metrics: dict[str, Any]) -> None:
    rows, restored, _ = decoded_prefixes(run)
    expected = [explained_variance(rows, prefix) for prefix in restored]
    assert metrics["quality_by_level"] == pytest.approx(expected, abs=1e-6)
    assert metrics["reconstruction_quality"] == pytest.approx(expected[2], abs=1e-6)
    assert expected == sorted(expected)


def test_quality_of_each_category_and_of_each_feature(run: Run, metrics: dict[str, Any]) -> None:
    rows, restored, _ = decoded_prefixes(run)
    spec = run.plan.spec
    for name, group in zip(spec.category_names, spec.groups, strict=True):
        expected = explained_variance(rows[:, list(group)], restored[2][:, list(group)])
        assert metrics["quality_by_category"][name] == pytest.approx(expected, abs=1e-6)
    single = [explained_variance(rows[:, j], restored[2][:, j]) for j in range(rows.shape[1])]
    assert list(metrics["quality_by_feature"]) == list(run.plan.data.cleaner.kept_names)
    assert list(metrics["quality_by_feature"].values()) == pytest.approx(single, abs=1e-6)
    assert metrics["quality_macro"] == pytest.approx(np.mean(single), abs=1e-6)


def test_rank_quality_equals_that_of_scipy_ranks_of_the_decoded_rows(run: Run, metrics: dict[str, Any]) -> None:
    data, tokenizer = run.plan.data, Tokenizer(run.checkpoint())
    train, rows = (
        np.asarray(data.table.rows)[side].astype(np.float64) for side in (data.train_rows, data.split.validation)
    )
    restored = tokenizer.decode(tokenizer.encode(rows))
    assert len(train) < 257, "so few training rows that all values are stored"
    error, power = np.zeros((2, 24))
    for i, j in enumerate(data.cleaner.kept.tolist()):
        order, ranks = np.argsort(train[:, j]), (rankdata(train[:, j]) - 0.5) / len(train)
        true, decoded = (np.interp(x[:, j], train[order, j], ranks[order]) for x in (rows, restored))
        error[i], power[i] = np.square(true - decoded).sum(), np.square(true - 0.5).sum()
    assert metrics["rank_quality"] == pytest.approx(1 - error.sum() / power.sum(), abs=1e-6)
    assert list(metrics["rank_quality_by_feature"]) == list(data.cleaner.kept_names)
    assert list(metrics["rank_quality_by_feature"].values()) == pytest.approx(list(1 - error / power), abs=1e-6)


def test_extreme_rows_have_the_largest_shares_of_the_squared_variance(run: Run, metrics: dict[str, Any]) -> None:
    rows, _, _ = decoded_prefixes(run)
    shares = (rows**2).sum(1) / (rows**2).sum()
    largest, extreme = np.argsort(-shares)[:5], metrics["extreme_rows"]
    assert [entry["row"] for entry in extreme["largest"]] == run.plan.data.split.validation[largest].tolist()
    assert [entry["share"] for entry in extreme["largest"]] == pytest.approx(shares[largest].tolist(), abs=1e-6)
    descending = np.sort(shares)[::-1]
    count = extreme["num_rows_of_half"]
    assert descending[:count].sum() >= 0.5 > descending[: count - 1].sum()
    assert extreme["num_rows"] == 90


def test_quality_of_all_columns_includes_dropped_columns(run: Run, metrics: dict[str, Any]) -> None:
    data = run.plan.data
    assert set(data.cleaner.dropped) == {"b4_x", "b4_y"}
    rows, restored, _ = decoded_prefixes(run)
    constant = data.table.rows[data.split.validation, 24].astype(np.float64)
    training = data.table.rows[data.split.train, 24].astype(np.float64)
    limits = np.percentile(training, [0.1, 99.9])
    mean, std = training.clip(*limits).mean(), training.clip(*limits).std()
    z, median = (constant.clip(*limits) - mean) / std, (7.0 - mean) / std
    error = ((rows - restored[2]) ** 2).sum(0)
    lost = error.sum() + error[0] + ((z - median) ** 2).sum()
    power = (rows**2).sum() + (rows[:, 0] ** 2).sum() + (z**2).sum()
    assert metrics["quality_all_columns"] == pytest.approx(1 - lost / power, abs=1e-6)


def test_utilization_and_entropy_of_the_codebooks(run: Run, metrics: dict[str, Any]) -> None:
    _, _, tokens = decoded_prefixes(run)
    sizes = np.array(run.plan.spec.num_codes).ravel()
    columns = tokens.reshape(len(tokens), -1).T
    used = [len(set(column.tolist())) / size for column, size in zip(columns, sizes, strict=True)]
    assert metrics["codebook_utilization"] == pytest.approx(np.mean(used))
    assert metrics["utilization_by_codebook"] == pytest.approx(used)
    assert metrics["utilization_minimum"] == min(used)
    bits = 0.0
    for column in columns:
        share = np.unique(column, return_counts=True)[1] / len(column)
        bits -= (share * np.log2(share)).sum()
    assert metrics["entropy_bits"] == pytest.approx(bits)
    assert metrics["utilization_expected"] == pytest.approx(np.mean(1 - (1 - 1 / sizes) ** len(tokens)))
    assert metrics["utilization_limit"] == pytest.approx(np.mean(np.minimum(1, len(tokens) / sizes)))
    assert metrics["bits_per_sample"] == pytest.approx(np.log2(sizes).sum())


def test_orthogonality_is_the_largest_cosine_of_signed_centroids_on_training_rows(
    run: Run, metrics: dict[str, Any]
) -> None:
    rows = run.plan.data.train.double().numpy()
    centroids = []
    for group in run.plan.spec.groups:
        block = rows[:, list(group)]
        vector = np.linalg.svd(block - block.mean(0), full_matrices=False)[2][0]
        centroids.append((block * np.where(vector < 0, -1, 1)).mean(1))
    cosine = np.abs(np.corrcoef(centroids))[np.triu_indices(len(centroids), 1)]
    assert metrics["inter_category_orthogonality"] == pytest.approx(cosine.max(), abs=1e-6)
    limits = np.percentile(rows, [0.5, 99.5], axis=0)
    clipped = rows.clip(*limits)
    again = []
    for group in run.plan.spec.groups:
        block = (clipped - clipped.mean(0))[:, list(group)] / clipped.std(0)[list(group)]
        vector = np.linalg.svd(block, full_matrices=False)[2][0]
        again.append((block * np.where(vector < 0, -1, 1)).mean(1))
    expected = np.abs(np.corrcoef(again))[np.triu_indices(len(again), 1)].max()
    assert metrics["orthogonality_clipped"] == pytest.approx(expected, rel=1e-6)
    assert metrics["orthogonality_clipped"] != pytest.approx(metrics["inter_category_orthogonality"], rel=1e-3)
    assert metrics["orthogonality_mean"] == pytest.approx(cosine.mean(), abs=1e-6)
    interval = metrics["orthogonality_validation"]
    assert interval["low"] <= interval["value"] * 1.5
    assert interval["low"] < interval["high"]
    assert metrics["orthogonality_noise"] == pytest.approx(1 / math.sqrt(90))
    largest = max(len(group) for group in run.plan.spec.groups)
    assert metrics["largest_category_share"] == pytest.approx(largest / 24)


def test_topography_compares_features_with_quantized_latents(run: Run, metrics: dict[str, Any]) -> None:
    rows, _, tokens = decoded_prefixes(run)
    model = run.best_model()
    with torch.no_grad():
        latents = model.lookup(torch.from_numpy(tokens)).transpose(0, 1).flatten(1).double().numpy()
        embeddings = model(run.plan.data.validation).embeddings.transpose(0, 1).flatten(1).double().numpy()
    near, far = pdist(rows), pdist(latents)
    assert metrics["topographic_correlation"] == pytest.approx(np.corrcoef(near, far)[0, 1], abs=1e-6)
    assert metrics["topographic_spearman"] == pytest.approx(spearmanr(near, far).statistic, abs=1e-6)
    before = np.corrcoef(near, pdist(embeddings))[0, 1]
    assert metrics["topographic_before_quantization"] == pytest.approx(before, abs=1e-6)
    trust, continuity = trustworthiness_by_definition(rows, latents), trustworthiness_by_definition(latents, rows)
    assert metrics["topographic_trustworthiness"] == pytest.approx(trust, abs=1e-6)
    assert metrics["topographic_continuity"] == pytest.approx(continuity, abs=1e-6)


def test_the_gaussian_reference_is_reverse_water_filling_on_a_shrunk_covariance(
    run: Run, metrics: dict[str, Any]
) -> None:
    rows, bits = run.plan.data.train.double().numpy(), metrics["bits_per_sample"]
    assert metrics["rate_distortion_quality"]["ledoit_wolf"] == (len(rows) < 240)
    covariance = LedoitWolf(assume_centered=True).fit(rows).covariance_
    values, vectors = np.linalg.eigh(covariance)
    low, high = 1e-12, values.max()
    for _ in range(200):
        level = math.sqrt(low * high)
        needed = 0.5 * np.log2(np.maximum(values, level) / level).sum()
        low, high = (low, level) if needed < bits else (level, high)
    gaussian = metrics["rate_distortion_quality"]
    assert gaussian["training"] == pytest.approx(1 - np.minimum(values, level).sum() / values.sum(), rel=1e-6)
    variance = ((run.plan.data.validation.double().numpy() @ vectors) ** 2).mean(0)
    held_out = 1 - (np.minimum(1, level / values) * variance).sum() / variance.sum()
    assert gaussian["held_out"] == pytest.approx(held_out, rel=1e-6)
    assert gaussian["block"] < gaussian["held_out"]
    assert gaussian["held_out"] == run.plan.data.gaussian_reference.held_out(bits)
    gap = 10 * math.log10((1 - metrics["reconstruction_quality"]) / (1 - held_out))
    assert metrics["gap_db"] == pytest.approx(gap, abs=1e-6)


def test_a_table_with_many_rows_and_without_dropped_columns_needs_no_corrections(tmp_path: Path) -> None:
    write_table_in(tmp_path, curved_table(300))
    run = trained_run(config(tmp_path, epochs=0))
    metrics = final_metrics(run.best_model(), run.plan.data)
    assert metrics["quality_all_columns"] == pytest.approx(metrics["reconstruction_quality"], rel=1e-6)
    assert not metrics["rate_distortion_quality"]["ledoit_wolf"]


def test_latent_redundancy_equals_the_validation_loss(run: Run, metrics: dict[str, Any]) -> None:
    data = run.plan.data
    expected = Validator(data.validation, data.cleaner, run.plan.config, block=64)(run.best_model()).orthogonality
    assert metrics["latent_redundancy"] == pytest.approx(expected, abs=1e-6)


def test_one_category_has_no_orthogonality(tmp_path: Path) -> None:
    run = run_with_settings(tmp_path, num_categories_auto=1)
    metrics = final_metrics(run.best_model(), run.plan.data)
    assert metrics["inter_category_orthogonality"] is None
    assert metrics["largest_category_share"] == 1.0
    assert metrics["latent_redundancy"] == 0.0
    target = targets_of(metrics)[2]
    assert not target.met
    assert "one category only" in advice(target, metrics, CONTEXT)


def test_quality_of_joint_tokens_uses_the_joint_decoder(tmp_path: Path) -> None:
    run = run_with_settings(tmp_path, assignment="joint")
    metrics = final_metrics(run.best_model(), run.plan.data)
    rows, restored, _ = decoded_prefixes(run)
    assert metrics["reconstruction_quality"] > explained_variance(rows, restored[2])


def test_the_targets_are_the_four_documented_ones(metrics: dict[str, Any]) -> None:
    table = targets_of(metrics)
    assert [(t.metric, t.threshold, t.above) for t in table] == [
        ("reconstruction_quality", 0.90, True),
        ("codebook_utilization", 0.80, True),
        ("inter_category_orthogonality", 0.25, False),
        ("topographic_correlation", 0.85, True),
    ]
    assert [t.value for t in table] == [metrics[t.metric] for t in table]


class TestAdvice:
    METRICS: dict[str, Any] = {  # noqa: RUF012
        "bits_per_sample": 48.0,
        "rate_distortion_quality": {"held_out": 0.95, "block": 0.92},
        "quality_train": 0.85,
        "utilization_expected": 0.7,
        "utilization_limit": 0.9,
        "utilization_train": 0.97,
    }

    def text(self, metric: str, value: float | None, limits: AdviceContext = CONTEXT, **metrics: Any) -> str:
        target = Target(metric, value, 0.5, above=metric != "inter_category_orthogonality")
        text = advice(target, self.METRICS | metrics, limits)
        assert "\n" not in text
        return text

    def test_advice_for_too_few_bits(self) -> None:
        text = self.text("reconstruction_quality", 0.8, rate_distortion_quality={"held_out": 0.87, "block": 0.8})
        assert text.startswith("at 48 bits per row even the Gaussian reference reaches a quality of only 0.87")
        assert "600 training and 60 validation rows allow at most 12 codes" in text

    def test_advice_for_too_few_rows(self) -> None:
        text = self.text("reconstruction_quality", 0.8, quality_train=0.94)
        assert "quality of the training rows is 0.94: 600 rows are too few" in text

    def test_advice_for_a_quality_below_the_gaussian_reference(self) -> None:
        assert "reaches a quality of 0.95 at 48 bits per row; more bits" in self.text("reconstruction_quality", 0.8)

    def test_advice_for_correlations_between_categories_is_joint_assignment(self) -> None:
        references = {"held_out": 0.95, "block": 0.81}
        text = self.text("reconstruction_quality", 0.8, rate_distortion_quality=references)
        assert "quality of 0.95 if all columns are coded together, but 0.81 if each category is coded alone" in text
        assert "assignment: joint" in text
        joint = Target("reconstruction_quality", 0.8, 0.9, above=True)
        assert "joint" not in advice(
            joint, self.METRICS | {"rate_distortion_quality": references}, replace(CONTEXT, joint_possible=False)
        )

    def test_advice_for_utilization_limited_by_few_validation_rows(self) -> None:
        text = self.text("codebook_utilization", 0.6)
        assert "60 validation rows are too few: they are expected to use 0.70" in text
        assert "at most 0.90; training rows use 0.97" in text

    def test_advice_for_unevenly_used_codes(self) -> None:
        text = self.text("codebook_utilization", 0.6, utilization_expected=0.99)
        assert "codes are used unevenly" in text
        assert "60 validation rows would use 0.99 of them" in text

    def test_advice_for_correlated_categories(self) -> None:
        text = self.text("inter_category_orthogonality", 0.4)
        assert "lower orthogonality_target or num_categories_auto" in text

    def test_advice_if_no_partition_is_below_the_orthogonality_target(self) -> None:
        text = self.text("inter_category_orthogonality", 0.4, replace(CONTEXT, meets_target=False))
        assert text.startswith("no partition was found below orthogonality_target")

    def test_advice_for_fixed_categories_names_the_mapping_file(self) -> None:
        manual = replace(CONTEXT, discovered=False, meets_target=False)
        assert "mapping file correlate" in self.text("inter_category_orthogonality", 0.4, manual)
        bits = self.text("reconstruction_quality", 0.8, manual, rate_distortion_quality={"held_out": 0.8, "block": 0.7})
        assert "(a finer mapping file)" in bits
        assert "orthogonality_target" not in bits

    def test_advice_for_a_low_topographic_correlation(self) -> None:
        assert "raise topo_weight" in self.text("topographic_correlation", 0.6)
