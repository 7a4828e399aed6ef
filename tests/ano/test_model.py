"""A model of a world with a known posterior: predictions, files and resuming."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spinlock as sl
from spinlock.ano.checkpoint.record import ANOCheckpoint
from spinlock.ano.training.plan import NO_DECODER, make_plan
from spinlock.config.ano import ANOConfig
from spinlock.errors import CheckpointError, ConfigError, DataError, OutputError, RunError
from tests.ano.world import (
    INFORMATION,
    POSTERIOR_DEVIATION,
    SMALL,
    World,
    make_world,
    write_world,
)

OPERATORS = 1600


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(OPERATORS)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    return write_world(tmp_path_factory.mktemp("world") / "tokens.h5", world, validation=OPERATORS // 10)


@pytest.fixture(scope="module")
def ano(tokens: Path) -> sl.ANO:
    return sl.ANO.fit(tokens, SMALL)


@pytest.fixture(scope="module")
def new() -> World:
    return make_world(1000, seed=1)


def test_the_family_and_the_posterior_of_new_operators_are_found(ano: sl.ANO, new: World) -> None:
    prediction = ano.predict(new.tokens)
    assert ano.families == prediction.families == ("alpha", "beta")
    assert ano.parameter_names == ("alpha.shift", "alpha.rate", "beta.mass", "beta.kind")
    np.testing.assert_array_equal(prediction.family, new.family)
    alpha = new.family == 0
    assert np.isnan(prediction.median[alpha, 2:]).all()
    median_u = (prediction.median[alpha, 0] + 1) / 3
    errors = torch.special.ndtri(torch.from_numpy(median_u)).numpy() - new.real[alpha, 0]
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(POSTERIOR_DEVIATION, rel=0.1)
    assert np.isin(prediction.median[~alpha, 3], [2, 4, 8]).all()


def test_the_information_and_the_coverage_on_evaluate_operators_are_those_of_the_posterior(ano: sl.ANO) -> None:
    assert ano.metrics["family_accuracy"] == 1
    assert ano.metrics["operators"] == 160
    # one of four parameters is known up to its option only, and the mean of 160 operators has an error of 0.1 bits
    assert 1.5 * INFORMATION < ano.metrics["information_bits"] < 2 * INFORMATION
    for level, found in ano.metrics["coverage"].items():
        assert found == pytest.approx(float(level), abs=0.1)


def test_the_intervals_of_new_operators_cover(ano: sl.ANO, new: World) -> None:
    """1,500 continuous parameters. 160 calibration operators give each level a deviation of 0.03."""
    interval = ano.predict(new.tokens).interval
    for position, level in enumerate((0.5, 0.8, 0.9)):
        inside = [
            (interval[rows, column, position, 0] <= new.physical[rows, column])
            & (new.physical[rows, column] <= interval[rows, column, position, 1])
            for rows, column in ((new.family == 0, 0), (new.family == 0, 1), (new.family == 1, 2))
        ]
        assert np.concatenate(inside).mean() == pytest.approx(level, abs=0.07)


def test_the_intervals_are_nested_and_contain_the_median(ano: sl.ANO, new: World) -> None:
    prediction = ano.predict(new.tokens)
    lower, upper = prediction.interval[:, :2, :, 0], prediction.interval[:, :2, :, 1]
    rows = new.family == 0
    assert (np.diff(lower[rows], axis=2) <= 0).all()
    assert (np.diff(upper[rows], axis=2) >= 0).all()
    median = prediction.median[rows, :2, None]
    assert ((lower[rows] <= median) & (median <= upper[rows])).all()


def test_candidates_are_in_the_order_of_their_probabilities(ano: sl.ANO, new: World) -> None:
    candidates = ano.predict(new.tokens, candidates=4).candidates
    assert candidates.parameters.shape == (1000, 4, 4)
    assert (np.diff(candidates.probability, axis=1) <= 0).all()
    assert (candidates.probability.sum(axis=1) <= 1 + 1e-9).all()
    assert ((candidates.family == -1) == (candidates.probability == 0)).all()
    np.testing.assert_array_equal(candidates.family[:, 0], new.family)


def test_a_file_without_decoder_is_noted_and_a_correspondence_analysis_replaces_it(
    world: World, new: World, tmp_path: Path
) -> None:
    path = write_world(tmp_path / "tokens.h5", world, decoder=False)
    assert make_plan(ANOConfig(tokens_path=path)).notes == (NO_DECODER,)
    ano = sl.ANO.fit(path, SMALL, members=1, epochs=3, embedding_dim=64)
    assert (ano.predict(new.tokens).family == new.family).all()
    assert ano.metrics["information_bits"] > 0.6 * 2 * INFORMATION


def test_samples_are_drawn_from_the_posterior(ano: sl.ANO, new: World) -> None:
    samples = ano.sample(new.tokens[:200], 300)
    alpha = new.family[:200] == 0
    assert (samples.family[alpha] == 0).mean() > 0.99
    z = torch.special.ndtri(torch.from_numpy((samples.parameters[alpha, :, 0] + 1) / 3)).numpy()
    assert np.nanstd(z, axis=1).mean() == pytest.approx(POSTERIOR_DEVIATION, rel=0.15)
    ranks = (z < new.real[:200][alpha, :1]).mean(axis=1)
    assert np.abs(np.sort(ranks) - np.linspace(0, 1, len(ranks))).max() < 0.17  # uniform: Kolmogorov, 0.1 %
    np.testing.assert_array_equal(samples.parameters, ano.sample(new.tokens[:200], 300).parameters)


def test_a_prediction_does_not_depend_on_the_other_rows(ano: sl.ANO, new: World) -> None:
    whole, part = ano.predict(new.tokens), ano.predict(new.tokens[10:13])
    np.testing.assert_allclose(part.median, whole.median[10:13], rtol=1e-5)
    np.testing.assert_allclose(part.family_probability, whole.family_probability[10:13], atol=1e-6)


def test_a_saved_model_loads_with_weights_only_and_predicts_the_same(ano: sl.ANO, new: World, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    ano.save(path)
    assert torch.load(path, weights_only=True)["kind"] == "spinlock-ano"
    restored = sl.ANO.load(path)
    np.testing.assert_array_equal(restored.predict(new.tokens).median, ano.predict(new.tokens).median)
    assert restored.metrics == ano.metrics
    with pytest.raises(OutputError, match="exists already"):
        ano.save(path)


class StopError(Exception):
    pass


def stop_after(member: int, epoch: int) -> Any:
    def on_epoch(record: dict[str, float]) -> None:
        if (record["member"], record["epoch"]) == (member, epoch):
            raise StopError

    return on_epoch


@pytest.mark.parametrize("stop", [(1, 2), (1, 6), (2, 3)])
def test_a_resumed_run_gives_the_same_weights_bit_for_bit(
    ano: sl.ANO, tokens: Path, tmp_path: Path, stop: tuple[int, int]
) -> None:
    output = tmp_path / "run"
    with pytest.raises(StopError):
        sl.ANO.fit(tokens, SMALL, output_dir=output, save=True, on_epoch=stop_after(*stop))
    assert torch.load(output / "last.pt", weights_only=True)["calibration"] is None
    with pytest.raises(CheckpointError, match="not finished"):
        sl.ANO.load(output / "last.pt")
    resumed = sl.ANO.fit(tokens, SMALL, output_dir=output, resume_from=output, save=True)
    assert sorted(path.name for path in output.iterdir()) == ["best_model.pt", "config.yaml", "training_history.json"]
    for one, other in zip(resumed.checkpoint.members, ano.checkpoint.members, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in other)
    assert resumed.checkpoint.history == ano.checkpoint.history
    assert resumed.metrics == ano.metrics


def test_a_run_is_not_resumed_with_other_tokens_or_another_configuration(
    tokens: Path, world: World, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    with pytest.raises(StopError):
        sl.ANO.fit(tokens, SMALL, output_dir=output, save=True, on_epoch=stop_after(1, 1))
    with pytest.raises(CheckpointError, match="hidden_dim"):
        sl.ANO.fit(tokens, SMALL, resume_from=output, hidden_dim=8)
    other = write_world(tmp_path / "other.h5", make_world(400, seed=5))
    with pytest.raises(CheckpointError, match="other tokens"):
        sl.ANO.fit(other, SMALL, resume_from=output)
    linear = write_world(tmp_path / "linear.h5", world, validation=OPERATORS // 10, decoder=False)
    with pytest.raises(CheckpointError, match="another decoder"):
        sl.ANO.fit(linear, SMALL, resume_from=output)
    with pytest.raises(OutputError, match="already contains a run"):
        sl.ANO.fit(tokens, SMALL, output_dir=output, save=True)


def test_a_small_family_is_predicted_by_its_prior(tmp_path: Path) -> None:
    world = make_world(300)
    keep = (world.family == 0) | (np.arange(300) < 80)  # 40 operators of beta
    part = World(*(getattr(world, name)[keep] for name in World.__dataclass_fields__))
    ano = sl.ANO.fit(write_world(tmp_path / "tokens.h5", part), SMALL, members=1)
    assert ano.checkpoint.space.prior_only == (False, True)
    median = ano.predict(part.tokens).median[part.family == 1, 2]
    assert (np.isnan(median)).sum() <= 2  # rows that look like the other family
    np.testing.assert_allclose(median[np.isfinite(median)], 4.0, atol=1e-6)


def test_operators_without_a_parameter_of_their_family_are_used(tmp_path: Path) -> None:
    world = make_world(800)
    world.unit[::4, 1] = world.physical[::4, 1] = np.nan  # half of alpha
    ano = sl.ANO.fit(write_world(tmp_path / "tokens.h5", world), SMALL, members=1)
    assert ano.metrics["information_bits"] > 0.5


def test_a_loss_that_is_not_finite_is_an_error(tokens: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spinlock.ano.training.loop._train_epoch", lambda *arguments: float("nan"))
    with pytest.raises(RunError, match="loss of epoch 1 of member 1 is nan"):
        sl.ANO.fit(tokens, SMALL)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 8), dtype=int), "shape"),
        (np.zeros((3, 9)), "float64"),
        (np.full((1, 9), 2), "token 1 of row 0 is 2"),
    ],
)
def test_tokens_of_another_layout_are_refused(ano: sl.ANO, values: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ano.predict(values)


def test_all_wrong_keys_are_reported() -> None:
    with pytest.raises(ConfigError, match="did you mean hidden_dim"):
        sl.ANO.fit("tokens.h5", {"hiden_dim": 3})
    with pytest.raises(ConfigError, match="remain for fitting"):
        sl.ANO.fit("tokens.h5", validation_fraction=0.5, calibration_fraction=0.4)


def test_a_damaged_file_is_an_error_of_one_line(ano: sl.ANO, tmp_path: Path) -> None:
    raw = ano.checkpoint.to_dict()
    space, widths = raw["space"], raw["calibration"]["widths"]
    for change, message in (
        ({"kind": "spinlock-vqvae"}, "is not an ANO model"),
        ({"format_version": 1}, "format version 1"),
        ({"metrics": 3}, "metrics"),
        ({"metrics": {}}, "metrics has no operators"),
        ({"calibration": raw["calibration"] | {"temperature": 0.0}}, "calibration.temperature is 0"),
        ({"tokens": raw["tokens"] | {"operators": torch.zeros(3, dtype=torch.int64)}}, "tokens.operators"),
        ({"operators": raw["operators"] | {"test": raw["operators"]["train"][:160]}}, "operators are not a split"),
        ({"space": space | {"columns": [[0, 9], [2, 3]]}}, r"space.columns\[0\] has a column that does not exist"),
        ({"space": space | {"scales": [scale | {"values": []} for scale in space["scales"]]}}, "space.scales"),
        ({"space": space | {"columns": [[0], [2, 3]]}}, "network.num_parameters"),
        ({"network": raw["network"] | {"codebook_sizes": [2] * 9}}, "network.codebook_sizes"),
        ({"calibration": raw["calibration"] | {"widths": widths | {"half_widths": [[0.1, 0.2]] * 2}}}, "half_widths"),
        ({"calibration": raw["calibration"] | {"widths": widths | {"half_widths": [[0.1, 0.2, 7]] * 2}}}, "to 7"),
        ({"config": {"epochs": 0}}, "epochs"),
        ({"members": [{}]}, "weights do not fit"),
    ):
        path = tmp_path / "damaged.pt"
        torch.save(raw | change, path)
        with pytest.raises(CheckpointError, match=message) as error:
            sl.ANO.load(path)
        assert "\n" not in str(error.value)
        assert str(path) in str(error.value)


def test_the_checkpoint_is_restored_from_its_content(ano: sl.ANO) -> None:
    raw = ano.checkpoint.to_dict()
    restored = ANOCheckpoint.from_dict(raw, Path("model.pt"))
    assert restored.source == ano.checkpoint.source
    again = restored.to_dict()
    for key in ("config", "space", "network", "provenance", "calibration", "metrics", "history"):
        assert json.dumps(again[key]) == json.dumps(raw[key])
