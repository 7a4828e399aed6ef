"""Generation of small datasets: layout of the file, reproducibility, resuming, errors."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from spinlock.config import dump_config
from spinlock.errors import ConfigError, OutputError, RunError
from spinlock.features.extract import feature_names
from spinlock.generation.blocks import Block, plan_blocks
from spinlock.generation.budget import check_disk, disk_bytes, memory_bytes
from spinlock.generation.callbacks import GenerationCallback
from spinlock.generation.design import make_design
from spinlock.generation.generate import GenerationResult, generate
from spinlock.generation.plan import plan_generation
from spinlock.io.features import open_features
from spinlock.runtime.process_group import ProcessGroup
from spinlock.sharding import Shard
from tests.generation.settings import small_config


class Recorder(GenerationCallback):
    """Records the calls, and optionally interrupts the run after a number of blocks."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.finished_before: list[int] = []
        self.computed: list[int] = []
        self.events: list[str] = []

    def on_start(self, blocks: Sequence[Block], finished: Sequence[Block], group: ProcessGroup) -> None:
        self.events.append(f"start {len(blocks)} {group.world_size}")
        self.finished_before = [block.number for block in finished]

    def on_block(self, block: Block) -> None:
        self.computed.append(block.number)
        if len(self.computed) == self.stop_after:
            raise KeyboardInterrupt

    def on_wait(self) -> None:
        self.events.append("wait")

    def on_merge(self) -> None:
        self.events.append("merge")

    def on_end(self, result: GenerationResult) -> None:
        self.events.append(f"end {result.num_computed}")


def dataset_bytes(path: Path, first: int | None = None) -> dict[str, bytes]:
    """{name: bytes} of the datasets of a file. ``first`` limits datasets with a row per operator to the first rows."""
    content: dict[str, bytes] = {}

    def visit(name: str, node: h5py.Dataset | h5py.Group) -> None:
        if isinstance(node, h5py.Dataset):
            per_operator = name.startswith(("features/", "labels/", "metadata/", "outputs/", "parameters/p"))
            rows = node[:first] if per_operator and not name.endswith("feature_names") else node[()]
            content[name] = repr(rows.tolist()).encode() if rows.dtype == object else rows.tobytes()

    with h5py.File(path) as file:
        file.visititems(visit)
    return content


@pytest.fixture(scope="module")
def complete_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "d.h5"
    generate(small_config(store_trajectories=True), path)
    return path


def test_the_file_has_the_documented_layout(complete_dataset: Path) -> None:
    config, operators = small_config(), make_design(small_config()).operators
    names = feature_names(with_probes=True)
    with h5py.File(complete_dataset) as file:
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


def test_block_files_are_removed(complete_dataset: Path) -> None:
    assert [path.name for path in complete_dataset.parent.iterdir()] == ["d.h5"]


def test_the_dataset_opens_as_a_feature_table(complete_dataset: Path) -> None:
    with open_features(complete_dataset) as source:
        assert source.labels() == ("family", "initial_condition", "policy")
        assert source.num_rows == 24


def test_a_smaller_dataset_equals_the_first_rows_of_a_larger_one(complete_dataset: Path, tmp_path: Path) -> None:
    generate(small_config(num_samples=11, store_trajectories=True), tmp_path / "d.h5")
    assert dataset_bytes(tmp_path / "d.h5") == dataset_bytes(complete_dataset, first=11)


def test_rows_of_blocks_that_are_not_full_equal_those_of_full_blocks(tmp_path: Path) -> None:
    config = small_config(num_samples=42, families=["gray_scott"], neural_fraction=0, num_realizations=1, num_steps=4)
    generate(config, tmp_path / "large.h5")
    for count in (9, 32, 35):
        generate(config.model_copy(update={"num_samples": count}), tmp_path / f"{count}.h5")
        assert dataset_bytes(tmp_path / f"{count}.h5") == dataset_bytes(tmp_path / "large.h5", first=count)


@pytest.mark.parametrize("batch_size", [1, 48])
def test_the_dataset_does_not_depend_on_the_batch_size(complete_dataset: Path, batch_size: int, tmp_path: Path) -> None:
    generate(small_config(store_trajectories=True, batch_size=batch_size), tmp_path / "d.h5")
    assert dataset_bytes(tmp_path / "d.h5") == dataset_bytes(complete_dataset)


def test_an_interrupted_run_resumes_to_the_same_dataset(complete_dataset: Path, tmp_path: Path) -> None:
    config = small_config(store_trajectories=True, batch_size=1)
    first, second = Recorder(stop_after=2), Recorder()
    with pytest.raises(KeyboardInterrupt):
        generate(config, tmp_path / "d.h5", callback=first)
    assert not (tmp_path / "d.h5").exists()
    with pytest.raises(OutputError, match=r"contains an unfinished run with 2 finished blocks.*resume=True"):
        generate(config, tmp_path / "d.h5")
    result = generate(config, tmp_path / "d.h5", callback=second, resume=True)
    assert 0 < result.num_computed < result.num_operators == 24
    assert second.finished_before == first.computed
    assert not set(second.computed) & set(first.computed)
    assert dataset_bytes(tmp_path / "d.h5") == dataset_bytes(complete_dataset)


def test_block_files_of_another_configuration_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        generate(small_config(), tmp_path / "d.h5", callback=Recorder(stop_after=1))
    with pytest.raises(OutputError, match="the unfinished run differs: num_steps was 5, is 6"):
        generate(small_config(num_steps=6), tmp_path / "d.h5", resume=True)
    assert generate(small_config(num_steps=6), tmp_path / "d.h5", overwrite=True).num_operators == 24


def test_a_damaged_block_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        generate(small_config(), tmp_path / "d.h5", callback=Recorder(stop_after=1))
    shard = next((tmp_path / "d.h5.parts").glob("block-*.npz"))
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(Exception, match=f"{shard.name}: cannot be read; delete that file"):
        generate(small_config(), tmp_path / "d.h5", resume=True)


def test_diverged_runs_are_kept_and_marked(tmp_path: Path) -> None:
    config = small_config(
        neural_fraction=1.0, families=[], neural_policies=["residual"], neural_step=[40.0, 80.0], blow_up_bound=30
    )
    result = generate(config, tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        blow_up = file["metadata/blow_up"][()]
        assert result.num_diverged == (blow_up > 0).any(1).sum() == file["metadata/diverged"][()].sum() > 5
        assert blow_up.max() <= 5
        assert np.isfinite(file["features/sdf/aggregated/features"]).all()


def test_insufficient_disk_space_is_reported_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"not enough disk space: .* GB are free; expected .* GB"):
        generate(small_config(num_samples=100_000, num_steps=60_000), tmp_path / "d.h5")
    assert list(tmp_path.iterdir()) == []


def test_insufficient_memory_is_reported_before_the_start(tmp_path: Path) -> None:
    config = small_config(num_samples=2, num_steps=20_000, grid_size=512, num_realizations=100)
    with pytest.raises(RunError, match=r"not enough memory: .* GB on cpu; expected about .* GB for"):
        generate(config, tmp_path / "d.h5")
    assert list(tmp_path.iterdir()) == []


def test_finished_blocks_count_as_available_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, operators = small_config(), make_design(small_config()).operators
    free_bytes = disk_bytes(operators, config) - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_bytes))
    check_disk(operators, config, tmp_path / "d.h5", written=1)
    with pytest.raises(OutputError, match="not enough disk space"):
        check_disk(operators, config, tmp_path / "d.h5")


def test_fields_of_neural_operators_only_have_one_channel(tmp_path: Path) -> None:
    generate(small_config(num_samples=4, families=[], neural_fraction=1.0, store_trajectories=True), tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        assert file["outputs/fields"].shape == (4, 2, 5, 1, 16, 16)
        assert np.isfinite(file["outputs/fields"]).all()


def test_initial_states_beyond_the_bound_are_marked(tmp_path: Path) -> None:
    generate(
        small_config(num_samples=8, initial_amplitude=[1e5, 1e6], families=["advection_diffusion"]), tmp_path / "d.h5"
    )
    with h5py.File(tmp_path / "d.h5") as file:
        assert (file["metadata/blow_up"][()] == 1).all()
        assert np.isfinite(file["features/sdf/aggregated/features"]).all()


def test_other_files_beside_the_block_files_are_kept(tmp_path: Path) -> None:
    shards = tmp_path / "d.h5.parts"
    shards.mkdir()
    (shards / "mine.txt").write_text("precious")
    generate(small_config(num_samples=4), tmp_path / "d.h5", overwrite=True)
    assert [path.name for path in shards.iterdir()] == ["mine.txt"]


def test_a_configuration_file_is_overridden_by_keywords(complete_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(dump_config(small_config(num_samples=500, num_steps=7, device="cuda:99")))
    result = generate(
        str(tmp_path / "small.yaml"),
        str(tmp_path / "d.h5"),
        num_samples=6,
        device="cpu",
        num_steps=5,
        store_trajectories=True,
    )
    assert (result.output, result.num_operators, result.num_computed) == (tmp_path / "d.h5", 6, 6)
    assert not result.was_complete
    assert dataset_bytes(tmp_path / "d.h5") == dataset_bytes(complete_dataset, first=6)


def test_all_wrong_keywords_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        generate(small_config(), tmp_path / "d.h5", num_samples=0, num_step=3)
    assert "num_samples: got 0 from a keyword argument, expected an integer of at least 1" in str(caught.value)
    assert "num_step: got an unknown key from a keyword argument, did you mean num_steps?" in str(caught.value)


def test_callbacks_are_called_in_order(tmp_path: Path) -> None:
    recorder = Recorder()
    generate(small_config(num_samples=6), tmp_path / "d.h5", callback=recorder)
    assert recorder.events == [f"start {len(recorder.computed)} 1", "merge", "end 6"]


def test_resuming_a_complete_dataset_computes_nothing(complete_dataset: Path, tmp_path: Path) -> None:
    shutil.copy(complete_dataset, tmp_path / "d.h5")
    recorder = Recorder()
    config = small_config(store_trajectories=True, batch_size=5)
    result = generate(config, tmp_path / "d.h5", resume=True, callback=recorder)
    assert (result.was_complete, result.num_computed, result.num_operators) == (True, 0, 24)
    assert recorder.events == ["end 0"]
    with pytest.raises(
        OutputError, match=r"another configuration; expected the same configuration \(batch_size, device"
    ):
        generate(small_config(num_steps=6), tmp_path / "d.h5", resume=True)


def test_plan_generation_describes_the_run_and_writes_nothing(complete_dataset: Path, tmp_path: Path) -> None:
    plan = plan_generation(small_config(), tmp_path / "d.h5", num_samples=30)
    assert plan.design.operators.count == 30 == sum(len(block.members) for block in plan.blocks)
    assert 1 <= plan.workers <= len(plan.blocks)
    assert not plan.is_complete
    assert "num_samples" in plan.identity
    assert "batch_size" not in plan.identity
    estimate = plan.estimate()
    assert min(estimate.seconds, estimate.disk, estimate.memory) > 0
    shard = plan_generation(small_config(), Shard(tmp_path / "d.h5", 2, 3), num_samples=30)
    assert shard.estimate().disk == int(estimate.disk * shard.num_operators / 30)
    assert list(tmp_path.iterdir()) == []
    assert plan_generation(small_config(store_trajectories=True), complete_dataset, resume=True).is_complete
    with pytest.raises(OutputError, match="exists already; pass overwrite=True"):
        plan_generation(small_config(), complete_dataset)


def test_the_memory_includes_the_spectra_of_kernels_and_the_results_that_wait() -> None:
    def memory(kernel: int, **changes: Any) -> int:
        networks = {"neural_depths": [3], "neural_widths": [8], "neural_kernels": [kernel]}
        settings = small_config(neural_fraction=1.0, families=[], **networks, **changes)
        return memory_bytes(plan_blocks(make_design(settings).operators, "cpu"), settings, workers=2)

    num_operators, num_modes = 4, 16 * 9
    assert memory(7) - memory(3) == 2 * num_operators * 8 * num_modes * 8 * 8
    num_results, fields = 4, 4 * num_operators * 2 * 5 * 16 * 16
    assert memory(3, store_trajectories=True) - memory(3) == num_results * fields
