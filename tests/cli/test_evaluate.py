"""The command evaluate-tokens."""

import json

import numpy as np

from tests.cli.workspace import NAMES, Workspace, small_table

EVALUATE = ("evaluate-tokens", "--vqvae-model", "run/best_model.pt", "--output", "report", "--dataset")


def test_the_validation_rows_of_the_training_table_are_measured(workspace: Workspace) -> None:
    result = workspace.run_checked(*EVALUATE, "table.h5")
    assert "8 validation rows of the training table were measured" in result.stdout
    assert "measuring: compression" in result.stderr
    assert "measuring: shift" not in result.stderr
    assert "measuring: churn" not in result.stderr
    metrics = json.loads((workspace.path / "report" / "metrics.json").read_text())
    assert metrics["rows"] == "validation"
    assert metrics["setup"]["table"] == "table.h5"
    assert f"rank_quality {metrics['metrics']['rank_quality']:.4f}" in result.stdout
    assert len(metrics["metrics"]["rank_quality_by_feature"]) == len(NAMES)
    assert (workspace.path / "report" / "report.html").read_text().startswith("<!doctype html>")


def test_all_rows_of_another_table_or_a_sample_are_measured(workspace: Workspace) -> None:
    other = workspace.table(np.tile(small_table(seed=1), (2, 1)), NAMES)
    assert "160 rows (all) were measured" in workspace.run_checked(*EVALUATE, other).stdout
    sampled = workspace.run_checked(*EVALUATE, other, "--max-rows", "50", "--overwrite", "--quiet")
    assert "50 rows (sampled) were measured" in sampled.stdout
    assert sampled.stderr == ""
    assert "sample of 50 of the 160 rows" in (workspace.path / "report" / "report.html").read_text()


def test_an_existing_report_and_wrong_options_are_refused(workspace: Workspace) -> None:
    workspace.run_checked(*EVALUATE, "table.h5")
    workspace.attempt(*EVALUATE, "table.h5").check_refused("report/metrics.json", "exists")
    workspace.attempt(*EVALUATE, "table.h5", "--overwrite", "--max-rows", "1").check_refused("--max-rows is 1")
    workspace.attempt(*EVALUATE, "nowhere.h5", "--overwrite").check_refused("nowhere.h5", "no such file")


def test_labels_a_second_dataset_and_another_model_are_measured(workspace: Workspace) -> None:
    families = [f"family {j % 3}" for j in range(80)]
    labeled = workspace.table(small_table(), NAMES, labels={"family": families, "row": np.arange(80) / 7})
    options = ("--compare", "table.h5", "--against", "run/last.pt", "--labels", "family")
    workspace.run_checked(*EVALUATE, labeled, *options)
    metrics = json.loads((workspace.path / "report" / "metrics.json").read_text())
    assert [each["name"] for each in metrics["discriminability"]["attributes"]] == []  # 8 validation rows are too few
    assert metrics["discriminability"]["skipped"] == {"family": "only 8 of the evaluated rows have a value"}
    assert metrics["shift"]["table"] == "table.h5"
    assert metrics["churn"]["model"] == "run/last.pt"
    unknown = (*EVALUATE, labeled, "--overwrite", "--labels", "famly")
    workspace.attempt(*unknown).check_refused("no label or parameter 'famly'", "family", max_lines=6)
