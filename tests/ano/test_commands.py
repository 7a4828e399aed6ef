"""The commands train-ano and predict-operators."""

import json
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import spinlock as sl
from tests.ano.world import FAMILIES, SMALL, make_world, write_world
from tests.cli.workspace import Workspace, printed_command

TRAIN = ("train-ano", "--config", "ano.json", "--tokens", "tokens.h5", "--output", "run")
PREDICT = ("predict-operators", "--ano-model", "run/best_model.pt", "--tokens", "tokens.h5", "--output", "operators.h5")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with tokens, a configuration and a trained model."""
    path = tmp_path_factory.mktemp("ano")
    write_world(path / "tokens.h5", make_world(400), validation=40)
    (path / "ano.json").write_text(json.dumps(SMALL | {"epochs": 2}))
    workspace = Workspace(path)
    result = workspace.run_checked(*TRAIN)
    (path / "train.txt").write_text(result.stdout + result.stderr)
    return workspace


def test_training_prints_the_plan_and_the_metrics(space: Workspace) -> None:
    text = (space.path / "train.txt").read_text()
    for words in (
        "operators: train 280, validation 40, calibration 40, test 40",
        "shift, rate",
        "on 40 test operators: family accuracy",
        "coverage of the intervals, all parameters together: 50%",
        "member 2, 2 epochs",
        "written: run/best_model.pt",
    ):
        assert words in text, words
    assert sorted(p.name for p in (space.path / "run").iterdir()) == [
        "best_model.pt",
        "config.yaml",
        "training_history.json",
    ]
    history = json.loads((space.path / "run/training_history.json").read_text())
    assert [(record["member"], record["epoch"]) for record in history] == [(m, e) for m in (1, 2) for e in range(3)]
    assert torch.load(space.path / "run/best_model.pt", weights_only=True)["format_version"] == 4


def test_a_dry_run_prints_the_plan_and_writes_nothing(space: Workspace) -> None:
    before = space.snapshot()
    result = space.run_checked(*TRAIN[:-1], "elsewhere", "--dry-run")
    assert "operators: train 280" in result.stdout
    assert "test operators" not in result.stdout
    assert space.snapshot() == before


def test_the_file_of_predictions_has_the_documented_layout(space: Workspace) -> None:
    result = space.run_checked(*PREDICT, "--samples", "7", "--candidates", "3", "--overwrite")
    assert "predicted 400 rows" in result.stdout
    with h5py.File(space.path / "operators.h5") as file:
        shapes = {}
        file.visititems(lambda name, node: shapes.update({name: node.shape}) if hasattr(node, "shape") else None)
        family = [text.decode() for text in file["predictions/family"][:]]
        truth = [text.decode() for text in file["labels/family"][:]]
        probability = file["predictions/family_probability"][:]
        interval = file["predictions/interval"][:]
        assert file["predictions/levels"][:].tolist() == [0.5, 0.8, 0.9]
        assert file.attrs["format"] == "spinlock-predictions"
    expected = {
        "predictions/family": (400,),
        "predictions/family_names": (2,),
        "predictions/family_probability": (400, 2),
        "predictions/names": (4,),
        "predictions/median": (400, 4),
        "predictions/levels": (3,),
        "predictions/interval": (400, 4, 3, 2),
        "candidates/family": (400, 3),
        "candidates/probability": (400, 3),
        "candidates/parameters": (400, 3, 4),
        "samples/family": (400, 7),
        "samples/parameters": (400, 7, 4),
    }
    assert expected.items() <= shapes.items()
    assert {"parameters/physical", "labels/family"} <= shapes.keys()
    assert family == [FAMILIES[index] for index in probability.argmax(axis=1)]
    assert np.mean(np.array(family) == truth) > 0.95
    assert (interval[..., 0] <= interval[..., 1])[np.isfinite(interval[..., 0])].all()


def test_inspect_describes_a_model_and_its_predictions(space: Workspace) -> None:
    text = space.run_checked("inspect", "run/best_model.pt").stdout
    for words in (
        "ANO model: 2 families, 9 token columns, 2 members",
        "tokens: 400 operators (train 280, validation 40, calibration 40, test 40)",
        "on 40 test operators: family accuracy",
    ):
        assert words in text, words
    space.run_checked(*PREDICT, "--candidates", "3", "--overwrite")
    assert "predictions of 400 operators" in space.run_checked("inspect", "operators.h5").stdout
    row = space.run_checked("inspect", "operators.h5", "--row", "7").stdout
    with h5py.File(space.path / "operators.h5") as file:
        family = file["predictions/family"].asstr()[7]
        names = file["predictions/names"].asstr()[()].tolist()
        medians = dict(zip(names, file["predictions/median"][7], strict=True))
    assert f"most probable families {family} " in row
    for name, median in medians.items():
        assert (name in row) == np.isfinite(median)
        assert not np.isfinite(median) or f"{median:.4g}" in row
    space.attempt("inspect", "operators.h5", "--row", "400").check_refused("--row is 400", "0 to 399")
    space.attempt("inspect", "run/best_model.pt", "--targets").check_refused("has no targets")


def test_the_samples_of_the_command_are_those_of_the_model(space: Workspace) -> None:
    space.run_checked(*PREDICT, "--samples", "3", "--seed", "5", "--overwrite")
    ano = sl.ANO.load(space.path / "run/best_model.pt")
    expected = ano.sample(space.path / "tokens.h5", 3, seed=5)
    with h5py.File(space.path / "operators.h5") as file:
        np.testing.assert_array_equal(file["samples/family"][()], expected.family)
        np.testing.assert_allclose(file["samples/parameters"][()], expected.parameters, rtol=1e-12)


def test_a_dry_run_checks_the_run_to_resume(space: Workspace) -> None:
    space.attempt(*TRAIN, "--dry-run", "--resume-from", "nowhere").check_refused("nowhere")


def test_a_run_that_stops_after_each_epoch_gives_equal_weights(space: Workspace) -> None:
    limited = (*TRAIN[:-1], "limited", "--max-time", "0.00001", "--set", "save_every=100")
    stopped = space.run(*limited)
    for member, epoch in ((1, 1), (1, 2), (2, 1), (2, 2)):
        assert stopped.returncode == 130
        where = f"stopped after epoch {epoch} of member {member}"
        assert f"{where}: the time limit of 0.0006 s is reached; the state is saved" in stopped.stderr
        assert sorted(path.name for path in (space.path / "limited").iterdir()) == ["last.pt"]
        stopped = space.run(*shlex.split(printed_command(stopped.stderr))[1:])
    assert stopped.returncode == 0
    one, other = (torch.load(space.path / run / "best_model.pt", weights_only=True) for run in ("run", "limited"))
    for first, second in zip(one["members"], other["members"], strict=True):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
    space.attempt(*limited[:6], "new", "--max-time", "0").check_refused(
        "--max-time is 0.0, expected a finite number of minutes above 0"
    )


def test_tokens_of_another_tokenizer_are_refused(space: Workspace) -> None:
    write_world(space.path / "other.h5", make_world(20), sha256="b" * 64)
    predict = ("predict-operators", "--ano-model", "run/best_model.pt", "--tokens", "other.h5", "--output", "new.h5")
    space.attempt(*predict).check_refused("other.h5", "tokenizer bbbbbbbbbbbb", "expected tokenizer aaaaaaaaaaaa")


def test_unknown_families_are_refused(space: Workspace) -> None:
    path = write_world(space.path / "unknown.h5", make_world(20))
    with h5py.File(path, "r+") as file:
        file["labels/family"][3] = "gamma"
    predict = ("predict-operators", "--ano-model", "run/best_model.pt", "--tokens", "unknown.h5", "--output", "new.h5")
    space.attempt(*predict).check_refused("1 operators have the family gamma", "alpha, beta")


@pytest.mark.parametrize(
    ("removed", "words"),
    [
        ("parameters", ("/parameters/params: is missing, or has another shape", "spinlock generate")),
        ("labels", ("no label /labels/family",)),
        ("tokens/indices", ("/tokens/indices",)),
    ],
)
def test_an_incomplete_token_file_is_refused(space: Workspace, removed: str, words: tuple[str, ...]) -> None:
    path = write_world(space.path / f"without_{Path(removed).name}.h5", make_world(100))
    with h5py.File(path, "r+") as file:
        del file[removed]
    train = ("train-ano", "--config", "ano.json", "--tokens", path.name, "--output", "new")
    space.attempt(*train).check_refused(path.name, *words)


def test_other_bad_input_is_refused_before_any_work(space: Workspace) -> None:
    space.attempt(*TRAIN).check_refused("run: already contains a run", "--overwrite")
    space.attempt(*TRAIN[:-1], "new", "--set", "hiden_dim=3").check_refused("did you mean hidden_dim?")
    space.attempt(*TRAIN[:-1], "new", "--tokens", "nowhere.h5").check_refused("nowhere.h5: no such file")
    space.attempt(*TRAIN[:-1], "new", "--resume-from", "run").check_refused("contains no last.pt")
    space.attempt(*TRAIN[:-1], "new", "--resume-from", "run/best_model.pt").check_refused(
        "is a finished run", max_lines=30
    )
    space.attempt(*PREDICT[:3], *PREDICT[3:-1], "new.h5", "--samples", "-1").check_refused("--samples is -1")
    model = ("predict-operators", "--ano-model", "ano.json", "--tokens", "tokens.h5", "--output", "new.h5")
    space.attempt(*model).check_refused("ano.json: is truncated, damaged or not a checkpoint", "train-ano")
    few = write_world(space.path / "few.h5", make_world(30))
    space.attempt("train-ano", "--config", "ano.json", "--tokens", few.name, "--output", "new").check_refused(
        "operators are in the part", "encode more operators"
    )
