"""Snapshots of a dataset: which operators and frames are chosen, and that they are the frames of the rollouts."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spinlock.errors import ConfigError, OutputError
from spinlock.generation.blocks import plan_blocks
from spinlock.generation.budget import disk_bytes, memory_bytes
from spinlock.generation.design import make_design
from spinlock.generation.generate import generate
from spinlock.generation.snapshots import choose_operators, choose_steps, snapshot_bytes
from spinlock.io.snapshots import Snapshots, read_snapshot_layout, read_snapshots
from tests.generation.settings import small_config
from tests.generation.test_generate import Recorder, dataset_bytes


def read(path: Path) -> Snapshots:
    snapshots = read_snapshots(path)
    assert snapshots is not None
    return snapshots


def chosen_families(count: int, **changes: Any) -> dict[str, int]:
    """Return the number of chosen operators of each family, after a check of their order."""
    operators = make_design(small_config(**changes)).operators
    chosen = choose_operators(operators, count)
    assert len(chosen) == count
    assert np.all(np.diff(chosen) > 0)
    families = [operators.strata[number].family for number in operators.stratum[chosen]]
    return {family: families.count(family) for family in sorted(set(families))}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("snapshots") / "d.h5"
    generate(small_config(save_fields=7), path)
    return path


def test_snapshots_are_frames_of_the_first_realization(dataset: Path, tmp_path: Path) -> None:
    generate(small_config(store_trajectories=True), tmp_path / "all.h5")
    snapshots = read(dataset)
    with h5py.File(tmp_path / "all.h5") as file:
        fields = file["outputs/fields"][:, 0]
        channels = file["metadata/channels"][()]
    assert snapshots.fields.shape == (7, 4, 2, 16, 16)
    np.testing.assert_array_equal(snapshots.fields, fields[snapshots.operators][:, [0, 1, 3, 4]])
    present = np.isfinite(snapshots.fields).all((1, 3, 4))
    np.testing.assert_array_equal(present, np.arange(2) < channels[snapshots.operators, None])


def test_all_other_data_are_those_without_snapshots(dataset: Path, tmp_path: Path) -> None:
    generate(small_config(), tmp_path / "d.h5")
    content = dataset_bytes(dataset)
    names = {name for name in content if name.startswith("snapshots/")}
    assert names == {"snapshots/fields", "snapshots/operators", "snapshots/steps"}
    assert {name: values for name, values in content.items() if name not in names} == dataset_bytes(tmp_path / "d.h5")


@pytest.mark.parametrize("batch_size", [1, 48])
def test_an_interrupted_run_resumes_to_the_same_snapshots(dataset: Path, batch_size: int, tmp_path: Path) -> None:
    config = small_config(save_fields=7, batch_size=batch_size)
    with pytest.raises(KeyboardInterrupt):
        generate(config, tmp_path / "d.h5", callback=Recorder(stop_after=2))
    generate(config, tmp_path / "d.h5", resume=True)
    assert dataset_bytes(tmp_path / "d.h5") == dataset_bytes(dataset)


def test_a_dataset_that_is_older_than_the_key_is_complete_without_snapshots(tmp_path: Path) -> None:
    generate(small_config(num_samples=4), tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5", "a") as file:
        file.attrs["configuration"] = file.attrs["configuration"].replace("save_fields: 0\n", "")
    assert generate(small_config(num_samples=4), tmp_path / "d.h5", resume=True).was_complete
    with pytest.raises(OutputError, match="generated from another configuration"):
        generate(small_config(num_samples=4, save_fields=2), tmp_path / "d.h5", resume=True)


def test_the_keyword_is_that_of_the_configuration(dataset: Path, tmp_path: Path) -> None:
    generate(small_config(), tmp_path / "d.h5", save_fields=7)
    assert dataset_bytes(tmp_path / "d.h5") == dataset_bytes(dataset)
    with pytest.raises(ConfigError, match="fields of 25 operators cannot be saved, because there are 24"):
        generate(small_config(), tmp_path / "more.h5", save_fields=25)


def test_a_diverged_run_repeats_its_last_valid_frame(tmp_path: Path) -> None:
    config = small_config(
        neural_fraction=1.0,
        families=[],
        neural_policies=["residual"],
        neural_step=[40.0, 80.0],
        blow_up_bound=30,
        save_fields=24,
    )
    generate(config, tmp_path / "d.h5")
    snapshots = read(tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        blow_up = file["metadata/blow_up"][:, 0]
    assert np.abs(snapshots.fields).max() <= 30
    repeated = (snapshots.fields[:, -1] == snapshots.fields[:, -2]).all((1, 2, 3))
    early = (blow_up > 0) & (blow_up <= config.warmup_steps + snapshots.steps[-2])
    assert early.sum() > 3
    assert repeated[early].all()


@pytest.mark.parametrize("count", [2, 4, 8, 12])
def test_families_appear_although_the_stride_is_a_multiple_of_their_cycle(count: int) -> None:
    shares = chosen_families(count, num_samples=48, neural_fraction=0)
    assert shares == {"advection_diffusion": count // 2, "gray_scott": count // 2}


def test_families_alternate_along_the_dataset() -> None:
    operators = make_design(small_config(num_samples=48, neural_fraction=0)).operators
    assert np.histogram(choose_operators(operators, 2), bins=2, range=(0, 48))[0].tolist() == [1, 1]


def test_a_rare_family_appears_and_the_others_have_proportional_shares() -> None:
    shares = chosen_families(40, num_samples=400, neural_fraction=0.01)
    assert shares["neural"] == 1
    assert sorted(shares.values()) == [1, 19, 20]
    assert chosen_families(3, num_samples=400, neural_fraction=0.01) == dict.fromkeys(shares, 1)


def test_operators_of_all_policies_and_parts_of_the_dataset_are_chosen() -> None:
    config = small_config(num_samples=600, neural_fraction=0.5)
    operators = make_design(config).operators
    chosen = choose_operators(operators, 60)
    assert {operators.strata[number].policy for number in operators.stratum[chosen]} == {
        "",
        "autoregressive",
        "residual",
        "convex",
    }
    assert np.histogram(chosen, bins=6, range=(0, 600))[0] == pytest.approx(10, abs=3)


def test_all_operators_can_be_chosen() -> None:
    operators = make_design(small_config()).operators
    np.testing.assert_array_equal(choose_operators(operators, 24), np.arange(24))
    assert len(choose_operators(operators, 0)) == 0


def test_frames_are_evenly_spaced_from_the_first_to_the_last() -> None:
    assert choose_steps(64).tolist() == [0, 21, 42, 63]
    assert choose_steps(3).tolist() == [0, 1, 2]
    assert choose_steps(1).tolist() == [0]


def test_snapshots_count_in_the_budgets(dataset: Path) -> None:
    plain, config = small_config(), small_config(save_fields=7)
    operators = make_design(config).operators
    assert snapshot_bytes(operators, config) == read(dataset).fields.nbytes
    assert disk_bytes(operators, config) - disk_bytes(operators, plain) == pytest.approx(
        2.2 * read(dataset).fields.nbytes, abs=1
    )
    blocks = plan_blocks(operators, "cpu")
    assert memory_bytes(blocks, config, 2) - memory_bytes(blocks, plain, 2) == 2 * read(dataset).fields.nbytes


def test_the_layout_is_read_without_the_fields(dataset: Path, tmp_path: Path) -> None:
    layout = read_snapshot_layout(dataset)
    assert layout is not None
    assert layout.shape == (7, 4, 2, 16, 16)
    assert (layout.operators.tolist(), layout.steps.tolist()) == (read(dataset).operators.tolist(), [0, 1, 3, 4])
    generate(small_config(num_samples=4), tmp_path / "d.h5")
    assert read_snapshot_layout(tmp_path / "d.h5") is None
