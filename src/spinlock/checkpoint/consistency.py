"""Consistency of the parts of a checkpoint: indices, sizes, and facts that are stored more than once.

The functions read content that was checked against the schema in ``layout``, and raise a
:class:`~spinlock.checkpoint.schema.Mismatch`. The results of a run are checked in ``result_consistency``.

Letters: ``D`` input columns, ``U`` kept columns, ``C`` categories, ``N`` operators, ``M`` rows of an operator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from spinlock.checkpoint.containers import FixedMapping
from spinlock.checkpoint.file_content import FileContent
from spinlock.checkpoint.result_consistency import require_equal
from spinlock.checkpoint.schema import Mismatch, check, describe
from spinlock.checkpoint.tensor_schema import TensorOf
from spinlock.config import ModelSettings
from spinlock.model.spec import ModelSpec
from spinlock.model.weight_shapes import weight_shapes

MAX_WEIGHT = 1e9
"""Maximum absolute value of a weight. The inputs have a variance of about 1, so that larger weights do not result from
training, and their products could exceed the range of float32."""

MAX_COUNTED_STEPS = 2**24
"""The optimizer counts its steps in float32, in which larger numbers do not increase."""


def check_columns(cleaner: Mapping[str, Any]) -> None:
    """Check that each column is kept or dropped once, and that the statistics of the kept ones are numbers."""
    kept, columns = cleaner["kept"], cleaner["columns"]
    total = len(cleaner["names"])
    dropped = [reason[0] for reason in cleaner["reasons"]] + [each["column"] for each in cleaner["twins"]]
    _require_each_once("cleaner.kept with reasons and twins", [*kept.tolist(), *dropped], total)
    if bool((kept.diff() <= 0).any()):
        raise Mismatch("is not in ascending order", place="cleaner.kept")
    originals = {each["original"] for each in cleaner["twins"]} - {*kept.tolist()}
    if originals:
        raise Mismatch(f"names column {min(originals)} as original", "a kept column", "cleaner.twins")
    for name in ("median", "lower", "upper", "mean", "std"):
        if not bool(columns[name][kept].isfinite().all()):
            raise Mismatch("is not finite in a kept column", place=f"cleaner.columns.{name}")
    if not bool((columns["std"][kept] > 0).all()):
        raise Mismatch("is zero or negative in a kept column", place="cleaner.columns.std")
    if not bool((columns["lower"] <= columns["upper"])[kept].all()):
        raise Mismatch("is above upper in a kept column", place="cleaner.columns.lower")


def check_normalizer(cleaner: Mapping[str, Any], method: str) -> None:
    """Check that the normalization is that of the configuration, and can be inverted."""
    normalizer, kept, columns = cleaner["normalizer"], cleaner["kept"], cleaner["columns"]
    require_equal("cleaner.normalizer.method", normalizer["method"], method, "config")
    if method == "auto":
        heavy = normalizer["heavy"]
        if len(heavy) and (int(heavy.max()) >= len(kept) or not bool((heavy.diff() > 0).all())):
            raise Mismatch("does not select kept columns", place="cleaner.normalizer.heavy")
    if method in ("rank_gauss", "auto"):
        _check_knots(normalizer, "cleaner.normalizer")
    elif method == "standard":  # the mean and the standard deviation are stored twice
        for name, statistic in (("center", "mean"), ("scale", "std")):
            if not torch.equal(normalizer[name], columns[statistic][kept]):
                raise Mismatch(f"differs from cleaner.columns.{statistic}", place=f"cleaner.normalizer.{name}")


def check_ranks(cleaner: Mapping[str, Any]) -> None:
    """Check that the distribution functions, if there are any, increase from 0 to 1."""
    if "ranks" not in cleaner:
        return
    _check_knots(cleaner["ranks"], "cleaner.ranks")
    scores = cleaner["ranks"]["scores"]
    if bool(((scores < 0) | (scores > 1)).any()):
        raise Mismatch("contains numbers outside 0 to 1", place="cleaner.ranks.scores")


def _check_knots(functions: Mapping[str, Tensor], place: str) -> None:
    """Check that functions with knots increase."""
    counts, width = functions["counts"], functions["knots"].shape[1]
    if len(counts) and int(counts.max()) > width:
        raise Mismatch(f"contains {int(counts.max())}", f"at most {width} knots", f"{place}.counts")
    used = torch.arange(1, width) < counts[:, None]
    for name, smallest in (("knots", False), ("scores", True)):
        steps = functions[name].diff(dim=1)[used]
        if not bool((steps >= 0 if smallest else steps > 0).all()):
            raise Mismatch("is not in ascending order", place=f"{place}.{name}")


def check_spec(spec: Mapping[str, Any], kept: int) -> None:
    """Check that a specification of U kept columns has each of them in one category."""
    sizes = [len(group) for group in spec["groups"]]
    if sum(sizes) == kept:
        _require_each_once("model_spec.groups", (index for group in spec["groups"] for index in group), kept)
    else:
        raise Mismatch(f"contains {sum(sizes):,} columns", f"{kept:,} columns", "model_spec.groups")
    if 0 in sizes or sizes != sorted(sizes, reverse=True):
        raise Mismatch("is not in descending order of size", place="model_spec.groups")
    if sum(spec["bucket_sizes"]) != len(sizes):
        what = f"has the sum {sum(spec['bucket_sizes']):,}"
        raise Mismatch(what, f"{len(sizes)} categories", "model_spec.bucket_sizes")


def check_config(content: FileContent, config: ModelSettings, seeds: Mapping[str, int]) -> None:
    """Check that sizes and seeds are those of the configuration, in which all automatic values are resolved."""
    spec, state = content.model_spec, content.training_state
    for name in ("embedding_dim", "hidden_dim", "assignment"):
        require_equal(f"model_spec.{name}", spec[name], getattr(config, name), "config")
    factors = config.category_factors or {}
    if list(factors) != spec["category_names"]:
        raise Mismatch("differs from config.category_factors", place="model_spec.category_names")
    for key, attribute in (("latent_dims", "latent_dim"), ("num_codes", "num_codes")):
        for number, levels in enumerate(factors.values()):
            sizes = [getattr(level, attribute) for level in levels]
            if spec[key][number] != sizes:
                raise Mismatch(f"is {spec[key][number]}", f"{sizes} as in config", f"model_spec.{key}[{number}]")
    require_equal("training_state.random.seed", state["random"]["seed"], seeds["random_seed"], "config")
    for name, seed in content.provenance["seeds"].items():
        require_equal(f"provenance.seeds.{name}", seed, seeds.get(name), "config")


def check_weights(content: FileContent, spec: ModelSpec) -> None:
    """Check the shapes of all sets of weights before a network of the specification takes memory."""
    fields = {
        name: TensorOf((torch.int64,), shape)
        if name.endswith(".age")
        else TensorOf((torch.float32,), shape, maximum=MAX_WEIGHT)
        for name, shape in weight_shapes(spec).items()
    }
    for place, weights in (
        ("model_state_dict", content.model_state_dict),
        ("training_state.weights", content.training_state["weights"]),
        ("training_state.average", content.training_state.get("average", content.model_state_dict)),
    ):
        try:
            check(weights, FixedMapping(fields))
        except Mismatch as mismatch:
            raise mismatch.inside(place) from None


def check_optimizer(content: FileContent) -> None:
    """Check that the state of each parameter has the shape of a weight, and the number of steps of the run.

    Which parameter a state belongs to is checked when a run is resumed.
    """
    optimizer, weights = content.optimizer_state_dict, content.model_state_dict.values()
    steps = content.training_state["progress"]["step"]
    numbers = [number for group in optimizer["param_groups"] for number in group["params"]]
    _require_each_once("optimizer_state_dict.param_groups", numbers, len(numbers))
    if bool(optimizer["state"]) != (steps > 0):
        raise Mismatch(
            f"has {len(optimizer['state'])} states", f"those of {steps:,} steps", "optimizer_state_dict.state"
        )
    shapes = {tuple(weight.shape) for weight in weights}
    for number, state in optimizer["state"].items():
        place = f"optimizer_state_dict.state[{number}]"
        if number >= len(numbers):
            raise Mismatch("belongs to no parameter", f"0 to {len(numbers) - 1}", place)
        if min(steps, MAX_COUNTED_STEPS) != min(int(state["step"]), MAX_COUNTED_STEPS):
            raise Mismatch(f"is {int(state['step']):,}", f"{steps:,} as in training_state.progress", f"{place}.step")
        if state["exp_avg"].shape != state["exp_avg_sq"].shape or tuple(state["exp_avg"].shape) not in shapes:
            raise Mismatch(f"is {describe(state['exp_avg'])}", "the shape of a weight", f"{place}.exp_avg")


def check_split(content: FileContent, sizes: Mapping[str, int]) -> None:
    """Check that each of the N operators is on one side, and has M rows there."""
    operators, count = content.dataset["num_operators"], content.dataset["rows_per_operator"]
    sides = content.split_operators
    if sizes["n"] + sizes["m"] != operators or min(sizes["n"], sizes["m"]) == 0:
        what = f"has {sizes['n']:,} and {sizes['m']:,} operators"
        raise Mismatch(what, f"{operators:,} on two sides", "split_operators")
    for name, rows, indices in (("train", "r", "n"), ("validation", "s", "m")):
        if sizes[rows] != sizes[indices] * count:
            raise Mismatch(f"has {sizes[rows]:,} rows", f"{sizes[indices] * count:,}", f"split.{name}")
        if bool((sides[name].diff() <= 0).any()):
            raise Mismatch("is not in ascending order", place=f"split_operators.{name}")
    both = torch.cat([sides["train"].long(), sides["validation"].long()])
    if not torch.equal(both.sort().values, torch.arange(operators)):
        raise Mismatch("does not contain each operator once", place="split_operators")


def check_names(content: FileContent) -> None:
    """Check that the names of the columns are those of the dataset."""
    digest = hashlib.sha256("\n".join(content.cleaner["names"]).encode()).hexdigest()
    if content.dataset["names_sha256"] != digest:
        raise Mismatch("does not have the hash dataset.names_sha256", place="cleaner.names")


def check_derived(content: FileContent, derived: Mapping[str, Any]) -> None:
    """Check that parts for other programs have the values that follow from the other parts."""
    for key, value in derived.items():
        if not is_same(getattr(content, key), value):
            raise Mismatch(f"is {describe(getattr(content, key))} that contradicts other parts of the file", place=key)


def is_same(stored: Any, derived: Any) -> bool:
    """Return whether nested mappings and lists of numbers, strings and tensors are equal, tensors bit for bit."""
    if isinstance(derived, Tensor):
        return isinstance(stored, Tensor) and stored.dtype == derived.dtype and torch.equal(stored, derived)
    if isinstance(derived, dict):
        return list(stored) == list(derived) and all(is_same(stored[key], derived[key]) for key in derived)
    return bool(stored == derived)


def _require_each_once(place: str, indices: Iterable[int], count: int) -> None:
    """Raise a :class:`Mismatch` unless the indices are 0 to ``count`` - 1 in any order."""
    if sorted(indices) != list(range(count)):
        raise Mismatch("does not contain each index once", f"0 to {count - 1:,}", place)
