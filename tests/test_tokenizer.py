"""The class ``Tokenizer``: input from NumPy, torch and pandas, tokens and decoded features."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest
import torch

import spinlock
from spinlock import Tokenizer
from spinlock.errors import CheckpointError, ConfigError, DataError, OutputError
from tests.cli.workspace import NAMES, SMALL, small_table
from tests.tables import write_table

X = small_table()
CONFIG = {key: value for key, value in SMALL.items() if key not in ("input_path", "output_dir")}
REALIZATIONS = X[:78].reshape(26, 3, 12)


@pytest.fixture(scope="module")
def fitted() -> Tokenizer:
    return Tokenizer.fit(X, CONFIG, feature_names=NAMES)


def test_spinlock_exports_the_tokenizer_and_refuses_unknown_names() -> None:
    assert spinlock.Tokenizer is Tokenizer
    with pytest.raises(AttributeError, match="has no attribute 'Encoder'"):
        _ = spinlock.Encoder  # type: ignore[attr-defined]


def test_encode_and_decode_reconstruct_the_rows(fitted: Tokenizer) -> None:
    tokens = fitted.encode(X)
    assert tokens.shape == (80, 9)
    assert tokens.dtype == np.int64
    assert tokens.min() == 0
    assert (tokens.max(0) < [4, 3, 2] * 3).all()
    assert len(np.unique(tokens, axis=0)) > 20
    restored = fitted.decode(tokens)
    assert restored.shape == X.shape
    assert restored.dtype == np.float32
    quality = 1 - np.square(restored - X).sum() / np.square(X - X.mean(0)).sum()
    assert quality == pytest.approx(fitted.metrics["reconstruction_quality"], abs=0.1)
    assert quality > 0.7


def test_fit_does_not_depend_on_the_default_dtype_or_autocast(fitted: Tokenizer) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            again = Tokenizer.fit(X, CONFIG, feature_names=NAMES)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert {
        name: value
        for name, value in again.model.state_dict().items()
        if not torch.equal(value, fitted.model.state_dict()[name])
    } == {}


def test_fewer_levels_decode_worse(fitted: Tokenizer) -> None:
    tokens = fitted.encode(X)
    errors = [float(np.square(fitted.decode(tokens, levels) - X).mean()) for levels in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2]


def test_categories_and_codebook_sizes_are_those_of_the_model(fitted: Tokenizer) -> None:
    assert fitted.feature_names == tuple(NAMES)
    assert len(fitted.categories) == 3
    assert sorted(name for columns in fitted.categories.values() for name in columns) == sorted(NAMES)
    assert fitted.codebook_sizes == dict.fromkeys(fitted.categories, (4, 3, 2))


@pytest.mark.parametrize(
    "given",
    [
        torch.from_numpy(X),
        torch.from_numpy(X).double().requires_grad_(),
        X.astype(np.float64),
        X.tolist(),
        pandas.DataFrame(X, columns=NAMES),
        pandas.DataFrame(X, columns=NAMES)[NAMES[::-1]].assign(extra=0.0),
    ],
    ids=["torch", "torch float64", "float64", "lists", "pandas", "pandas reordered"],
)
def test_encode_gives_the_same_tokens_for_any_kind_of_table(fitted: Tokenizer, given: Any) -> None:
    np.testing.assert_array_equal(fitted.encode(given), fitted.encode(X))


def test_encode_accepts_half_precision_and_missing_cells(fitted: Tokenizer) -> None:
    short = torch.from_numpy(X).bfloat16()
    np.testing.assert_array_equal(fitted.encode(short), fitted.encode(short.float().numpy()))
    incomplete = X.copy()
    incomplete[3, 4] = np.nan
    frame = pandas.DataFrame(incomplete, columns=NAMES).convert_dtypes()
    assert frame.isna().sum().sum() == 1
    np.testing.assert_array_equal(fitted.encode(frame), fitted.encode(incomplete))


@pytest.mark.parametrize("kind", [torch.tensor, np.asarray, list], ids=["torch", "numpy", "lists"])
def test_decode_gives_the_same_features_for_any_kind_of_tokens(fitted: Tokenizer, kind: Any) -> None:
    tokens = fitted.encode(X)
    given = tokens.tolist() if kind is list else kind(tokens)
    np.testing.assert_array_equal(fitted.decode(given), fitted.decode(tokens))


def test_a_single_row_and_an_empty_table_can_be_encoded(fitted: Tokenizer) -> None:
    np.testing.assert_array_equal(fitted.encode(X[5:6]), fitted.encode(X)[5:6])
    assert fitted.encode(X[:0]).shape == (0, 9)
    assert fitted.decode(fitted.encode(X[:0])).shape == (0, 12)


@pytest.mark.parametrize("given", [torch.from_numpy(X), pandas.DataFrame(X, columns=NAMES)], ids=["torch", "pandas"])
def test_fit_gives_the_same_model_for_any_kind_of_table(fitted: Tokenizer, given: Any) -> None:
    other = Tokenizer.fit(given, CONFIG, feature_names=None if hasattr(given, "columns") else np.array(NAMES))
    assert other.feature_names == tuple(NAMES)
    assert other.sha256() == fitted.sha256()


def test_realizations_keep_their_shape() -> None:
    config = CONFIG | {"feature_type": "per_trajectory", "num_categories_auto": 2, "epochs": 0}
    tokenizer = Tokenizer.fit(REALIZATIONS, config)
    assert tokenizer.feature_names[:2] == ("feature_0", "feature_1")
    tokens = tokenizer.encode(REALIZATIONS)
    assert tokens.shape == (26, 3, 6)
    np.testing.assert_array_equal(tokens.reshape(78, 6), tokenizer.encode(X[:78]))
    assert tokenizer.decode(tokens).shape == REALIZATIONS.shape


def test_ignored_columns_are_logged_and_are_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = Tokenizer.fit(X, CONFIG | {"epochs": 0}, feature_names=NAMES)
    wide, names = np.column_stack([X, X[:, :2]]), [*NAMES, "day", "run\x1b[2J"]
    path = write_table(tmp_path / "wide.h5", wide, names)
    frame = pandas.DataFrame(wide, columns=names)
    with caplog.at_level("INFO", logger="spinlock"):
        expected = tokenizer.encode(X)
        assert caplog.messages == []
        for features in (frame, frame.assign(day="text"), path, spinlock.read_features(path)):
            np.testing.assert_array_equal(tokenizer.encode(features), expected)
            assert caplog.messages == [r"extra columns ignored: 2 (day, 'run\x1b[2J')"]
            caplog.clear()
        spinlock.evaluate(tokenizer, frame)
        assert caplog.messages == [r"extra columns ignored: 2 (day, 'run\x1b[2J')"]


def test_groups_stay_on_one_side() -> None:
    groups = np.arange(80) // 10
    tokenizer = Tokenizer.fit(X, CONFIG | {"split_by": "labels/family", "epochs": 0}, groups=groups)
    rows = tokenizer.checkpoint.to_dict()["split"]
    sides = [set(groups[rows[side].numpy()].tolist()) for side in ("train", "validation")]
    assert sides[0].isdisjoint(sides[1])
    assert len(sides[1]) == 1


def test_saving_and_loading_gives_the_same_tokens(fitted: Tokenizer, tmp_path: Path) -> None:
    fitted.save(tmp_path / "deep" / "tokenizer.pt")
    loaded = Tokenizer.load(tmp_path / "deep" / "tokenizer.pt")
    assert loaded.sha256() == fitted.sha256()
    assert loaded.categories == fitted.categories
    assert loaded.metrics == fitted.metrics
    tokens = fitted.encode(X)
    np.testing.assert_array_equal(loaded.encode(X), tokens)
    np.testing.assert_array_equal(loaded.decode(tokens), fitted.decode(tokens))


def test_fitting_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Tokenizer.fit(X, CONFIG)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("features", "config", "words"),
    [
        (X, {"epoch": 3}, "did you mean epochs"),
        (X, {"epochs": -1}, "epochs: got -1 from config"),
        (X[:29], {}, "the table has 29 rows"),
        (X[:, 0], {}, "1 dimensions"),
        (X.astype(str).astype(object) + "x", {}, "text"),
        (X.astype(complex), {}, "complex"),
        (np.full_like(X, np.nan), {}, "no finite value"),
        (X.reshape(40, 2, 12), {}, "feature_type is aggregated"),
        (X, {"feature_type": "per_trajectory"}, "2 dimensions"),
        (X, {"split_by": "labels/family"}, "the table has no label 'family'"),
        (X, {"device": "cuda:77"}, "cuda:77 does not exist"),
        (X, {"num_categories_auto": 9}, "num_categories_auto = 9, but clustering these columns gives"),
    ],
)
def test_fit_refuses_invalid_features_and_configurations(features: Any, config: dict[str, Any], words: str) -> None:
    with pytest.raises((DataError, ConfigError), match=words):
        Tokenizer.fit(features, CONFIG | config)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (NAMES[:5], "distinct feature names for 12 columns"),
        (["same"] * 12, "distinct feature names for 12 columns"),
        (3, "feature_names are 3; expected a list of text"),
        ("abcdefghijkl", "feature_names are 'abcdefghijkl'"),
        (set(NAMES), r"feature_names are \{"),
        (dict.fromkeys(NAMES, 0), r"feature_names are \{"),
        ([None, *NAMES[1:]], r"feature_names\[0\] is None"),
        ([1.5, *NAMES[1:]], r"feature_names\[0\] is 1\.5"),
        (["\udcff", *NAMES[1:]], r"column name is .*expected UTF-8 text"),
        (["a\0b", *NAMES[1:]], "expected text without NUL"),
    ],
)
def test_fit_refuses_what_does_not_name_each_column(names: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        Tokenizer.fit(X, CONFIG, feature_names=names)
    assert "\n" not in str(error.value)


def test_feature_names_must_not_contradict_a_frame() -> None:
    frame = pandas.DataFrame(X, columns=NAMES)
    for names in (NAMES[::-1], [*NAMES[:11], "z"]):
        with pytest.raises(DataError, match="feature_names contradict the names that the features have"):
            Tokenizer.fit(frame, CONFIG, feature_names=names)
    same = spinlock.read_features(frame, feature_names=frame.columns)
    assert same == spinlock.read_features(pandas.DataFrame(X), feature_names=NAMES)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([None if i % 5 == 0 else i // 3 for i in range(80)], "label 'groups' has no value for operator 0"),
        (pandas.Series([pandas.NA, *"a" * 79], dtype="string"), "label 'groups' has no value for operator 0"),
        (pandas.Series([pandas.NA, *range(79)], dtype="Int64"), "label 'groups' has no value for operator 0"),
        ([i if i % 2 else datetime.date(2026, 1, 1) for i in range(80)], "values of label 'groups' cannot be compared"),
        ([[1] * (i % 3) for i in range(80)], "label 'groups' has values of different lengths"),
        (np.ma.masked_equal(np.arange(80) // 3, 2), "label 'groups' has masked values"),
        (pandas.Series(np.arange(80) // 3)[::-1], "the row labels of features and of groups differ"),
    ],
    ids=["None", "NA", "missing number", "types", "ragged", "masked", "index"],
)
def test_groups_that_are_no_labels_are_refused(groups: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        Tokenizer.fit(pandas.DataFrame(X, columns=NAMES), CONFIG, groups=groups)
    assert "\n" not in str(error.value)


def test_groups_can_be_a_tensor_with_gradients() -> None:
    groups = torch.arange(80.0).div(10).floor()
    fits = [
        Tokenizer.fit(X, CONFIG | {"epochs": 0}, groups=each) for each in (groups.requires_grad_(), groups.tolist())
    ]
    assert fits[0].sha256() == fits[1].sha256()


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (X[:, :7], "7 columns; expected 12"),
        (X[0], "1 dimensions"),
        (pandas.DataFrame(X[:, :10], columns=NAMES[:10]), "2 of 12 columns are missing: c_10, c_11"),
        ([["a"] * 12], "text"),
    ],
)
def test_encode_refuses_tables_with_other_columns(fitted: Tokenizer, features: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        fitted.encode(features)


def token_frame(tokens: np.ndarray) -> pandas.DataFrame:
    return pandas.DataFrame(tokens, columns=[f"{category}.L{level}" for category in "bca" for level in range(3)])


@pytest.mark.parametrize(
    "change",
    [
        lambda tokens: token_frame(tokens).iloc[:, ::-1].assign(run="text"),
        lambda tokens: pyarrow.Table.from_pandas(token_frame(tokens).iloc[:, ::-1]),
        lambda tokens: dict(token_frame(tokens)),
        pandas.DataFrame,
        lambda tokens: tokens.astype(np.uint8).tolist(),
        torch.from_numpy,
    ],
    ids=["pandas", "pyarrow", "mapping", "numbered columns", "lists", "torch"],
)
def test_decode_matches_token_columns_by_name(fitted: Tokenizer, change: Any) -> None:
    tokens = fitted.encode(X)
    assert list(fitted.checkpoint.spec.token_columns()) == list(token_frame(tokens))
    np.testing.assert_array_equal(fitted.decode(change(tokens)), fitted.decode(tokens))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tokens: tokens[:, :4], r"shape \[80, 4\]; expected \[N, 9\]"),
        (lambda tokens: tokens[0], r"shape \[9\]"),
        (lambda tokens: tokens + np.eye(80, 9, dtype=int) * 50, r"\.L0 contains 5\d; expected 0 to 3"),
        (lambda tokens: tokens - np.eye(80, 9, dtype=int) * 50, r"\.L0 contains -\d+; expected 0 to 3"),
        (lambda tokens: tokens + 0.5, "expected integers"),
        (lambda tokens: tokens.astype(str), "expected integers"),
        (lambda tokens: np.ma.masked_equal(tokens, 1), "tokens are partly missing or hidden; expected integers"),
        (lambda tokens: list(np.ma.masked_equal(tokens, 1)), "tokens are partly missing or hidden"),
        (lambda tokens: pandas.DataFrame(tokens).iloc[:, ::-1], "9 of 9 token columns are missing"),
        (lambda tokens: token_frame(tokens).drop(columns="a.L1"), "1 of 9 token columns are missing: a.L1"),
        (lambda tokens: token_frame(tokens).assign(**{"a.L1": pandas.NA}), "'a.L1' is partly missing"),
    ],
)
def test_decode_refuses_invalid_tokens(fitted: Tokenizer, change: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        fitted.decode(change(fitted.encode(X)))


@pytest.mark.parametrize("levels", [0, 4])
def test_decode_refuses_levels_out_of_range(fitted: Tokenizer, levels: int) -> None:
    with pytest.raises(DataError, match=f"levels is {levels}; expected 1 to 3"):
        fitted.decode(fitted.encode(X), levels)


def test_load_and_save_refuse_invalid_paths_and_devices(fitted: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        Tokenizer.load(tmp_path / "nowhere.pt")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file, not a directory"):
        fitted.save(tmp_path / "file" / "tokenizer.pt")
    fitted.save(tmp_path / "tokenizer.pt")
    with pytest.raises(DataError, match="cuda:77 does not exist"):
        Tokenizer.load(tmp_path / "tokenizer.pt", device="cuda:77")


def test_encode_uses_the_current_weights_of_the_model(fitted: Tokenizer, tmp_path: Path) -> None:
    fitted.save(tmp_path / "a.pt")
    changed, fresh = Tokenizer.load(tmp_path / "a.pt"), Tokenizer.load(tmp_path / "a.pt")
    before = changed.encode(X)
    for tokenizer in (changed, fresh):
        with torch.no_grad():
            tokenizer.model.each_bucket()[0].encoder.linear.mul_(-3.0)
            tokenizer.model.decoder.bias.add_(1.0)
    after = changed.encode(X)
    assert not np.array_equal(after, before)
    np.testing.assert_array_equal(after, fresh.encode(X))
    np.testing.assert_array_equal(changed.decode(after), fresh.decode(after))
