"""Arguments of the Python interface: each has an effect or is refused, in one line, before any work."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch

import spinlock as sl
from spinlock.config import config_from_mapping
from spinlock.errors import CheckpointError, ConfigError, DataError, OutputError
from tests.cli.workspace import NAMES, SMALL, small_table
from tests.generation.settings import small_config
from tests.tables import write_table

X = small_table()
FAST: dict[str, Any] = {
    **{key: value for key, value in SMALL.items() if key not in ("input_path", "output_dir")},
    "epochs": 0,
}


@pytest.fixture(scope="module")
def fitted() -> sl.Tokenizer:
    return sl.Tokenizer.fit(X, FAST, feature_names=NAMES)


@pytest.fixture
def table_path(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.h5", X, NAMES, labels={"solver": np.arange(80) % 4})


class TestOutputs:
    @pytest.mark.parametrize("overwrite", [False, True])
    def test_no_function_destroys_its_input(self, fitted: sl.Tokenizer, table_path: Path, overwrite: bool) -> None:
        folder = table_path.parent
        fitted.save(folder / "model.pt")
        model = sl.Tokenizer.load(folder / "model.pt")
        model.encode_file(table_path, folder / "tokens.h5")
        (folder / "link.h5").symlink_to(table_path)
        before = {path: path.read_bytes() for path in folder.iterdir()}
        for write in (
            lambda: model.encode_file(table_path, table_path, overwrite=overwrite),
            lambda: model.encode_file(folder / "link.h5", table_path, overwrite=overwrite),
            lambda: model.encode_file(table_path, folder / "model.pt", overwrite=overwrite),
            lambda: model.decode_file(folder / "tokens.h5", folder / "tokens.h5", overwrite=overwrite),
            lambda: model.decode_file(folder / "tokens.h5", folder / "model.pt", overwrite=overwrite),
            lambda: sl.discover_categories(table_path, FAST).save(table_path, overwrite=overwrite),
            lambda: sl.extract_features(table_path, table_path, overwrite=overwrite),
        ):
            with pytest.raises(OutputError, match=r"is also the input|exists already"):
                write()
        assert {path: path.read_bytes() for path in folder.iterdir()} == before

    def test_a_model_is_replaced_only_on_request(self, fitted: sl.Tokenizer, tmp_path: Path) -> None:
        (tmp_path / "model.pt").write_text("mine")
        with pytest.raises(OutputError, match=r"model.pt: exists already"):
            fitted.save(tmp_path / "model.pt")
        assert (tmp_path / "model.pt").read_text() == "mine"
        fitted.save(tmp_path / "model.pt", overwrite=True)
        assert sl.Tokenizer.load(tmp_path / "model.pt").sha256() == fitted.sha256()

    def test_a_run_is_replaced_only_on_request(self, tmp_path: Path) -> None:
        run: dict[str, Any] = {**FAST, "output_dir": tmp_path / "run"}
        sl.Tokenizer.fit(X, run, save=True)
        before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
        with pytest.raises(OutputError, match="run: already contains a run"):
            sl.Tokenizer.fit(X, run, save=True, random_seed=1)
        assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
        resumed = sl.Tokenizer.fit(X, run, save=True, epochs=1, resume_from=tmp_path / "run")
        assert resumed.checkpoint.state.progress.epoch == 1
        sl.Tokenizer.fit(X, run, save=True, random_seed=1, overwrite=True)
        assert sl.Tokenizer.load(tmp_path / "run/last.pt").checkpoint.config.random_seed == 1

    def test_a_run_does_not_replace_its_table(self, tmp_path: Path) -> None:
        path = write_table(tmp_path / "best_model.pt", X, NAMES)
        with pytest.raises(OutputError, match="is also the input"):
            sl.Tokenizer.fit(path, FAST, output_dir=tmp_path, save=True, overwrite=True)
        assert sl.read_features(path).names == tuple(NAMES)


class TestConfigurations:
    def test_every_kind_of_configuration_gives_the_same_model(self, fitted: sl.Tokenizer, tmp_path: Path) -> None:
        path = tmp_path / "small.json"
        path.write_text(json.dumps(FAST | {"_comment": "a small run", "verbose": True, "input_path": "elsewhere.h5"}))
        numbers = {key: np.int64(value) if type(value) is int else value for key, value in FAST.items()}
        numbers["factors"] = tuple(FAST["factors"]) if FAST.get("factors") else None
        given = (path, str(path), FAST | {"_comment": 1}, numbers)
        for config in given:
            assert sl.Tokenizer.fit(X, config, feature_names=NAMES).sha256() == fitted.sha256()

    def test_a_device_of_torch_is_accepted(self, fitted: sl.Tokenizer) -> None:
        device = torch.device("cpu")
        for config, keywords in ((FAST | {"device": device}, {}), (FAST, {"device": device})):
            assert sl.Tokenizer.fit(X, config, feature_names=NAMES, **keywords).sha256() == fitted.sha256()
        with pytest.raises(ConfigError, match='device: got "meta"'):
            sl.Tokenizer.fit(X, FAST, device=torch.device("meta"))

    def test_numbers_of_numpy_are_accepted(self) -> None:
        settings = FAST | {"learning_rate": np.float32(0.5), "use_ema": np.bool_(False), "batch_size": np.uint8(64)}
        config = sl.Tokenizer.fit(X, settings, random_seed=np.int32(3)).checkpoint.config
        assert (config.learning_rate, config.use_ema, config.batch_size, config.random_seed) == (0.5, False, 64, 3)
        with pytest.raises(ConfigError, match=r"epochs: got 0\.5 from a keyword argument, expected an integer"):
            sl.Tokenizer.fit(X, FAST, epochs=np.float64(0.5))

    @pytest.mark.parametrize("config", [3, [("epochs", 1)], {1, 2}])
    def test_another_type_is_refused(self, config: Any) -> None:
        with pytest.raises(ConfigError, match="expected VQVAEConfig, a mapping of its keys, or the path of its file"):
            sl.Tokenizer.fit(X, config)
        with pytest.raises(ConfigError, match="expected DatasetConfig, a mapping"):
            sl.generate(config, "data.h5")

    def test_a_mapping_configures_a_dataset(self, tmp_path: Path) -> None:
        config = small_config().model_dump(mode="json")
        result = sl.generate(config, tmp_path / "data.h5", num_samples=2)
        assert result.num_operators == 2
        with pytest.raises(ConfigError, match="num_sample: got an unknown key from the configuration"):
            sl.generate({**config, "num_sample": 2}, tmp_path / "new.h5")

    def test_discovery_without_a_table_reads_the_table_of_any_configuration(self, table_path: Path) -> None:
        config = config_from_mapping({**FAST, "input_path": str(table_path)}, where="test")
        for given in (config, {**FAST, "input_path": str(table_path)}):
            discovered = sl.discover_categories(config=given, num_categories_auto=2)
            assert discovered.path == str(table_path)
            assert len(discovered.names) == 2
        assert sl.discover_categories(input_path=table_path, num_categories_auto=3).path == str(table_path)
        with pytest.raises(ConfigError, match="did you mean num_categories_auto"):
            sl.discover_categories(config=config, num_categories_aut=3)  # type: ignore[call-arg]


class TestArgumentsThatDoNotApply:
    @pytest.mark.parametrize(
        ("keywords", "words"),
        [
            ({"feature_names": NAMES}, "feature_names are given with a table that has names"),
            ({"input_path": "other.h5"}, "input_path: got 'other.h5' together with the features of "),
            ({"feature_family": "abc"}, "feature_family: got 'abc', and the table of features has 'sdf'"),
            (
                {"feature_type": "per_timestep"},
                "feature_type: got 'per_timestep', and the table of features has 'aggre",
            ),
            ({"verbose": True}, "verbose: the command train-vqvae prints more with it"),
        ],
    )
    def test_a_table_is_not_contradicted(self, table_path: Path, keywords: dict[str, Any], words: str) -> None:
        table = sl.read_features(table_path)
        with pytest.raises((ConfigError, DataError), match=words):
            sl.Tokenizer.fit(table, FAST, **keywords)
        same = {"input_path": table_path, "feature_family": "sdf", "feature_type": "aggregated", "verbose": False}
        assert sl.Tokenizer.fit(table, FAST, **same).feature_names == tuple(NAMES)

    def test_input_path_does_not_apply_to_an_array_or_another_file(self, table_path: Path) -> None:
        with pytest.raises(ConfigError, match="together with features in memory"):
            sl.Tokenizer.fit(X, FAST, input_path=table_path)
        with pytest.raises(ConfigError, match="together with the features of "):
            sl.Tokenizer.fit(table_path, FAST, input_path="other.h5")

    @pytest.mark.parametrize("kind", ["array", "path", "table"])
    def test_groups_apply_to_every_kind_of_features(self, table_path: Path, kind: str) -> None:
        groups = np.arange(80) // 10
        given: dict[str, Any] = {"array": X, "path": table_path, "table": sl.read_features(table_path)}
        split = sl.Tokenizer.fit(given[kind], FAST, groups=groups).checkpoint.split
        assert set(groups[split.train_operators]).isdisjoint(groups[split.validation_operators])
        with pytest.raises(DataError, match=r"label 'groups' has shape \[3\]; expected \[80\]"):
            sl.Tokenizer.fit(given[kind], FAST, groups=groups[:3])

    @pytest.mark.parametrize("kind", ["array", "path", "table"])
    @pytest.mark.parametrize(
        ("groups", "words"),
        [
            ([None, *["ab"[i % 2] for i in range(79)]], "label 'groups' has no value for operator 0 (it is None)"),
            ([*range(79), None], "label 'groups' has no value for operator 79 (it is None)"),
            (np.full(80, None), "label 'groups' has no value for operator 0 (it is None)"),
            (pandas.Series(["a"] * 79 + [pandas.NA]), "label 'groups' has no value for operator 79"),
            (["a", float("nan")] * 40, "label 'groups' has no value for operator 1 (it is nan)"),
            (["a", "b\0"] * 40, r"value 1 of label 'groups' is 'b\x00'; expected text without NUL characters"),
            (np.array(["a\0b", "c"] * 40), r"value 0 of label 'groups' is 'a\x00b'"),
            ([b"a\0b", b"c"] * 40, r"value 0 of label 'groups' is b'a\x00b'"),
            ([[1], [1, 2]] * 40, "label 'groups' has values of different lengths"),
            (np.array([object()] * 80), "values of label 'groups' cannot be compared"),
        ],
        ids=[
            "None and text",
            "None and numbers",
            "None",
            "NA",
            "nan",
            "NUL",
            "NUL inside",
            "NUL in bytes",
            "lists",
            "objects",
        ],
    )
    def test_groups_without_a_usable_value_are_refused(
        self, table_path: Path, kind: str, groups: Any, words: str
    ) -> None:
        given: dict[str, Any] = {"array": X, "path": table_path, "table": sl.read_features(table_path)}
        with pytest.raises(DataError, match=re.escape(words)):
            sl.Tokenizer.fit(given[kind], FAST, groups=groups)

    @pytest.mark.parametrize("label", ["a\0b", None, 3])
    def test_a_label_needs_a_name_that_a_file_can_store(self, label: Any) -> None:
        with pytest.raises(DataError, match=re.escape(f"name of a label is {label!r}; expected text")):
            sl.read_features(X, labels={label: np.zeros(80)})
        with pytest.raises(DataError, match="labels are of type list; expected a mapping"):
            sl.read_features(X, labels=[label])

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (["a\0b", *NAMES[1:]], r"column name is 'a\x00b'; expected text without NUL characters"),
            ([*NAMES[1:], None], "feature_names[11] is None; expected text"),
            (5, "feature_names are 5; expected a list of text"),
            ("a" * 12, "feature_names are 'aaaaaaaaaaaa'; expected a list of text"),
        ],
    )
    def test_column_names_that_a_file_cannot_store_are_refused(self, names: Any, words: str) -> None:
        with pytest.raises(DataError, match=re.escape(words)):
            sl.Tokenizer.fit(X, FAST, feature_names=names)
        if isinstance(names, list) and None not in names:
            with pytest.raises(DataError, match=re.escape(words)):
                sl.Tokenizer.fit(pandas.DataFrame(X, columns=names), FAST)

    @pytest.mark.parametrize("argument", [{"feature_names": NAMES}, {"labels": {"family": np.zeros(80)}}])
    def test_a_file_has_its_own_names_and_labels(self, table_path: Path, argument: dict[str, Any]) -> None:
        with pytest.raises(DataError, match=f"{next(iter(argument))} is given with the path of a file"):
            sl.read_features(table_path, **argument)

    @pytest.mark.parametrize(
        ("argument", "words"),
        [
            (
                {"feature_type": "abc"},
                "feature_type is 'abc'; expected one of aggregated, per_trajectory, per_timestep",
            ),
            ({"family": "a/b"}, "family is 'a/b'"),
            ({"family": ""}, "family is ''"),
            ({"family": None}, "family is None"),
        ],
    )
    def test_the_place_of_an_array_is_checked(self, argument: dict[str, Any], words: str) -> None:
        with pytest.raises(DataError, match=words):
            sl.read_features(X.reshape(40, 2, 12), **argument)


class CountsSteps(sl.Callback):
    pass


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: t.decode(t.encode(X), levels=2.0), r"levels is 2\.0; expected an integer, 1 to 3"),
        (lambda t: t.decode(t.encode(X), levels=True), "levels is True; expected an integer"),
        (lambda t: t.decode(t.encode(X), levels="2"), "levels is '2'; expected an integer"),
        (lambda t: t.encode_file("a.h5", "b.h5", batch_size="a"), "batch_size is 'a'; expected an integer, 1 or more"),
        (lambda t: t.encode_file("a.h5", "b.h5", batch_size=2.5), r"batch_size is 2\.5; expected an integer"),
        (lambda t: t.encode_file(None, "b.h5"), "dataset: got None; expected a path that is not empty"),
        (lambda t: t.encode_file("a.h5", 3), "output: got 3; expected a path that is not empty"),
        (lambda t: t.decode_file("a.h5", ""), "output: got ''; expected a path that is not empty"),
        (lambda t: t.decode_file("a\0.h5", "b.h5"), r"tokens: got 'a\\x00.h5'; expected a path"),
        (lambda t: t.save(None), "path: got None; expected a path that is not empty"),
        (lambda t: sl.Tokenizer.load(None), "path: got None; expected a path that is not empty"),
        (lambda t: sl.Tokenizer.load(X), "path: got array.*expected a path"),
        (lambda t: sl.read_features("  "), "source: got '  '"),
        (lambda t: sl.discover_categories(X, stability=2.5), r"stability is 2\.5; expected an integer, 0 or more"),
        (lambda t: sl.discover_categories(X).save(7), "path: got 7; expected a path that is not empty"),
        (lambda t: sl.Tokenizer.fit(X, FAST, callbacks=CountsSteps()), r"callbacks is one Callback; expected a list"),
        (lambda t: sl.Tokenizer.fit(X, FAST, callbacks=print), "callbacks is <built-in function print>; expected a l"),
        (lambda t: sl.Tokenizer.fit(X, FAST, callbacks=[print]), "an item of callbacks is <built-in function print>"),
        (lambda t: sl.Tokenizer.fit(X, FAST, callbacks=[CountsSteps]), r"call the class: CountsSteps\(\)"),
        (
            lambda t: sl.generate(small_config(), "b.h5", callback=sl.Callback()),
            "expected an instance of .*GenerationC",
        ),
        (lambda t: sl.generate(small_config(), None), "output: got None; expected a path that is not empty"),
        (lambda t: sl.operators.Burgers().rollout(np.zeros((2, 32, 32)), steps=1.5), r"steps is 1\.5; expected an int"),
        (lambda t: sl.operators.Burgers().rollout([[0.0], [0.0, 1.0]]), "u0 is of type list; expected an array"),
        (lambda t: sl.operators.Burgers().rollout("u0"), "u0 has the shape"),
    ],
)
def test_a_wrong_type_is_one_line(
    fitted: sl.Tokenizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[sl.Tokenizer], Any],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(sl.SpinlockError, match=words) as error:
        call(fitted)
    assert "\n" not in str(error.value)
    assert "--" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_are_integers(fitted: sl.Tokenizer) -> None:
    tokens = fitted.encode(X)
    np.testing.assert_array_equal(fitted.decode(tokens, levels=np.int8(2)), fitted.decode(tokens, levels=2))
    frames = sl.operators.Burgers().rollout(np.zeros((2, 32, 32)).tolist(), steps=np.int64(3))
    assert frames.shape == (3, 2, 32, 32)


def test_tables_are_compared_by_their_content(table_path: Path) -> None:
    table = sl.read_features(table_path)
    assert table == sl.read_features(X, feature_names=NAMES)
    assert len({table, sl.read_features(X, feature_names=NAMES)}) == 1
    assert table != sl.read_features(X + 1, feature_names=NAMES)
    assert table != sl.read_features(X, feature_names=NAMES[::-1])
    assert fitted_twice_is_comparable(table)


def fitted_twice_is_comparable(table: sl.FeatureTable) -> bool:
    """Results with arrays can be compared without an error."""
    first, second = (sl.discover_categories(table, FAST, stability=2) for _ in range(2))
    return first.columns == second.columns and (first == second) in (True, False)


class TestEncoding:
    def test_tables_and_files_are_encoded_by_name(self, fitted: sl.Tokenizer, table_path: Path) -> None:
        expected = fitted.encode(X)
        order = np.random.default_rng(0).permutation(12)
        permuted = write_table(
            table_path.parent / "permuted.h5",
            np.column_stack([X[:, order], np.ones(80)]),
            [*np.array(NAMES)[order], "extra"],
        )
        for given in (table_path, str(permuted), sl.read_features(permuted), sl.read_features(permuted, max_bytes=1)):
            np.testing.assert_array_equal(fitted.encode(given), expected)
        with pytest.raises(DataError, match=r"narrow.h5: 2 of 12 columns are missing: c_10, c_11"):
            fitted.encode(write_table(table_path.parent / "narrow.h5", X[:, :10], NAMES[:10]))

    def test_tables_with_realizations_keep_their_shape(self) -> None:
        rows = X[:78].reshape(26, 3, 12)
        tokenizer = sl.Tokenizer.fit(rows, FAST, feature_type="per_trajectory", num_categories_auto=2)
        tokens = tokenizer.encode(sl.read_features(rows))
        assert tokens.shape == (26, 3, 6)
        np.testing.assert_array_equal(tokens, tokenizer.encode(rows))

    def test_files_report_their_progress(self, fitted: sl.Tokenizer, table_path: Path, tmp_path: Path) -> None:
        encoded: list[int] = []
        decoded: list[int] = []
        fitted.encode_file(table_path, tmp_path / "tokens.h5", batch_size=33, advance=encoded.append)
        fitted.decode_file(tmp_path / "tokens.h5", tmp_path / "decoded.h5", advance=decoded.append)
        assert encoded == [33, 33, 14]
        assert decoded == [80]

    def test_the_cleaner_is_that_of_the_model(self, fitted: sl.Tokenizer) -> None:
        assert fitted.cleaner is fitted.checkpoint.cleaner
        with pytest.raises(AttributeError):
            fitted.cleaner = None  # type: ignore[misc,assignment]


def test_a_damaged_checkpoint_is_a_checkpoint_error(tmp_path: Path) -> None:
    frame = pandas.DataFrame(X, columns=NAMES)
    torch.save(frame.to_numpy(), tmp_path / "model.pt")
    with pytest.raises(CheckpointError):
        sl.Tokenizer.load(tmp_path / "model.pt")
