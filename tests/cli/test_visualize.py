"""The command visualize-codebooks."""

import shlex

import h5py
import numpy as np
import pyarrow.parquet

from tests.cli.workspace import NAMES, Workspace, small_table

VISUALIZE = ("visualize-codebooks", "--vqvae-model", "run/best_model.pt", "--output", "report", "--dataset")
WITHOUT = """
import runpy
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name in {missing!r} else find(name, *rest))
runpy.run_module("spinlock", run_name="__main__", alter_sys=True)
"""


def without(*missing: str) -> tuple[str, str]:
    """The program in an environment that lacks packages."""
    return "-c", WITHOUT.format(missing=missing)


def test_a_page_pictures_and_points_are_written(workspace: Workspace) -> None:
    families = [f"family {j % 3}" for j in range(80)]
    labeled = workspace.table(small_table(), NAMES, labels={"family": families})
    folder = workspace.path / "report"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "tsne_old.png").write_text("earlier")
    workspace.attempt(*VISUALIZE, labeled).check_refused("report/pictures/tsne_old.png", "exists")
    result = workspace.run(*VISUALIZE, labeled, "--overwrite", program=without("umap"))
    assert "report/pictures also has 1 files that this run did not write: tsne_old.png" in result.stderr
    assert result.returncode == 0, result.stderr
    assert "measuring: t-SNE" in result.stderr
    assert "codes are used by 80 rows" in result.stdout
    assert "umap-learn is not installed: pip install 'spinlock[umap]'" in result.stdout
    assert (folder / "codebooks.html").read_text().startswith("<!doctype html>")
    assert (folder / "pictures" / "tsne_label_family.png").read_bytes().startswith(b"\x89PNG")
    points = pyarrow.parquet.read_table(folder / "points.parquet")
    assert points.num_rows == 80
    assert points["label/family"].to_pylist() == families
    assert {"id", "row", "operator", "tsne_x", "tsne_y", "neighbors"} <= set(points.column_names)
    neighbors = points["neighbors"].to_pylist()
    assert all(len(each["ids"]) == len(each["distances"]) == 10 for each in neighbors)
    rows = (small_table() - small_table().mean(0)) / small_table().std(0)
    nearest = [int(np.argsort(np.linalg.norm(rows - row, axis=1))[1]) for row in rows]
    assert np.mean([each["ids"][0] == j for each, j in zip(neighbors, nearest, strict=True)]) > 0.9
    command = shlex.split(result.stdout.partition("explore: ")[2])
    assert command[:2] == ["embedding-atlas", "report/points.parquet"]
    assert set(command[3::2]) <= set(points.column_names)


def test_without_pyarrow_there_is_no_parquet_file(workspace: Workspace) -> None:
    result = workspace.run(*VISUALIZE, "table.h5", "--quiet", program=without("umap", "pyarrow"))
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "pyarrow is not installed: pip install 'spinlock[parquet]'" in result.stdout
    assert not (workspace.path / "report" / "points.parquet").exists()
    assert (workspace.path / "report" / "codebooks.html").exists()


def test_wrong_options_and_an_existing_page_are_refused(workspace: Workspace) -> None:
    (workspace.path / "report").mkdir()
    (workspace.path / "report" / "codebooks.html").write_text("mine")
    workspace.attempt(*VISUALIZE, "table.h5").check_refused("report/codebooks.html", "exists")
    workspace.attempt(*VISUALIZE, "table.h5", "--max-map-rows", "1").check_refused("--max-map-rows is 1")
    workspace.attempt(*VISUALIZE, "nowhere.h5", "--overwrite").check_refused("nowhere.h5", "no such file")
    unknown = (*VISUALIZE, "table.h5", "--overwrite", "--labels", "family")
    workspace.attempt(*unknown).check_refused("no label or parameter 'family'")


def test_snapshots_of_operators_beyond_the_table_are_refused(workspace: Workspace) -> None:
    with h5py.File(workspace.path / "table.h5", "a") as file:
        file["snapshots/fields"] = np.zeros((2, 1, 1, 4, 4), dtype=np.float32)
        file["snapshots/operators"] = [3, 80]
        file["snapshots/steps"] = [0]
    workspace.attempt(*VISUALIZE, "table.h5").check_refused("/snapshots/operators", "contains operator 80", "0 to 79")
