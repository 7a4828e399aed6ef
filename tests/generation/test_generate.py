"""Whole runs on the smallest configuration: what the file holds, and that nothing but seed and number decides it."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from spinlock.config import DatasetConfig
from spinlock.errors import OutputError, RunError
from spinlock.features.extract import feature_names
from spinlock.generation.blocks import Block
from spinlock.generation.budget import check_disk, disk_bytes
from spinlock.generation.design import operators_of
from spinlock.generation.generate import Generated, generate
from spinlock.io.features import open_features
from spinlock.runtime.process_group import ProcessGroup
from tests.generation.settings import small


class Watch:
    """An observer that may stop the run after so many blocks."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.found: list[int] = []
        self.computed_blocks: list[int] = []

    def planned(self, blocks: Sequence[Block], done: Sequence[Block], share: ProcessGroup) -> None:
        self.found = [block.number for block in done]

    def computed(self, block: Block) -> None:
        self.computed_blocks.append(block.number)
        if len(self.computed_blocks) == self.stop_after:
            raise KeyboardInterrupt

    def waiting(self) -> None: ...

    def joining(self) -> None: ...


def made(config: DatasetConfig, path: Path, **options: bool) -> Generated:
    result = generate(config, path, Watch(), **options)
    assert result is not None
    return result


def contents(path: Path, first: int | None = None) -> dict[str, bytes]:
    """The bytes of every dataset of a file, of its first operators where these are counted."""
    found: dict[str, bytes] = {}

    def visit(name: str, node: h5py.Dataset | h5py.Group) -> None:
        if isinstance(node, h5py.Dataset):
            per_operator = name.startswith(("features/", "labels/", "metadata/", "outputs/", "parameters/p"))
            rows = node[:first] if per_operator and not name.endswith("feature_names") else node[()]
            found[name] = repr(rows.tolist()).encode() if rows.dtype == object else rows.tobytes()

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "d.h5"
    made(small(store_trajectories=True), path)
    return path


def test_the_file_holds_what_the_layout_says(whole: Path) -> None:
    config, operators = small(), operators_of(small())
    names = feature_names(with_probes=True)
    with h5py.File(whole) as file:
        for kind, inner in (("aggregated", ()), ("per_trajectory", (2,)), ("per_timestep", (5,))):
            columns = getattr(names, kind)
            assert file[f"features/sdf/{kind}/features"].shape == (24, *inner, len(columns))
            assert file[f"features/sdf/{kind}/feature_names"].asstr()[()].tolist() == list(columns)
            assert np.isfinite(file[f"features/sdf/{kind}/features"]).all()
        unit, physical = operators.tables()
        np.testing.assert_array_equal(file["parameters/params"], unit)
        np.testing.assert_array_equal(file["parameters/physical"], physical)
        assert file["parameters/names"].asstr()[()].tolist() == list(operators.parameter_names)
        families = [operators.strata[number].family for number in operators.stratum]
        assert file["labels/family"].asstr()[()].tolist() == families
        assert set(file["labels/initial_condition"].asstr()[()]) <= set(config.initial_conditions)
        assert file["outputs/fields"].shape == (24, 2, 5, 2, 16, 16)
        channels = file["metadata/channels"][()]
        present = np.isfinite(file["outputs/fields"]).all((1, 2, 4, 5))
        np.testing.assert_array_equal(present, np.arange(2) < channels[:, None])
        assert file["metadata/blow_up"].shape == (24, 2)


def test_no_parts_are_left(whole: Path) -> None:
    assert [path.name for path in whole.parent.iterdir()] == ["d.h5"]


def test_the_table_can_be_opened_as_any_other(whole: Path) -> None:
    with open_features(whole) as source:
        assert source.labels() == ("family", "initial_condition", "policy")
        assert source.num_rows == 24


def test_a_smaller_dataset_is_the_beginning_of_a_larger_one(whole: Path, tmp_path: Path) -> None:
    made(small(num_samples=11, store_trajectories=True), tmp_path / "d.h5")
    assert contents(tmp_path / "d.h5") == contents(whole, first=11)


@pytest.mark.parametrize("batch_size", [1, 48])
def test_the_batch_size_changes_no_byte(whole: Path, batch_size: int, tmp_path: Path) -> None:
    made(small(store_trajectories=True, batch_size=batch_size), tmp_path / "d.h5")
    assert contents(tmp_path / "d.h5") == contents(whole)


def test_an_interrupted_run_goes_on_where_it_stopped(whole: Path, tmp_path: Path) -> None:
    config = small(store_trajectories=True, batch_size=1)
    first, second = Watch(stop_after=2), Watch()
    with pytest.raises(KeyboardInterrupt):
        generate(config, tmp_path / "d.h5", first)
    assert not (tmp_path / "d.h5").exists()
    with pytest.raises(OutputError, match=r"an unfinished run is there, 2 blocks of it done.*--resume"):
        generate(config, tmp_path / "d.h5", Watch())
    assert generate(config, tmp_path / "d.h5", second, resume=True) is not None
    assert second.found == first.computed_blocks
    assert not set(second.computed_blocks) & set(first.computed_blocks)
    assert contents(tmp_path / "d.h5") == contents(whole)


def test_parts_of_another_configuration_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        generate(small(), tmp_path / "d.h5", Watch(stop_after=1))
    with pytest.raises(OutputError, match="the unfinished run differs: num_steps was 5, is 6"):
        generate(small(num_steps=6), tmp_path / "d.h5", Watch(), resume=True)
    assert made(small(num_steps=6), tmp_path / "d.h5", overwrite=True).operators.count == 24


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        generate(small(), tmp_path / "d.h5", Watch(stop_after=1))
    part = next((tmp_path / "d.h5.shards").glob("block-*.npz"))
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(Exception, match=f"{part.name}: cannot be read; delete that file"):
        generate(small(), tmp_path / "d.h5", Watch(), resume=True)


def test_diverged_runs_are_kept_and_marked(tmp_path: Path) -> None:
    config = small(
        neural_share=1.0, families=[], neural_policies=["residual"], neural_step=[40.0, 80.0], blow_up_bound=30
    )
    result = made(config, tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        blow_up = file["metadata/blow_up"][()]
        assert result.diverged == (blow_up > 0).any(1).sum() == file["metadata/diverged"][()].sum() > 5
        assert blow_up.max() <= 5
        assert np.isfinite(file["features/sdf/aggregated/features"]).all()


def test_too_little_room_is_said_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"not enough room: .* GB are free; expected .* GB"):
        generate(small(num_samples=100_000, num_steps=60_000), tmp_path / "d.h5", Watch())
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_is_too_small_is_said_before_the_start(tmp_path: Path) -> None:
    config = small(num_samples=2, num_steps=20_000, grid_size=512, num_realizations=100)
    with pytest.raises(RunError, match=r"not enough memory: .* GB on cpu; expected about .* GB for"):
        generate(config, tmp_path / "d.h5", Watch())
    assert list(tmp_path.iterdir()) == []


def test_what_is_on_disk_already_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, operators = small(), operators_of(small())
    room = disk_bytes(config, operators) - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=room))
    check_disk(config, operators, tmp_path / "d.h5", there=1)
    with pytest.raises(OutputError, match="not enough room"):
        check_disk(config, operators, tmp_path / "d.h5")


def test_networks_alone_keep_their_one_channel(tmp_path: Path) -> None:
    made(small(num_samples=4, families=[], neural_share=1.0, store_trajectories=True), tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        assert file["outputs/fields"].shape == (4, 2, 5, 1, 16, 16)
        assert np.isfinite(file["outputs/fields"]).all()


def test_starts_beyond_the_bound_are_marked_and_described(tmp_path: Path) -> None:
    made(small(num_samples=8, initial_amplitude=[1e5, 1e6], families=["advection_diffusion"]), tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        assert (file["metadata/blow_up"][()] == 1).all()
        assert np.isfinite(file["features/sdf/aggregated/features"]).all()


def test_files_of_others_beside_the_parts_stay(tmp_path: Path) -> None:
    parts = tmp_path / "d.h5.shards"
    parts.mkdir()
    (parts / "mine.txt").write_text("precious")
    made(small(num_samples=4), tmp_path / "d.h5", overwrite=True)
    assert [path.name for path in parts.iterdir()] == ["mine.txt"]
