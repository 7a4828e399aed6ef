"""The commands in processes, as users run them: their output, their files, and the invariance of tokens."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spinlock.checkpoint.file import load_checkpoint
from tests.cli.workspace import COLUMNS, NAMES, ROWS, Workspace, small_table
from tests.tables import write_table

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "configs/vqvae/README.md"
SPECIFICATION = Path(__file__).with_name("specification.md")
"""The command blocks of the document that specifies the project, unchanged."""

CONFIG = ("train-vqvae", "--config", "config.json")
MODEL = ("--vqvae-model", "run/best_model.pt")
X = small_table()


def tokens(path: Path) -> NDArray[Any]:
    with h5py.File(path, "r") as file:
        return np.asarray(file["tokens/indices"][()])


def encode(workspace: Workspace, dataset: str, *arguments: str) -> NDArray[Any]:
    output = ("--output", "new.h5", "--overwrite")
    workspace.run_checked("encode-to-tokens", "--dataset", dataset, *MODEL, *output, *arguments)
    return tokens(workspace.path / "new.h5")


@pytest.mark.parametrize("size", [1, 7, 1024])
def test_tokens_do_not_depend_on_the_batch_size(workspace: Workspace, size: int) -> None:
    result = encode(workspace, "table.h5", "--batch-size", str(size))
    assert result.shape == (ROWS, 9)
    np.testing.assert_array_equal(result, tokens(workspace.path / "tokens.h5"))


def test_tokens_do_not_depend_on_the_other_rows(workspace: Workspace) -> None:
    expected = tokens(workspace.path / "tokens.h5")
    assert len(np.unique(expected, axis=0)) > ROWS / 4
    np.testing.assert_array_equal(encode(workspace, workspace.table(X[17:18], NAMES)), expected[17:18])


def test_columns_are_matched_by_name_and_extra_columns_are_ignored(
    workspace: Workspace, rng: np.random.Generator
) -> None:
    order = rng.permutation(COLUMNS + 2)
    wide = np.concatenate([X, rng.standard_normal((ROWS, 2))], axis=1)[:, order]
    names = [[*NAMES, "extra", "more"][j] for j in order]
    result = encode(workspace, workspace.table(wide, names))
    np.testing.assert_array_equal(result, tokens(workspace.path / "tokens.h5"))
    with h5py.File(workspace.path / "new.h5", "r") as file:
        assert file.attrs["extra_columns"] == 2


def test_more_levels_decode_better(workspace: Workspace) -> None:
    errors = []
    for levels in ("1", "2", "3"):
        result = workspace.run_checked(
            "decode-tokens", "--tokens", "tokens.h5", *MODEL, "--output", f"{levels}.h5", "--levels", levels
        )
        assert f"from {levels} of 3 levels" in result.stdout
        with h5py.File(workspace.path / f"{levels}.h5", "r") as file:
            group = file["features/sdf/aggregated"]
            assert group["feature_names"].asstr()[()].tolist() == NAMES
            assert group["features"].dtype == np.float32
            errors.append(float(np.square((group["features"][()] - X) / X.std(0)).mean()))
    assert 1 > errors[0] > 1.1 * errors[1] > 1.1**2 * errors[2]


def test_realizations_keep_their_shape(tmp_path: Path) -> None:
    workspace = Workspace.make(tmp_path, feature_type="per_trajectory", num_categories_auto=2, epochs=0)
    write_table(tmp_path / "table.h5", X[:78].reshape(26, 3, COLUMNS), NAMES, feature_type="per_trajectory")
    workspace.run_checked(*CONFIG)
    assert encode(workspace, "table.h5").shape == (26, 3, 6)
    workspace.run_checked("decode-tokens", "--tokens", "new.h5", *MODEL, "--output", "decoded.h5")
    with h5py.File(tmp_path / "decoded.h5", "r") as file:
        decoded = file["features/sdf/per_trajectory/features"][()]
    assert decoded.shape == (26, 3, COLUMNS)
    assert np.corrcoef(decoded.ravel(), X[:78].ravel())[0, 1] > 0.7
    single = workspace.table(X[:5].reshape(5, 1, COLUMNS), NAMES, feature_type="per_trajectory")
    assert encode(workspace, single).shape == (5, 1, 6)
    sides = torch.load(tmp_path / "run/best_model.pt", weights_only=True)["split"]
    operators = [set((sides[side] // 3).tolist()) for side in ("train", "validation")]
    assert operators[0].isdisjoint(operators[1])


def test_dry_run_prints_the_whole_plan_and_writes_nothing(workspace: Workspace) -> None:
    before = workspace.snapshot()
    result = workspace.run_checked(*CONFIG, "--dry-run")
    assert workspace.snapshot() == before
    assert "run already contains a finished run, which training sets aside" in result.stderr
    metrics = load_checkpoint(workspace.path / "run" / "best_model.pt").metrics  # the same run, finished
    for words in (
        f"Gaussian reference at these bits: {metrics['rate_distortion_quality']['held_out']:.3f}",
        "embedding_dim: 8",
        "Categories",
        "latent dims",
        "codes per level",
        "4/3/2",
        "parameters: ",
        "bits per row: 13.8 in 9 tokens",
        "dead-code resets never occur",
        "early stopping never occurs",
        "optimizer steps: 2",
        "of memory",
        "of training on cpu",
        "nothing was written",
    ):
        assert words in result.stdout, words


def test_dry_run_refuses_bad_input_and_describes_a_resumed_run(workspace: Workspace) -> None:
    before = workspace.snapshot()
    workspace.attempt(*CONFIG, "--dry-run", "--input", "nowhere.h5").check_refused("nowhere.h5", "no such file")
    resumed = workspace.run_checked(*CONFIG, "--dry-run", "--resume-from", "run", "--epochs", "3")
    assert "after epoch 1: 2 epochs remain" in resumed.stdout
    assert workspace.snapshot() == before


def test_a_run_writes_the_documented_files(workspace: Workspace) -> None:
    run = workspace.path / "run"
    assert {path.name for path in run.iterdir()} == {
        "best_model.pt",
        "last.pt",
        "normalization_stats.npz",
        "training_history.json",
        "training_history.jsonl",
        "config.yaml",
    }
    content = torch.load(run / "best_model.pt", weights_only=True)
    groups = content["group_indices"]
    with np.load(run / "normalization_stats.npz") as statistics:
        assert set(statistics) == {f"{name}_{key}" for name in groups for key in ("mean", "std")}
        for name, columns in groups.items():
            np.testing.assert_allclose(statistics[f"{name}_mean"], X[:, columns].mean(0), atol=0.3)
            np.testing.assert_array_equal(statistics[f"{name}_std"], content["normalization_stats"][name]["std"])
    assert sorted(index for columns in groups.values() for index in columns) == list(range(COLUMNS))
    assert content["feature_names"] == NAMES


def test_the_resolved_configuration_reproduces_the_run(workspace: Workspace) -> None:
    workspace.run_checked("train-vqvae", "--config", "run/config.yaml", "--output", "again")
    one, other = (torch.load(workspace.path / run / "best_model.pt", weights_only=True) for run in ("run", "again"))
    assert one["group_indices"] == other["group_indices"]
    for name, weights in one["model_state_dict"].items():
        assert torch.equal(weights, other["model_state_dict"][name]), name


def test_discovered_categories_can_be_used_as_a_mapping_file(workspace: Workspace) -> None:
    result = workspace.run_checked(
        "discover-categories", "--config", "config.json", "--output", "map.json", "--stability", "3"
    )
    assert "adjusted Rand index over 3 bootstrap samples" in result.stdout
    mapping = json.loads((workspace.path / "map.json").read_text())
    assert f"({mapping['_clipped_cosine']:.3f} with columns clipped at their 0.5% and 99.5% quantiles)" in result.stdout
    assert len(mapping["_stability"]["adjusted_rand"]) == 3
    assert set(mapping["_stability"]["column_agreement"]) == set(NAMES)
    named = {name: columns for name, columns in mapping.items() if not name.startswith("_")}
    assert sorted(column for columns in named.values() for column in columns) == sorted(NAMES)

    mapped = ("--set", "category_mapping_file=map.json", "--set", "num_categories_auto=null")
    slow = ("--epochs", "3", "--set", "val_every_n_epochs=2")
    workspace.run_checked(*CONFIG, *mapped, *slow, "--set", "category_assignment=manual", "--output", "manual")
    assert categories(workspace, "manual") == named
    check_history(workspace.path / "manual")

    fixed = next(iter(named))
    workspace.text("map.json", {"mine": named[fixed]})
    workspace.run_checked(
        *CONFIG, *mapped, "--set", "category_assignment=hybrid", "--output", "hybrid", "--epochs", "0"
    )
    hybrid = categories(workspace, "hybrid")
    assert hybrid["mine"] == named[fixed]
    assert len(hybrid) > 1
    assert sorted(column for columns in hybrid.values() for column in columns) == sorted(NAMES)


def categories(workspace: Workspace, run: str) -> dict[str, list[str]]:
    content = torch.load(workspace.path / run / "best_model.pt", weights_only=True)
    return {name: [NAMES[j] for j in columns] for name, columns in content["group_indices"].items()}


def check_history(run: Path) -> None:
    """Check the two history files of a run of three epochs that is validated at epochs 0, 2 and 3."""
    history = json.loads((run / "training_history.json").read_text())
    assert history["epoch"] == [0, 1, 2, 3]
    assert [value is None for value in history["val_quality"]] == [False, True, False, False]
    assert [value is None for value in history["train_total"]] == [True, True, False, False]
    lines = [json.loads(line) for line in (run / "training_history.jsonl").read_text().splitlines()]
    assert lines == [{name: values[epoch] for name, values in history.items()} for epoch in range(4)]


def test_inspect_describes_datasets_checkpoints_and_token_files(workspace: Workspace) -> None:
    dataset = workspace.run_checked("inspect", "table.h5").stdout
    assert f"dataset sdf/aggregated [{ROWS}, {COLUMNS}]" in dataset
    assert "no constant, duplicate or mostly missing columns" in dataset
    model = workspace.run_checked("inspect", "run/last.pt").stdout
    for words in ("format 1:", "trained to epoch 1 of 1", "reconstruction_quality", "train-vqvae --config config.json"):
        assert words in model
    result = workspace.run_checked("inspect", "tokens.h5").stdout
    assert "split: 72 train, 8 validation" in result


def test_inspect_shows_one_row_of_a_token_file(workspace: Workspace) -> None:
    row = ("inspect", "tokens.h5", "--row", "3")
    plain = workspace.run_checked(*row).stdout.splitlines()
    codes = [int(code) for line in plain if " of " in line for code in re.findall(r"(\d+) of \d+", line)]
    assert codes == tokens(workspace.path / "tokens.h5")[3].tolist()
    assert plain[1].startswith("row 3: operator 3, train")
    title = plain.index(next(line for line in plain if line.startswith("nearest rows by different tokens")))
    assert len(plain[title + 2 : -1]) == 10
    described = workspace.run_checked(*row, "--vqvae-model", "run/best_model.pt").stdout
    for words in ("decoded features that deviate most", "3 levels\n", "nearest rows by quantized latents; the mean"):
        assert words in described
    workspace.attempt("inspect", "tokens.h5", "--vqvae-model", "run/best_model.pt").check_refused("add --row")
    workspace.attempt("inspect", "table.h5", "--row", "3", "--vqvae-model", "run/best_model.pt").check_refused(
        "table.h5: is not a token file", "encode-to-tokens"
    )
    workspace.attempt(*row, "--vqvae-model", "table.h5").check_refused("table.h5")


def test_inspect_prints_the_targets_of_a_finished_run_only(workspace: Workspace) -> None:
    table = workspace.run_checked("inspect", "run/best_model.pt", "--targets").stdout.splitlines()
    assert [line.split()[0] for line in table[1:5]] == [
        "reconstruction_quality",
        "codebook_utilization",
        "inter_category_orthogonality",
        "topographic_correlation",
    ]
    assert [line.split()[0] for line in table[5:7]] == ["rank_quality", "orthogonality_clipped"]
    content = torch.load(workspace.path / "run" / "best_model.pt", weights_only=True)
    content["metrics"]["rank_quality"] = content["metrics"]["reconstruction_quality"] - 0.11
    content["metrics"]["extreme_rows"] |= {"num_rows": 400, "num_rows_of_half": 7}
    torch.save(content, workspace.path / "extreme.pt")
    for options in ((), ("--targets",)):
        shown = workspace.run_checked("inspect", "extreme.pt", *options).stdout
        (line,) = (line for line in shown.splitlines() if "is dominated by a few extreme rows" in line)
        row = content["metrics"]["extreme_rows"]["largest"][0]
        assert f"the largest shares in the rows {row['row']} ({row['share']:.1%})," in line
    del content["metrics"]["reconstruction_quality"]
    torch.save(content, workspace.path / "half.pt")
    result = workspace.run("inspect", "half.pt", "--targets")
    assert result.returncode == 1
    assert "half.pt: the training run is not finished" in result.stderr
    assert "training is not finished" in workspace.run_checked("inspect", "half.pt").stdout


def test_inspect_lists_the_content_of_other_hdf5_files(workspace: Workspace) -> None:
    with h5py.File(workspace.path / "foreign.h5", "w") as file:
        file.create_dataset("tokens", (10, 4), "i4").attrs["vocabulary"] = "words"
        file.create_dataset("runs/large", (10**9, 300), "f8", chunks=(1000, 300))
        file["dangling\x1b[2J"] = h5py.ExternalLink("/etc/hostname", "/x")
    before = workspace.snapshot()
    assert workspace.run_checked("inspect", "foreign.h5").stdout.splitlines() == [
        "HDF5 file with neither features nor tokens; its content:",
        "/: group of 3 entries",
        "/dangling\\x1b[2J: external link to /x of the file /etc/hostname",
        "/runs: group of 1 entry",
        "/tokens: dataset (10, 4) int32",
        "    vocabulary: words",
        "/runs/large: dataset (1000000000, 300) float64",
    ]
    workspace.attempt("inspect", "foreign.h5", "--row", "0").check_refused("neither features nor tokens", "omit --row")
    workspace.attempt("inspect", "foreign.h5", "--targets").check_refused("has no targets")
    workspace.attempt(
        "encode-to-tokens", "--vqvae-model", "run/best_model.pt", "--output", "new.h5", "--dataset", "foreign.h5"
    ).check_refused("no group /features")
    workspace.attempt("train-vqvae", "--config", "config.json", "--input", "foreign.h5").check_refused("/features")
    assert workspace.snapshot() == before


def test_inspect_names_faulty_columns(workspace: Workspace) -> None:
    x = X.copy()
    x[:, 1], x[:, 2], x[5, 4], x[:50, 5] = 3, x[:, 3], np.nan, np.inf
    result = workspace.run_checked("inspect", workspace.table(x, NAMES)).stdout
    assert "missing cells: 51 in 2 columns, 50 rows" in result
    for name, reason in ((NAMES[1], "constant"), (NAMES[3], NAMES[2]), (NAMES[5], "missing")):
        assert re.search(rf"^{name} .*{reason}", result, re.MULTILINE), (name, result)


def test_training_handles_values_near_the_limit_of_float32(workspace: Workspace) -> None:
    x = X * (3e38 / np.abs(X).max())
    workspace.run_checked(*CONFIG, "--input", workspace.table(x.astype(np.float32), NAMES), "--output", "large")
    one, other = (
        torch.load(workspace.path / run / "best_model.pt", weights_only=True)["metrics"]["reconstruction_quality"]
        for run in ("run", "large")
    )
    assert other == pytest.approx(one, abs=0.05)


def command_blocks(path: Path) -> list[str]:
    """The bash blocks of a document, in order."""
    return re.findall(r"^ *```bash\n(.*?)^ *```", path.read_text(), re.MULTILINE | re.DOTALL)


POETRY = """#!/bin/sh
test "$1 $2" = "run spinlock" || exit 9
shift 2
test "$1" = train-vqvae && set -- "$@" {short}
exec "{python}" -m spinlock "$@"
"""
"""A program ``poetry`` that shortens the training."""

SHORT = ("val_every_n_epochs=1", "early_stopping_patience=1", "early_stopping_min_delta=10", "embedding_dim=8")


def test_our_page_contains_the_command_blocks_of_the_specification() -> None:
    assert command_blocks(README) == command_blocks(SPECIFICATION)


def test_the_command_blocks_of_the_specification_succeed_one_after_another(tmp_path: Path) -> None:
    workspace = Workspace.make(tmp_path)
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs")
    (tmp_path / "datasets").mkdir()
    for name in ("test_4k_phase1_phase2", "benchmark_50k"):
        shutil.copy(tmp_path / "table.h5", tmp_path / "datasets" / f"{name}.h5")
    (tmp_path / "bin").mkdir()
    poetry = tmp_path / "bin" / "poetry"
    short = " ".join(f"--set {setting}" for setting in SHORT)
    poetry.write_text(POETRY.format(python=sys.executable, short=short))
    poetry.chmod(0o755)
    environment = workspace.environment | {"PATH": f"{poetry.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    printed = []
    for block in command_blocks(SPECIFICATION):
        command = ["bash", "-e", "-c", block]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, (block, result.stderr)
        printed.append(result.stderr)
    runs = tmp_path / "checkpoints" / "vqvae"
    assert {path.name for path in runs.iterdir()} == {
        *("production_4k", "production_4k.1", "production_4k.2", "production_50k")
    }
    kept = "the finished run in the output directory is kept as checkpoints/vqvae/production_4k"
    lines = [line for text in printed for line in text.splitlines() if line.startswith(kept)]
    assert lines == [f"{kept}.1", f"{kept}.2"]
    epochs = {path.name: torch.load(path / "last.pt", weights_only=True)["config"]["epochs"] for path in runs.iterdir()}
    assert epochs == {"production_4k": 410, "production_4k.1": 410, "production_4k.2": 500, "production_50k": 410}
    assert tokens(tmp_path / "datasets/test_4k_tokens.h5").shape[0] == ROWS
    assert not list(tmp_path.rglob(".spinlock-*"))


def test_a_table_in_another_unit_is_encoded_with_a_warning_and_refused_with_strict(workspace: Workspace) -> None:
    dataset = workspace.table(100 * small_table(), NAMES)
    arguments = ("encode-to-tokens", "--dataset", dataset, "--vqvae-model", "run/best_model.pt", "--output", "new.h5")
    result = workspace.run_checked(*arguments)
    (warning,) = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert "another unit?" in warning
    assert warning.removeprefix("warning: ") in workspace.run_checked("inspect", "new.h5").stdout
    (workspace.path / "new.h5").unlink()
    attempt = workspace.attempt(*arguments, "--strict")
    attempt.check_refused("another unit?", "without --strict")
