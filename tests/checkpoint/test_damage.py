"""Checkpoints whose parts are of another kind, are not finite, or contradict each other are refused on loading."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from spinlock import Tokenizer
from spinlock.checkpoint import schema
from spinlock.checkpoint.reading import to_checkpoint
from spinlock.errors import CheckpointError
from tests.checkpoint.files import JOINT, LOCAL, content_of, place, refusal
from tests.training.runs import config, trained_run, write_table_in

OTHER_KINDS = {
    "null": None,
    "text": "words",
    "list": [1, [2]],
    "nested": {"a": {"b": [None]}},
    "tensor": torch.zeros(3, 1, 2),
    "complex tensor": torch.zeros(2, dtype=torch.complex64),
    "huge integer": 10**5000,
    "negative": -1,
    "nan": float("nan"),
    "infinity": float("inf"),
}


def places(value: Any, path: str = "") -> Iterator[str]:
    """All paths below a value; of a list and of a mapping with many entries of one kind the first two."""
    if path:
        yield path
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if type(value) is list else []
    tested = entries if path in ALL_ENTRIES or path.count("/") == 0 else entries[:2]
    for key, item in tested:
        yield from places(item, f"{path}/{key}".lstrip("/"))


ALL_ENTRIES = {
    "cleaner/columns", "cleaner/normalizer", "model_spec", "dataset", "discovery", "discovery/chosen", "training_state",
    "training_state/progress", "training_state/best_validation", "optimizer_state_dict/state/0",
}  # fmt: skip
"""Mappings of which every entry is tested."""

FREE = ("config", "requested_config", "metrics", "provenance", "training_state/environment", "discovery", "history",
        "dataset/f", "training_state/compile/reason", "optimizer_state_dict/param_groups/")  # fmt: skip
"""Parts with values of several kinds, which are recorded and not computed with; not every other kind is an error."""

PATHS = sorted(set(places(content_of())) - {"kind", "format_version"})


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return content_of()


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_part_of_another_kind_is_named(kind: str, whole: dict[str, Any]) -> None:
    assert len(PATHS) > 150
    for path in PATHS:
        content = copied(whole)
        place(content, path, OTHER_KINDS[kind])
        strict = kind in ("tensor", "complex tensor", "huge integer")
        free = kind == "negative" or (path.startswith(FREE) and (path == "metrics" or "/" in path) and not strict)
        try:
            to_checkpoint(content)
        except CheckpointError as error:
            message = str(error)
        else:
            assert free, path
            continue
        assert message.startswith("<memory>: is damaged: "), path
        assert path.split("/")[0].removesuffix("_operators") in message or path in NAMED_BY_OTHERS, (path, message)
        assert "\n" not in message
        assert len(message) < 400


def copied(value: Any) -> Any:
    """A copy of nested lists and mappings with the same tensors."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


NAMED_BY_OTHERS = {
    "dataset/num_operators": "split_operators",
    "dataset/rows_per_operator": "split",
    "training_state/progress/step": "optimizer_state_dict",
    "training_state/progress/epoch": "history",
}
"""Places of numbers that are compared with another part, which is then named."""


def refusal_in_memory(content: dict[str, Any]) -> str:
    """The message for this content, which :func:`refusal` writes into a file and reads again."""
    with pytest.raises(CheckpointError) as error:
        to_checkpoint(content)
    message = str(error.value)
    assert message.startswith("<memory>: ")
    assert "\n" not in message
    assert len(message) < 500
    return message


def tensors(value: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Path of every tensor."""
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors(item, f"{path}/{key}".lstrip("/"))


@pytest.mark.parametrize("path", [path for path, tensor in tensors(content_of()) if tensor.is_floating_point()])
@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_number_that_is_not_finite_is_refused(path: str, number: str, whole: dict[str, Any]) -> None:
    content = copied(whole)
    tensor = dict(tensors(content))[path].clone()
    tensor.view(-1)[:1] = float(number)
    place(content, path, tensor)
    if tensor.numel() > 0:
        assert "is damaged: " in refusal_in_memory(content)


@pytest.mark.parametrize("path", [path for path, _ in tensors(content_of())])
@pytest.mark.parametrize("change", ["shorter", "longer", "transposed", "another type"])
def test_a_tensor_of_another_shape_or_type_is_refused(path: str, change: str, whole: dict[str, Any]) -> None:
    content = copied(whole)
    tensor = dict(tensors(content))[path]
    changed = {
        "shorter": lambda: tensor.flatten()[:-1].clone(),
        "longer": lambda: torch.cat([tensor.flatten(), tensor.flatten()[:1], tensor.flatten()[:1]]),
        "transposed": lambda: tensor[None].clone(),
        "another type": lambda: tensor.to(torch.float16),
    }[change]()
    place(content, path, changed)
    message = refusal_in_memory(content)
    assert "is damaged: " in message
    assert path.split("/")[0].removesuffix("_operators") in message


CONTRADICTIONS = {
    "zero scale": ("cleaner/normalizer/scale", torch.zeros(12, dtype=torch.float64), "numbers that are zero or negat"),
    "negative scale": ("cleaner/normalizer/scale", -torch.ones(12, dtype=torch.float64), "that are zero or negative"),
    "another scale": ("cleaner/normalizer/scale", torch.ones(12, dtype=torch.float64), "differs from cleaner.columns"),
    "another center": ("cleaner/normalizer/center", torch.ones(12, dtype=torch.float64), "differs from cleaner.colum"),
    "another normalization": ("cleaner/normalizer/method", "robust", "is 'robust'; expected 'standard'"),
    "kept column out of range": ("cleaner/kept", torch.arange(2, 14), "does not contain each index once"),
    "kept column twice": ("cleaner/kept", torch.zeros(12, dtype=torch.int64), "does not contain each index once"),
    "duplicate of a dropped column": ("cleaner/twins/0/original", 12, "names column 12 as original"),
    "dropped column out of range": ("cleaner/reasons/0/0", 99, "does not contain each index once"),
    "unknown reason": ("cleaner/reasons/0/1", "dull", "expected one of missing, constant, duplicate"),
    "column name twice": ("cleaner/names/1", "a_0", "contains a value twice"),
    "another column name": ("cleaner/names/1", "a_9", "does not have the hash dataset.names_sha256"),
    "category name twice": ("model_spec/category_names", ["a", "a", "b"], "contains a value twice"),
    "another category name": ("model_spec/category_names/0", "z", "differs from config.category_factors"),
    "group out of range": ("model_spec/groups/0/0", 99, "does not contain each index once"),
    "group with a column twice": ("model_spec/groups/0/1", 0, "does not contain each index once"),
    "empty group": ("model_spec/groups/0", [], "model_spec.groups contains"),
    "no bucket": ("model_spec/bucket_sizes", [], "has the sum 0; expected 3 categories"),
    "buckets of other categories": ("model_spec/bucket_sizes", [2, 2], "has the sum 4; expected 3 categories"),
    "10^9 codes": ("model_spec/num_codes/0", [10**9, 3, 2], "is [1000000000, 3, 2]; expected [4, 3, 2] as in config"),
    "another latent width": ("model_spec/latent_dims/1", [8, 4, 4], "expected [4, 4, 4] as in config"),
    "embedding of 10^9": ("model_spec/embedding_dim", 10**9, "is 1000000000; expected 4"),
    "hidden layer of 10^9": ("model_spec/hidden_dim", 10**9, "is 1000000000; expected 4"),
    "decoder of 10^9": ("model_spec/decoder_dim", 10**9, "expected a tensor float32 [12, 1000000000]"),
    "beam of 10^9": ("model_spec/beam_width", 10**9, "at least 1 and at most 64"),
    "another assignment": ("model_spec/assignment", "joint", "model_spec.assignment is 'joint'; expected 'local'"),
    "10^9 operators": ("dataset/num_operators", 10**9, "expected 1,000,000,000 on two sides"),
    "10^9 rows of an operator": ("dataset/rows_per_operator", 10**9, "expected 72,000,000,000"),
    "operator on both sides": ("split_operators/validation", torch.arange(8), "does not contain each operator once"),
    "operators in another order": ("split_operators/validation", torch.arange(8).flip(0), "not in ascending order"),
    "other rows": ("split/train", torch.arange(72, dtype=torch.int32), "contradicts other parts of the file"),
    "validation errors in another order": ("validation_errors", torch.arange(8.0).flip(0), "in ascending order"),
    "no validation errors": ("validation_errors", torch.zeros(0), "is not a list of errors"),
    "another loss": ("val_loss", 0.5, "val_loss is 0.5 that contradicts"),
    "loss of another epoch": ("training_state/best_validation/loss", 0.5, "best_validation.loss is 0.5; expected 0."),
    "another group": ("group_indices/a/0", 0, "group_indices is a mapping"),
    "another mean": ("normalization_stats/a/mean", torch.zeros(5, dtype=torch.float64), "normalization_stats is"),
    "another feature name": ("feature_names/0", "x", "feature_names is a list of 14 that contradicts"),
    "another reason": ("dropped_features/steady", "x", "dropped_features is a mapping"),
    "an epoch more": ("training_state/progress/epoch", 4, "history.epoch is a list of 4; expected a list of 5"),
    "best epoch in the future": ("training_state/progress/best_epoch", 9, "best_epoch is 9; expected at most 3"),
    "steps of the optimizer": ("training_state/progress/step", 7, "step is 6; expected 7"),
    "losses of no step": ("training_state/progress/losses", {"total": 1.0}, "losses contradicts step_in_epoch"),
    "a missing epoch": ("history/epoch", [0, 1, 3, 4], "history.epoch is a list of 4; expected a list of 4"),
    "history of another length": ("history/score", [1.0], "history.score is a list of 1; expected a list of 4"),
    "random state": ("training_state/random/torch", torch.zeros(5056, dtype=torch.uint8), "not a state of a generator"),
    "another seed": ("training_state/random/seed", 7, "training_state.random.seed is 7; expected 42"),
    "another seed of the split": ("provenance/seeds/split_seed", 7, "seeds.split_seed is 7; expected 42"),
    "unknown key of the configuration": ("config/epoch", 7, "did you mean epochs?"),
    "wrong value of the configuration": ("config/epochs", "x", "config has a wrong value: epochs: got"),
    "wrong value of the request": ("requested_config/epochs", "x", "requested_config has a wrong value: epochs: got"),
    "optimizer state of no parameter": ("optimizer_state_dict/state/9999", None, "state[9999] is null; expected a map"),
    "optimizer group of other parameters": ("optimizer_state_dict/param_groups/0/params/0", 1, "does not contain each"),
    "qualities of other categories": ("metrics/quality_by_category", {"a": 0.5, "b": 0.5}, "3 names of model_spec"),
    "qualities of other features": ("metrics/quality_by_feature", {"x": 0.5}, "the 12 names of cleaner.names"),
    "use of other codebooks": ("metrics/utilization_by_codebook", [1.0] * 6, "expected a list of 9 as in model_spec"),
    "bits of other codebooks": ("metrics/bits_per_sample", 20.0, "bits_per_sample is 20.0; expected 13.7549 as in"),
    "share of another category": ("metrics/largest_category_share", 0.5, "is 0.5; expected 0.416667 as in model_spec"),
    "selection of other categories": ("discovery/chosen/num_categories", 2, "num_categories is 2; expected 3 as in"),
    "selection of another size": ("discovery/chosen/largest_fraction", 0.5, "is 0.5; expected 0.416667 as in model_s"),
    "validation of another run": ("training_state/best_validation/quality", 0.5, "val_quality[0] is 0.69796957754541"),
    "history of another run": ("history/val_loss/0", 0.5, "history.val_loss[0] is 0.5; expected 0.5541898770005089 as"),
    "fewer validation errors": ("validation_errors", torch.zeros(7), "has 7 rows; expected 8 validation rows"),
    "more validation errors": ("validation_errors", torch.zeros(9), "has 9 rows; expected 8 validation rows"),
    "metrics of another epoch": ("metrics", {"val_loss": 0.5}, "metrics.val_loss is 0.5; expected 0.5541898770005089"),
    "target that is text": ("metrics/reconstruction_quality", "high", "is 'high'; expected a number"),
    "text that is not Unicode": ("cleaner/names/1", "a\ud800", "text that can be written as UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_named(name: str, tmp_path: Path) -> None:
    path, value, words = CONTRADICTIONS[name]
    content = content_of()
    place(content, path, value)
    message = refusal(tmp_path, content)
    assert "is damaged: " in message
    assert words in message


@pytest.mark.parametrize("source", [LOCAL, JOINT], ids=["local", "joint"])
@pytest.mark.parametrize("part", ["model_state_dict", "training_state/weights"])
def test_each_weight_needs_its_shape(source: Path, part: str, tmp_path: Path) -> None:
    names = list(content_of(source)["model_state_dict"])
    for name in names[:: len(names) // 6]:
        content = content_of(source)
        place(content, f"{part}/{name}", torch.zeros(3, 3, 3, 3))
        assert f"is damaged: {part.replace('/', '.')}.{name} is a tensor float32 [3, 3, 3, 3]" in refusal(
            tmp_path, content
        )
    content = content_of(source)
    weights = content["model_state_dict"] if "/" not in part else content["training_state"]["weights"]
    weights["extra"] = torch.zeros(2)
    weights[names[0]] = weights[names[0]] + 1e30
    del weights["extra"]
    assert f"{names[0]} contains 1e+30; expected absolute values of at most 1e+09" in refusal(tmp_path, content)
    weights["extra"] = torch.zeros(2)
    weights[names[0]] = weights[names[0]] - 1e30
    assert "contains the unknown key extra" in refusal(tmp_path, content)
    del weights["extra"], weights[names[0]]
    assert f"lacks {names[0]}" in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("cleaner/normalizer/counts/0", 9999, "counts contains 9999; expected at most"),
        ("cleaner/normalizer/counts/0", 1, "counts contains 1; expected numbers of at least 2"),
        ("cleaner/normalizer/knots/0/1", 1e9, "knots is not in ascending order"),
        ("cleaner/normalizer/scores/0/1", 1e9, "scores is not in ascending order"),
    ],
)
def test_a_normalization_by_ranks_has_ascending_knots(
    path: str, value: float, words: str, normalized_by_ranks: Path, tmp_path: Path
) -> None:
    content = content_of(normalized_by_ranks)
    place(content, path, value)
    assert f"is damaged: cleaner.normalizer.{words}" in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("cleaner/ranks/counts/0", 9999, "cleaner.ranks.counts contains 9999; expected at most"),
        ("cleaner/ranks/knots/0/1", 1e9, "cleaner.ranks.knots is not in ascending order"),
        ("cleaner/ranks/knots/0/1", float("nan"), "cleaner.ranks.knots contains numbers that are not finite"),
        ("cleaner/ranks/scores/0/1", 1e9, "cleaner.ranks.scores is not in ascending order"),
        ("cleaner/ranks/scores/0/0", -1.0, "cleaner.ranks.scores contains numbers outside 0 to 1"),
        ("cleaner/ranks/scores", torch.zeros(3, 4), "cleaner.ranks.scores is a tensor float32 [3, 4]"),
        ("cleaner/ranks", None, "cleaner.ranks is null"),
        ("metrics/rank_quality", "high", "metrics.rank_quality is 'high'; expected a number or null"),
        ("metrics/rank_quality_by_feature", {"x": 0.5}, "the 24 names of cleaner.names"),
        ("metrics/extreme_rows/largest/0/row", -1, "metrics.extreme_rows.largest[0].row is -1"),
        ("metrics/extreme_rows", {}, "metrics.extreme_rows lacks largest"),
    ],
)
def test_damaged_ranks_are_named(path: str, value: Any, words: str, finished: Path, tmp_path: Path) -> None:
    content = content_of(finished)
    place(content, path, value)
    message = refusal(tmp_path, content)
    assert "is damaged: " in message
    assert words in message


def test_ranks_without_their_extreme_rows_are_refused(finished: Path, tmp_path: Path) -> None:
    content = content_of(finished)
    del content["metrics"]["extreme_rows"]
    assert "metrics lacks extreme_rows beside rank_quality" in refusal(tmp_path, content)


def test_a_checkpoint_without_ranks_is_read(finished: Path, tmp_path: Path) -> None:
    content = content_of(finished)
    del content["cleaner"]["ranks"]
    torch.save(content, tmp_path / "earlier.pt")
    assert Tokenizer.load(tmp_path / "earlier.pt").cleaner.ranks is None


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """best_model.pt of a finished run."""
    return finished_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def normalized_by_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """best_model.pt of a finished run with normalization by ranks."""
    return finished_run(tmp_path_factory.mktemp("ranks"), normalization_method="rank_gauss")


def finished_run(folder: Path, **settings: Any) -> Path:
    write_table_in(folder)
    trained_run(config(folder, epochs=0, **settings))
    return folder / "out" / "best_model.pt"


def test_lists_that_share_their_elements_are_not_followed_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nested: Any = [1] * 100
    for _ in range(4):
        nested = [nested] * 100
    monkeypatch.setattr(schema, "MAX_VALUES", 100_000)
    assert "contains more than 100,000 values" in refusal(tmp_path, content_of() | {"metrics": {"a": nested}})


def test_further_keys_are_not_read(tmp_path: Path) -> None:
    torch.save(content_of() | {"note": "mine", "extra": torch.zeros(2)}, tmp_path / "more.pt")
    assert Tokenizer.load(tmp_path / "more.pt").sha256() == Tokenizer.load(LOCAL).sha256()


def test_a_streamed_table_has_errors_of_some_validation_rows(tmp_path: Path) -> None:
    content = content_of()
    content["validation_errors"] = content["validation_errors"][:5].clone()
    content["training_state"]["progress"]["extent"] = 20
    torch.save(content, tmp_path / "streamed.pt")
    assert len(Tokenizer.load(tmp_path / "streamed.pt").checkpoint.validation.errors) == 5
