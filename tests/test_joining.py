"""Joined shards have the bytes of the file without shards, and only missing shards are made again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import spinlock as sl
from spinlock.encoding import RowCodec
from spinlock.errors import DataError, OutputError
from spinlock.extraction import extract_file
from spinlock.features.extract import feature_names
from spinlock.generation import parallel
from spinlock.generation.blocks import Block
from spinlock.generation.compute_block import BlockResult
from spinlock.sharding.manifest import FORMAT_VERSION
from spinlock.sharding.pieces import fingerprint
from tests.generation.settings import small_config
from tests.generation.test_generate import Recorder
from tests.io.rollout_files import write_rollouts
from tests.sharding.inputs import CONFIG, Inputs
from tests.tables import write_table

COMMANDS = ("generate", "extract", "encode")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs.make(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def whole(inputs: Inputs) -> dict[str, bytes]:
    """{command: bytes of its file without shards}."""
    files = {}
    for name in COMMANDS:
        path = inputs.folder / f"{name}.h5"
        inputs.command(name)(path)
        files[name] = path.read_bytes()
    return files


def make_shards(inputs: Inputs, name: str, output: Path, count: int, omit: tuple[int, ...] = ()) -> None:
    for number in range(1, count + 1):
        if number not in omit:
            inputs.command(name)(sl.Shard(output, number, count))


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("name", COMMANDS)
def test_joined_shards_have_the_bytes_of_the_whole_file(
    inputs: Inputs, whole: dict[str, bytes], name: str, count: int, tmp_path: Path
) -> None:
    output = tmp_path / "joined.h5"
    make_shards(inputs, name, output, count)
    if count > 1:
        assert not output.exists()
        result = sl.join(output)
        assert (result.output, result.num_shards) == (output, count)
    assert output.read_bytes() == whole[name]


def states(folder: Path) -> dict[str, tuple[int, bytes]]:
    """{name: time of the last change, content} of the files of a folder."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir() if path.is_file()}


KILLED = (4, 9, 17)
KILLING = f"""
import os, signal, sys
import torch
from pathlib import Path
from spinlock import Shard
from tests.sharding.inputs import Inputs
torch.set_num_threads(1)
inputs, output = Inputs(Path(sys.argv[1])), Path(sys.argv[2])
for number in range(1, 21):
    if os.fork() == 0:
        killed = number in {KILLED}
        inputs.extract(Shard(output, number, 20), advance=lambda _: killed and os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    os.wait()
"""
"""A program that makes 20 shards, each in its own process, and kills some of the processes at work."""


def test_of_20_killed_shards_only_those_are_made_again(
    inputs: Inputs, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "features.h5"
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    subprocess.run([sys.executable, "-c", KILLING, str(inputs.folder), str(output)], env=environment, check=True)
    sl.Shard(output, 12, 20).manifest_path.unlink()  # as if the process was killed before it wrote the manifest
    missing = (*KILLED[:2], 12, *KILLED[2:])
    before = states(tmp_path)
    with pytest.raises(DataError, match=r"4 of 20 shards are missing or damaged: 4, 9, 12 \(it has no manifest\), 17"):
        sl.join(output)
    extracted = counted_operators(monkeypatch)
    make_shards(inputs, "extract", output, 20)
    assert sum(extracted) == len(missing)
    after = states(tmp_path)
    remade = {sl.Shard(output, number, 20).path.name for number in missing}
    for file, state in before.items():
        if file.removesuffix(".json") not in remade and not file.startswith("."):
            assert after[file] == state
    sl.join(output)
    assert output.read_bytes() == whole["extract"]


def counted_operators(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of operators of all later calls of the extraction of features."""
    counts: list[int] = []
    original = extract_file.extract

    def extract(fields: Any, probes: Any) -> Any:
        counts.append(len(fields))
        return original(fields, probes)

    monkeypatch.setattr(extract_file, "extract", extract)
    return counts


class TestEightShardsAreLinear:
    """With eight shards the largest one computes at most 1 / (8 * 0.9) of all rows."""

    def check(self, largest: int, total: int) -> None:
        assert total / 8 <= largest <= total / (8 * 0.9)

    def test_extraction(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fields = np.random.default_rng(0).normal(size=(45, 1, 4, 1, 1, 16)).astype(np.float32)
        write_rollouts(tmp_path / "rollouts.h5", fields)
        counts = counted_operators(monkeypatch)
        loads = []
        for number in range(1, 9):
            sl.extract_features(tmp_path / "rollouts.h5", sl.Shard(tmp_path / "f.h5", number, 8), device="cpu")
            loads.append(sum(counts))
            counts.clear()
        assert sum(loads) == 45
        self.check(max(loads), 45)

    def test_encoding(self, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with h5py.File(inputs.folder / "table.h5") as file:
            rows = file["features/sdf/aggregated/features"][()]
            names = file["features/sdf/aggregated/feature_names"].asstr()[()].tolist()
        table = write_table(tmp_path / "table.h5", np.concatenate([rows] * 5), names)
        counts: list[int] = []
        original = RowCodec.encode

        def encode(self: RowCodec, values: Any) -> Any:
            counts.append(len(values))
            return original(self, values)

        monkeypatch.setattr(RowCodec, "encode", encode)
        tokenizer = sl.Tokenizer.load(inputs.folder / "local.pt")
        loads = []
        for number in range(1, 9):
            tokenizer.encode_file(table, sl.Shard(tmp_path / "t.h5", number, 8))
            loads.append(sum(counts))
            counts.clear()
        assert sum(loads) == len(rows) * 5
        self.check(max(loads), sum(loads))

    def test_generation(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = small_config(num_samples=300, num_steps=2, num_realizations=1)
        simulated: list[int] = []

        def compute(block: Block, *_: Any) -> BlockResult:
            """The result of a block without its computation."""
            simulated.append(len(block.padded))
            names, count = feature_names(with_probes=True), len(block.members)
            shapes = ((2, len(names.per_timestep)), (1, len(names.per_trajectory)), (len(names.aggregated),))
            tables = (np.full((count, *shape), block.number, dtype=np.float32) for shape in shapes)
            return BlockResult(*tables, np.zeros((count, 1), dtype=np.int32), None)

        monkeypatch.setattr(parallel, "compute_block", compute)
        loads = []
        for number in range(1, 9):
            sl.generate(config, sl.Shard(tmp_path / "d.h5", number, 8))
            loads.append(sum(simulated))
            simulated.clear()
        sl.generate(config, tmp_path / "whole.h5")
        self.check(max(loads), sum(simulated))
        assert sum(loads) == sum(simulated)


@pytest.fixture
def encoded(inputs: Inputs, tmp_path: Path) -> Path:
    """The output of three shards of tokens, in a folder of its own."""
    output = tmp_path / "tokens.h5"
    make_shards(inputs, "encode", output, 3)
    return output


class TestRefusedJoins:
    """Shards that do not belong together, or are not complete, are not joined."""

    def check(self, output: Path, words: str, error: type[Exception] = DataError) -> None:
        before = states(output.parent)
        with pytest.raises(error, match=words) as caught:
            sl.join(output)
        assert "\n" not in str(caught.value)
        assert states(output.parent) == before

    def test_no_shards(self, tmp_path: Path) -> None:
        self.check(tmp_path / "tokens.h5", r"tokens\.h5: has no shards; make them with --shard i/n")

    def test_two_exchanged_shards(self, encoded: Path) -> None:
        first, second = sl.Shard(encoded, 1, 3), sl.Shard(encoded, 2, 3)
        for one, other in ((first.path, second.path), (first.manifest_path, second.manifest_path)):
            content = one.read_bytes()
            one.write_bytes(other.read_bytes())
            other.write_bytes(content)
        self.check(
            encoded, r"damaged: 1 \(it is shard 2/3 under another name\), 2 \(it is shard 1/3 under another name"
        )

    def test_a_changed_byte(self, encoded: Path) -> None:
        path = sl.Shard(encoded, 2, 3).path
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        self.check(encoded, r"1 of 3 shards are missing or damaged: 2 \(its file does not have the recorded SHA-256\)")

    def test_a_truncated_file(self, encoded: Path) -> None:
        path = sl.Shard(encoded, 2, 3).path
        path.write_bytes(path.read_bytes()[:100])
        self.check(encoded, r"1 of 3 shards are missing or damaged: 2 \(its file has 100 bytes instead of \d+\)")

    def test_a_missing_file(self, encoded: Path) -> None:
        sl.Shard(encoded, 1, 3).path.unlink()
        self.check(encoded, r"1 of 3 shards are missing or damaged: 1 \(its file is missing\)")

    def test_a_damaged_manifest(self, encoded: Path) -> None:
        path = sl.Shard(encoded, 3, 3).manifest_path
        newer = json.loads(path.read_text()) | {"format_version": FORMAT_VERSION + 1}
        for text in ("{}", "[]", "[", json.dumps(newer | {"format_version": FORMAT_VERSION, "shards": "x"})):
            path.write_text(text)
            self.check(encoded, r"damaged: 3 \(its manifest is not a manifest of a shard\)")
        path.write_text(json.dumps(newer))
        self.check(encoded, rf"damaged: 3 \(its manifest has format version {FORMAT_VERSION + 1}\)")

    def test_shards_of_two_divisions(self, encoded: Path, inputs: Inputs) -> None:
        make_shards(inputs, "encode", encoded, 2)
        self.check(encoded, r"has shards of 2 and of 3 parts; expected one number of parts; delete the files")

    def test_shards_of_two_configurations(self, tmp_path: Path, inputs: Inputs) -> None:
        output = tmp_path / "features.h5"
        path = inputs.folder / "rollouts.h5"
        for number, scale in ((1, 1.0), (2, 2.0)):
            shard = sl.Shard(output, number, 2)
            sl.extract_features(path, shard, device="cpu", hold_diverged=True, scale=scale)
        self.check(output, "shards 1 and 2 differ in scale; expected shards of the same inputs")

    def test_rollouts_that_have_changed(self, tmp_path: Path, inputs: Inputs) -> None:
        output, path = tmp_path / "features.h5", tmp_path / "rollouts.h5"
        path.write_bytes((inputs.folder / "rollouts.h5").read_bytes())
        for number in (1, 2):
            sl.extract_features(path, sl.Shard(output, number, 2), device="cpu", hold_diverged=True)
        with h5py.File(path, "r+") as file:
            file.attrs["changed"] = 1
        self.check(
            output, r"rollouts\.h5: the file of rollouts is not the one from which the shards were made; restore"
        )

    @pytest.mark.parametrize(
        ("ranges", "words"),
        [([[0, 10]], "rows 10 to 52 are in no"), ([[0, 60]], "rows 53 to 59 are in two")],
    )
    def test_gaps_and_overlaps(self, encoded: Path, ranges: list[list[int]], words: str) -> None:
        path = sl.Shard(encoded, 1, 3).manifest_path
        content = json.loads(path.read_text())
        content["work"]["ranges"] = ranges
        path.write_text(json.dumps(content))
        self.check(encoded, words)

    def test_an_existing_output(self, encoded: Path) -> None:
        encoded.write_text("mine")
        self.check(encoded, r"tokens\.h5: exists already; pass overwrite=True", OutputError)

    def test_another_dataset(self, tmp_path: Path) -> None:
        inputs = Inputs.make(tmp_path)
        output = tmp_path / "tokens.h5"
        make_shards(inputs, "encode", output, 2)
        with h5py.File(tmp_path / "table.h5", "r+") as file:
            file["features/sdf/aggregated/features"][100, 3] += 1
        self.check(output, r"table\.h5: the dataset is not the one from which the shards were made; restore")
        for number in (1, 2):  # a change that the samples of a large file do not show
            path = sl.Shard(output, number, 2).manifest_path
            content = json.loads(path.read_text())
            content["work"]["identity"]["dataset"] = fingerprint(tmp_path / "table.h5")
            path.write_text(json.dumps(content))
        self.check(output, "rows 80 to 159 are not those that shard 2 encoded")


class TestRowsInAnotherUnit:
    """Shards of rows that do not fit the training rows of the model."""

    @pytest.fixture
    def output(self, tmp_path: Path) -> Path:
        """The output of two shards, which have not been made."""
        inputs = Inputs.make(tmp_path)
        with h5py.File(inputs.folder / "table.h5", "r+") as file:
            file["features/sdf/aggregated/features"][:] *= 100
        return tmp_path / "tokens.h5"

    def make(self, output: Path, number: int, *, strict: bool = False) -> None:
        tokenizer = sl.Tokenizer.load(output.parent / "local.pt")
        tokenizer.encode_file(output.parent / "table.h5", sl.Shard(output, number, 2), strict=strict)

    def test_the_join_warns(self, output: Path) -> None:
        for number in (1, 2):
            self.make(output, number)
        assert "another unit?" in sl.join(output).range_warning

    @pytest.mark.parametrize("strict_shard", [1, 2])
    def test_strict_for_one_shard_is_strict_for_the_file(self, output: Path, strict_shard: int) -> None:
        for number in (1, 2):
            self.make(output, number, strict=number == strict_shard)
        with pytest.raises(DataError, match="another unit"):
            sl.join(output)
        assert not output.exists()


def test_a_finished_shard_is_not_made_again(encoded: Path, inputs: Inputs) -> None:
    before = states(encoded.parent)
    make_shards(inputs, "encode", encoded, 3)
    assert states(encoded.parent) == before
    inputs.encode(sl.Shard(encoded, 2, 3), overwrite=True)
    after = states(encoded.parent)
    changed = {name for name in before if after[name][0] != before[name][0]}
    assert changed == {"tokens.shard-2-of-3.h5", "tokens.shard-2-of-3.h5.json"}


def test_a_damaged_shard_is_made_again(encoded: Path, inputs: Inputs, whole: dict[str, bytes]) -> None:
    path = sl.Shard(encoded, 2, 3).path
    path.write_bytes(path.read_bytes()[:-1])
    make_shards(inputs, "encode", encoded, 3)
    sl.join(encoded)
    assert encoded.read_bytes() == whole["encode"]


def test_a_finished_shard_of_another_configuration_is_refused(tmp_path: Path, inputs: Inputs) -> None:
    shard = sl.Shard(tmp_path / "features.h5", 1, 2)
    inputs.extract(shard)
    with pytest.raises(OutputError, match=r"shard-1-of-2\.h5: the shard exists already and differs in scale; expected"):
        sl.extract_features(inputs.folder / "rollouts.h5", shard, device="cpu", hold_diverged=True, scale=3.0)


@pytest.mark.parametrize("name", COMMANDS)
def test_more_shards_than_rows_are_refused(name: str, inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the shard is 1/500, but there are \d+ (rows|operators); expected at most"):
        inputs.command(name)(sl.Shard(tmp_path / "a.h5", 1, 500))
    assert not list(tmp_path.iterdir())


def test_shards_without_work_are_empty_files(tmp_path: Path, inputs: Inputs, whole: dict[str, bytes]) -> None:
    """Forty operators are six blocks, so that most of 40 shards have none."""
    output = tmp_path / "joined.h5"
    make_shards(inputs, "generate", output, 40)
    sl.join(output)
    assert output.read_bytes() == whole["generate"]


def test_an_interrupted_shard_of_a_generation_continues_after_its_last_block(
    tmp_path: Path, inputs: Inputs, whole: dict[str, bytes]
) -> None:
    output = tmp_path / "joined.h5"
    first = Recorder(stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        sl.generate(CONFIG, sl.Shard(output, 1, 2), callback=first)
    second = Recorder()
    sl.generate(CONFIG, sl.Shard(output, 1, 2), callback=second)
    assert second.finished_before == first.computed
    inputs.generate(sl.Shard(output, 2, 2))
    sl.join(output)
    assert output.read_bytes() == whole["generate"]
