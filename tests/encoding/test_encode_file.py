"""Encoding of datasets to token files: tokens, annotations and the summary."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock import Tokenizer
from spinlock.encoding import RowCodec, encode_file
from spinlock.errors import DataError, OutputError
from spinlock.io.features import open_features
from spinlock.io.tokens import TokenFile
from tests.cli.workspace import NAMES, SMALL
from tests.encoding.models import OTHER, TRAINING, codec_of, saved_model, with_faults
from tests.tables import write_table


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> RowCodec:
    return codec_of(saved_model(tmp_path_factory.mktemp("model")))


def tokens_in(path: Path) -> np.ndarray:
    with TokenFile.open(path) as source:
        return source.read(0, source.num_rows)


@pytest.mark.parametrize("batch_size", [1, 7, 80, 8192])
def test_tokens_of_a_file_equal_tokens_in_memory_for_any_batch_size(
    codec: RowCodec, tmp_path: Path, batch_size: int
) -> None:
    dataset = write_table(tmp_path / "data.h5", OTHER, NAMES)
    finished: list[int] = []
    encode_file(codec, dataset, tmp_path / "tokens.h5", batch_size=batch_size, advance=finished.append)
    np.testing.assert_array_equal(tokens_in(tmp_path / "tokens.h5"), codec.encode(OTHER).indices)
    assert sum(finished) == 80
    assert len(finished) == -(-80 // batch_size)


def test_the_file_and_the_summary_hold_the_metrics_of_the_rows(codec: RowCodec, tmp_path: Path) -> None:
    rows = with_faults(OTHER)
    dataset = write_table(tmp_path / "data.h5", rows, NAMES, labels={"solver": np.arange(80) % 4})
    summary = encode_file(codec, dataset, tmp_path / "tokens.h5", batch_size=30)
    assert summary is not None
    block = codec.encode(rows)
    with h5py.File(tmp_path / "tokens.h5") as file, h5py.File(dataset) as source:
        for name, values in (
            ("reconstruction_error", block.error),
            ("error_percentile", block.percentile),
            ("clipped_share", block.clipped),
            ("imputed_share", block.imputed),
        ):
            np.testing.assert_allclose(file[f"tokens/{name}"][()], values, rtol=1e-5)
        np.testing.assert_array_equal(file["labels/solver"][()], source["labels/solver"][()])
        names = [f"{category}.L{level}" for category in codec.checkpoint.spec.category_names for level in range(3)]
        assert file["tokens/columns"].asstr()[()].tolist() == names
        assert file["tokens/codebook_size"][()].tolist() == [4, 3, 2] * 3
        assert file["tokens/indices"].dtype == np.uint8
        assert file.attrs["model_sha256"] == codec.checkpoint.sha256()
        assert file.attrs["assignment"] == "local"
        counts = {"imputed_cells": 3, "clipped_cells": round(12 * block.clipped.sum()), "extra_columns": 0}
        assert {name: file.attrs[name] for name in counts} == counts
    assert (summary.rows, summary.tokens_per_row) == (80, 9)
    assert summary.mean_error == pytest.approx(block.error.mean(), rel=1e-5)
    assert {name: getattr(summary, name) for name in counts} == counts
    assert summary.near_tie_rows == block.near_tie.sum()
    assert summary.seconds > 0


def test_the_split_is_stored_for_the_training_table_and_is_new_for_other_tables(
    codec: RowCodec, tmp_path: Path
) -> None:
    for rows, sides in ((TRAINING, {"train": 72, "validation": 8}), (OTHER, {"new": 80})):
        dataset = write_table(tmp_path / "data.h5", rows, NAMES)
        encode_file(codec, dataset, tmp_path / "tokens.h5", overwrite=True)
        with TokenFile.open(tmp_path / "tokens.h5") as source:
            values, counts = np.unique(source.split, return_counts=True)
            assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == sides
            if rows is TRAINING:
                held_out = np.flatnonzero(np.asarray(source.split) == "validation")
                np.testing.assert_array_equal(held_out, codec.checkpoint.split.validation_operators)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_split_does_not_depend_on_the_order_of_the_columns(
    tmp_path: Path, rng: np.random.Generator, dtype: type
) -> None:
    rows = (TRAINING + rng.normal(size=TRAINING.shape)).astype(dtype)  # float64 has digits that float32 does not have
    settings = {key: value for key, value in SMALL.items() if key not in ("input_path", "output_dir")}
    tokenizer = Tokenizer.fit(rows, settings, feature_names=NAMES, epochs=0)
    order = rng.permutation(14)
    wide, names = np.column_stack([rows, rng.normal(size=(80, 2))]).astype(dtype), [*NAMES, "extra", "more"]
    changed = rows.copy()
    changed[7, 3] += 1e-9 if dtype is np.float64 else 1
    sides = {}
    for name, values, columns in (
        ("same", rows, NAMES),
        ("permuted", rows[:, ::-1], NAMES[::-1]),
        ("wide", wide[:, order], [names[j] for j in order]),
        ("changed", changed[:, ::-1], NAMES[::-1]),
        ("renamed", rows, NAMES[::-1]),
    ):
        dataset = write_table(tmp_path / f"{name}.h5", np.ascontiguousarray(values), columns)
        tokenizer.encode_file(dataset, tmp_path / f"{name}_tokens.h5", batch_size=30)
        with TokenFile.open(tmp_path / f"{name}_tokens.h5") as source, open_features(dataset) as features:
            sides[name] = source.split.tolist()
            assert source.attributes["features_sha256"] == features.sha256()
    assert sides["same"].count("validation") == 8
    assert sides["same"] == sides["permuted"] == sides["wide"]
    assert sides["changed"] == sides["renamed"] == ["new"] * 80


def test_columns_are_matched_by_name(codec: RowCodec, tmp_path: Path, rng: np.random.Generator) -> None:
    order = rng.permutation(14)
    wide = np.column_stack([OTHER, rng.standard_normal((80, 2))])[:, order].astype(np.float32)
    dataset = write_table(tmp_path / "data.h5", wide, [[*NAMES, "extra", "more"][j] for j in order])
    summary = encode_file(codec, dataset, tmp_path / "tokens.h5", batch_size=33)
    assert summary is not None
    assert summary.extra_columns == 2
    np.testing.assert_array_equal(tokens_in(tmp_path / "tokens.h5"), codec.encode(OTHER).indices)


def test_invalid_input_is_refused_and_leaves_no_file(codec: RowCodec, tmp_path: Path) -> None:
    good = write_table(tmp_path / "good.h5", OTHER, NAMES)
    narrow = write_table(tmp_path / "narrow.h5", OTHER[:, :10], NAMES[:10])
    before = sorted(tmp_path.iterdir())
    for dataset, batch_size, words in (
        (narrow, 10, "narrow.h5: 2 of 12 columns are missing: c_10, c_11"),
        (good, 0, "batch_size is 0; expected 1 or more"),
        (tmp_path / "nowhere.h5", 10, "nowhere.h5: no such file"),
    ):
        with pytest.raises(DataError, match=words):
            encode_file(codec, dataset, tmp_path / "tokens.h5", batch_size=batch_size)
    assert sorted(tmp_path.iterdir()) == before


def test_an_existing_file_is_replaced_only_by_a_complete_run_with_overwrite(codec: RowCodec, tmp_path: Path) -> None:
    dataset, output = write_table(tmp_path / "data.h5", OTHER, NAMES), tmp_path / "tokens.h5"
    output.write_text("mine")
    with pytest.raises(OutputError, match=r"tokens\.h5: exists already"):
        encode_file(codec, dataset, output)
    assert output.read_text() == "mine"

    def interrupt(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_file(codec, dataset, output, batch_size=10, overwrite=True, advance=interrupt)
    assert output.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.h5", "tokens.h5"]
    encode_file(codec, dataset, output, overwrite=True)
    assert len(tokens_in(output)) == 80


def test_cells_that_were_never_written_or_filled_are_imputed_and_counted(codec: RowCodec, tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    with h5py.File(write_table(path, OTHER, NAMES), "r+") as file:
        del file["features/sdf/aggregated/features"]
        table = file.create_dataset("features/sdf/aggregated/features", OTHER.shape, "f4", chunks=(20, 12))
        table[:40], table[60:] = OTHER[:40], OTHER[60:]
        table[3, 2] = -999
        table.attrs["_FillValue"] = np.float32(-999)
        file["labels/broken"] = h5py.SoftLink("/nowhere")
        file["labels/private"] = h5py.ExternalLink(str(tmp_path / "private.h5"), "/x")
    summary = encode_file(codec, path, tmp_path / "tokens.h5", batch_size=30)
    assert summary is not None
    assert summary.imputed_cells == 20 * 12 + 1
    assert summary.notes[0].endswith("that were never written; these cells count as missing")
    assert summary.notes[-1] == "1 cells equal the fill value -999 and count as missing"
    assert [note.split()[0] for note in summary.notes[1:3]] == ["labels/broken", "labels/private"]
    expected = OTHER.copy()
    expected[40:60] = expected[3, 2] = np.nan
    np.testing.assert_array_equal(tokens_in(tmp_path / "tokens.h5"), codec.encode(expected).indices)
    with h5py.File(tmp_path / "tokens.h5") as file:
        counts = (file.attrs["unwritten_cells"], file.attrs["unwritten_rows"], file.attrs["fill_value_cells"])
        assert counts == (240, "40-59", 1)
        assert list(file["labels"]) == []
    assert str(tmp_path).encode() not in (tmp_path / "tokens.h5").read_bytes()


def test_a_table_in_float64_has_the_tokens_and_the_hash_of_the_same_table_in_float32(
    codec: RowCodec, tmp_path: Path
) -> None:
    for name, rows in (("single", TRAINING), ("double", TRAINING.astype(np.float64))):
        encode_file(codec, write_table(tmp_path / f"{name}.h5", rows, NAMES), tmp_path / f"{name}_tokens.h5")
    with h5py.File(tmp_path / "single_tokens.h5") as one, h5py.File(tmp_path / "double_tokens.h5") as other:
        assert one.attrs["features_sha256"] == other.attrs["features_sha256"] == codec.checkpoint.dataset.sha256
        np.testing.assert_array_equal(one["tokens/indices"], other["tokens/indices"])
        assert other["split"].asstr()[0] != "new"
