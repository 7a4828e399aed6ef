"""Evaluation of a trained ANO: which operators are measured, the files, the page, and wrong input."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import spinlock as sl
from spinlock.ano.evaluation.result import ANOEvaluation
from spinlock.closed_loop.agreement import Agreement
from spinlock.closed_loop.loop import BEST_DRAW, BEST_MODE, MEAN_DRAW, OTHER_STATES, REFERENCE, ClosedLoop
from spinlock.errors import DataError
from spinlock.plots.ano.page import ano_page
from tests.ano.world import INFORMATION, SMALL, joined, make_world, write_world
from tests.cli.workspace import Workspace
from tests.evaluation.conftest import SETTINGS
from tests.plots.pages import REQUESTS, Structure, check_in_browser
from tests.tables import write_table

DOCUMENT = Path(__file__).parents[2] / "docs" / "ano.md"
NAMES = tuple(f"spectral.feature_{j}" for j in range(12))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, its tokenizer, its tokens, and an ANO that was trained on them."""
    path, world, rng = tmp_path_factory.mktemp("evaluation"), make_world(600), np.random.default_rng(0)
    hidden = np.concatenate([world.real, 2.0 * world.family[:, None]], axis=1)
    rows = np.tile(hidden, 4) @ np.diag(rng.uniform(0.5, 2, 12)) + 0.3 * rng.standard_normal((600, 12))
    write_world(path / "world.h5", world)
    write_table(path / "dataset.h5", rows.astype(np.float32), NAMES)
    with h5py.File(path / "dataset.h5", "r+") as dataset, h5py.File(path / "world.h5") as source:
        for name in ("labels", "parameters"):
            if name in dataset:
                del dataset[name]
            source.copy(name, dataset)
    tokenizer = sl.Tokenizer.fit(sl.read_features(path / "dataset.h5"), SETTINGS)
    tokenizer.save(path / "tokenizer.pt")
    tokenizer.encode_file(path / "dataset.h5", path / "tokens.h5")
    sl.ANO.fit(path / "tokens.h5", SMALL, members=1).save(path / "ano.pt")
    return path


AGREEMENT = Agreement(0.5, 0.02, {"level 0": 0.6, "level 1": 0.5, "level 2": 0.4}, {"kind": 0.5}, 0.7, 0.0)
ARMS = (BEST_MODE, MEAN_DRAW, BEST_DRAW, OTHER_STATES, REFERENCE)
LOOP = ClosedLoop(
    operators={"pde": 4, "neural": 1},
    agreement={kind: dict.fromkeys(ARMS, AGREEMENT) for kind in ("pde", "neural")},
    families={name: dict.fromkeys(ARMS, 0.5) for name in ("alpha", "beta")},
    seed=0,
)


@pytest.fixture(scope="module")
def result(folder: Path) -> ANOEvaluation:
    evaluation = sl.evaluate_ano(
        folder / "ano.pt", folder / "tokens.h5", dataset=folder / "dataset.h5", tokenizer=folder / "tokenizer.pt"
    )
    return evaluation.with_closed_loop(asdict(LOOP), LOOP.gap, LOOP.note)


@pytest.fixture(scope="module")
def page(result: ANOEvaluation) -> str:
    return ano_page(result, LOOP)


def test_the_closed_loop_has_a_target(result: ANOEvaluation) -> None:
    assert result.targets[-1].metric == "closed_loop_gap"
    assert (result.targets[-1].value, result.targets[-1].met) == (0.0, True)
    assert "closed_loop_gap" not in result.advice
    worse = replace(AGREEMENT, equal_tokens=0.44)
    loop = replace(LOOP, agreement={"pde": LOOP.agreement["pde"] | {OTHER_STATES: worse}})
    missed = result.with_closed_loop(asdict(loop), loop.gap, loop.note)
    assert missed.targets[-1].value == pytest.approx(0.06)
    assert not missed.targets[-1].met
    assert "4 PDE operators have 50.0% equal tokens" in missed.advice["closed_loop_gap"]
    no_pde = replace(LOOP, agreement={"neural": LOOP.agreement["neural"]})
    assert no_pde.gap is None
    assert missed.with_closed_loop({}, None, no_pde.note).advice["closed_loop_gap"] == "no PDE operator was simulated"


def keys(values: object) -> set[str]:
    """All keys of nested dictionaries that are names of attributes."""
    if isinstance(values, dict):
        return {key for key in values if re.fullmatch("[a-z_0-9]+", key)}.union(*map(keys, values.values()))
    return set().union(*map(keys, values)) if isinstance(values, list) else set()


def test_the_evaluate_operators_of_the_training_file_are_measured(folder: Path, result: ANOEvaluation) -> None:
    split = sl.ANO.load(folder / "ano.pt").checkpoint.split
    assert result.setup.same_tokens
    assert result.setup.num_excluded == 600 - len(split.test)
    assert result.setup.num_operators == len(split.test) == sum(result.families.operators)
    assert result.skipped == {}
    assert result.information is not None
    assert [stage.name for stage in result.information.stages] == ["raw features", "decoded features", "tokens", "ANO"]
    raw, decoded, *_ = (stage.bits for stage in result.information.stages)
    assert raw > decoded > 0
    assert result.baselines is not None
    assert len(result.baselines.methods) == 3


def test_metrics_equal_those_of_the_training(folder: Path, result: ANOEvaluation) -> None:
    metrics = sl.ANO.load(folder / "ano.pt").metrics
    assert result.families.accuracy == metrics["family_accuracy"]
    assert result.families.ece == pytest.approx(metrics["family_ece"])
    assert result.information is not None
    assert result.information.bits("ANO") == pytest.approx(metrics["information_bits"], abs=0.1)  # drawn coordinates


def test_operators_of_the_training_are_recognized_in_another_file(tmp_path: Path) -> None:
    """They are left out although their tokens and their order are others."""
    ano = sl.ANO.fit(write_world(tmp_path / "tokens.h5", make_world(600)), SMALL, members=1)
    split = ano.checkpoint.split
    both = joined(make_world(600), make_world(100, seed=1))
    both.tokens[:, 1] = 0
    order = np.random.default_rng(0).permutation(700)
    found = sl.evaluate_ano(ano, write_world(tmp_path / "both.h5", both[order]))
    assert not found.setup.same_tokens
    assert found.setup.num_operators == len(split.test) + 100
    assert found.setup.num_excluded == 600 - len(split.test)
    with pytest.raises(DataError, match="the model was fitted on these operators, all 420 of them"):
        sl.evaluate_ano(ano, write_world(tmp_path / "fit.h5", make_world(600)[split.train]))


def test_all_operators_of_another_file_are_measured(tmp_path: Path) -> None:
    ano = sl.ANO.fit(write_world(tmp_path / "tokens.h5", make_world(1200)), SMALL, members=1)
    other = write_world(tmp_path / "other.h5", make_world(500, seed=1))
    found = sl.evaluate_ano(ano, other)
    assert (found.setup.num_operators, found.setup.num_excluded, found.families.accuracy) == (500, 0, 1.0)
    assert found.information is found.baselines is None
    assert "not trained on this token file" in found.skipped["information"]
    for level, fraction in found.parameters.coverage.items():
        assert fraction.value == pytest.approx(float(level), abs=0.06)
    alpha = [each for each in found.parameters.parameters if each.family == "alpha"]
    assert {each.name for each in alpha} == {"shift", "rate"}
    assert min(each.r2 for each in alpha) > 0.6  # the tokens have 1.1 bits about each
    assert INFORMATION > 1
    text = Structure(ano_page(found)).text
    assert "500 operators of another token file" in text
    assert "2 were not measured" in text


def test_without_the_tokenizer_the_section_says_so(folder: Path) -> None:
    found = sl.evaluate_ano(folder / "ano.pt", folder / "tokens.h5")
    assert found.information is not None
    assert [stage.name for stage in found.information.stages] == ["tokens", "ANO"]
    assert set(found.skipped) == {"raw features", "decoded features"}
    assert "Decoded features: not measured, because the tokenizer was not given" in Structure(ano_page(found)).text


def test_the_result_depends_on_the_seed_only(folder: Path, result: ANOEvaluation) -> None:
    again = sl.evaluate_ano(folder / "ano.pt", folder / "tokens.h5")
    once = sl.evaluate_ano(folder / "ano.pt", folder / "tokens.h5")
    assert again.to_json() == once.to_json()
    assert again.calibration == result.calibration


def test_every_key_of_the_metrics_is_documented(result: ANOEvaluation) -> None:
    content = json.loads(result.to_json())
    documented = DOCUMENT.read_text()
    names = keys(content) - set(content["setup"]["versions"]) - {"alpha", "beta", "kind", "pde", "neural"}
    for section in ("recall", "coverage_by_family"):
        names -= set(content["families"].get(section, content["parameters"].get(section)))
    names -= {each["name"] for each in content["parameters"]["parameters"]}
    assert not {name for name in names if f"`{name}`" not in documented}


def test_the_page_is_well_formed_and_makes_no_request(page: str, result: ANOEvaluation) -> None:
    structure = Structure(page)
    assert structure.tags.count("h1") == 1
    assert {"families", "parameters", "calibration", "information", "baselines", "closed-loop"} <= set(structure.ids)
    assert len(structure.ids) == len(set(structure.ids))
    assert {link[1:] for link in structure.links} <= set(structure.ids)
    assert REQUESTS.search(page) is None
    assert not re.search(r"https?://(?!www\.w3\.org/)", page)
    assert "var(--blue)" in page.partition("</style>")[2]
    assert f"{result.setup.num_operators} test operators" in structure.text
    assert "The best modes of 4 PDE operators" in structure.text
    for text in result.advice.values():
        assert f"{text[:1].upper()}{text[1:]}." in structure.text


def test_the_page_opens_in_a_browser(page: str, tmp_path: Path) -> None:
    check_in_browser(page, tmp_path)


def test_another_dataset_and_another_tokenizer_are_refused(folder: Path, tmp_path: Path) -> None:
    with h5py.File(folder / "dataset.h5") as source, h5py.File(tmp_path / "other.h5", "w") as target:
        for name in source:
            source.copy(name, target)
        table = target["features/sdf/aggregated/features"]
        table[:] = table[:][::-1]
    both = {"tokenizer": folder / "tokenizer.pt", "dataset": tmp_path / "other.h5"}
    with pytest.raises(DataError, match="its rows have other tokens"):
        sl.evaluate_ano(folder / "ano.pt", folder / "tokens.h5", **both)
    other = sl.Tokenizer.fit(sl.read_features(tmp_path / "other.h5"), SETTINGS, random_seed=5)
    with pytest.raises(DataError, match="is the tokenizer"):
        sl.evaluate_ano(folder / "ano.pt", folder / "tokens.h5", tokenizer=other)


def test_a_tokenizer_of_another_type_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="tokenizer is of the type int; expected a Tokenizer, or its path"):
        sl.evaluate_ano(folder / "ano.pt", folder / "tokens.h5", tokenizer=5)  # type: ignore[arg-type]


def test_unknown_families_and_other_ranges_are_refused(folder: Path, tmp_path: Path) -> None:
    content = (folder / "tokens.h5").read_bytes()
    (tmp_path / "family.h5").write_bytes(content)
    with h5py.File(tmp_path / "family.h5", "r+") as file:
        file["labels/family"][3] = "gamma"
    with pytest.raises(DataError, match="operators of the family gamma"):
        sl.evaluate_ano(folder / "ano.pt", tmp_path / "family.h5")
    (tmp_path / "range.h5").write_bytes(content)
    with h5py.File(tmp_path / "range.h5", "r+") as file:
        file["parameters/physical"][:, 0] *= 2
    with pytest.raises(DataError, match=r"the values of alpha\.shift do not follow"):
        sl.evaluate_ano(folder / "ano.pt", tmp_path / "range.h5")


def test_the_command_writes_both_files(folder: Path) -> None:
    space = Workspace(folder)
    evaluate = ("evaluate-ano", "--ano-model", "ano.pt", "--tokens", "tokens.h5", "--output", "report")
    printed = space.run_checked(*evaluate).stdout
    assert "60 test operators of the training were measured" in printed
    assert "report: report/report.html" in printed
    assert sorted(path.name for path in (folder / "report").iterdir()) == ["metrics.json", "report.html"]
    metrics = json.loads((folder / "report/metrics.json").read_text())
    assert metrics["format_version"] == 1
    assert metrics["targets"][0]["metric"] == "family_accuracy"
    space.attempt(*evaluate).check_refused("report/metrics.json", "--overwrite")
    space.attempt(*evaluate[:-1], "new", "--dataset", "dataset.h5").check_refused("--dataset", "--vqvae-model")
    space.attempt(*evaluate[:-1], "new", "--seed", "-1").check_refused("--seed is -1")
