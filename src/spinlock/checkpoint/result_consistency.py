"""Consistency of the results of a run with its model: counters, history, metrics, validation errors and selection.

The results of another model are recognized by the numbers and names that a model determines. As in ``consistency``, the
functions raise a :class:`~spinlock.checkpoint.schema.Mismatch`.

Letters: ``C`` categories, ``K`` codes, ``U`` kept columns.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from spinlock.checkpoint.file_content import FileContent
from spinlock.checkpoint.layout import FINAL_METRICS
from spinlock.checkpoint.schema import Mismatch, check, describe
from spinlock.model.spec import LEVELS

ROUNDING = 1e-9
"""Relative difference up to which a stored number equals one that is computed again."""


def check_progress(content: FileContent) -> None:
    """Check that counters, history and losses describe the same run."""
    progress, history = content.training_state["progress"], content.history
    best = content.training_state["best_validation"]
    count = len(history.get("epoch", ()))
    # The history of best_model.pt also contains the epochs after the one at which its state was saved.
    epochs = list(range(max(count, min(progress["epoch"], count) + 1)))
    require_equal("history.epoch", history.get("epoch"), epochs, "training_state.progress")
    for name in ("best_epoch", "reference_epoch"):
        if progress[name] > progress["epoch"]:
            raise Mismatch(f"is {progress[name]}", f"at most {progress['epoch']}", f"training_state.progress.{name}")
    require_equal("training_state.best_validation.loss", best["loss"], progress["best_loss"], "progress")
    if bool(content.training_state["progress"]["losses"]) != (progress["step_in_epoch"] > 0):
        raise Mismatch("contradicts step_in_epoch", place="training_state.progress.losses")
    epoch = progress["best_epoch"]
    for name, value in best.items():
        values = history.get(f"val_{name}")
        stored = None if values is None else values[epoch]
        require_equal(f"history.val_{name}[{epoch}]", stored, value, "training_state.best_validation")
    try:
        torch.Generator().set_state(content.training_state["random"]["torch"])
    except RuntimeError:
        raise Mismatch("is not a state of a generator", place="training_state.random.torch") from None


def check_validation_errors(content: FileContent) -> None:
    """Check that there is an error for each validation row, or, if the table was streamed, for some of them."""
    errors, rows = content.validation_errors, len(content.split["validation"])
    is_streamed = content.training_state["progress"]["extent"] > 0
    if len(errors) == 0 or bool((errors.diff() < 0).any()):
        raise Mismatch("is not a list of errors in ascending order", place="validation_errors")
    if len(errors) > rows or (len(errors) < rows and not is_streamed):
        limit = "at most " if is_streamed else ""
        raise Mismatch(f"has {len(errors):,} rows", f"{limit}{rows:,} validation rows", "validation_errors")


def check_metrics(content: FileContent) -> None:
    """Check that the metrics are those of the model, or those of its best epoch if the run is not finished."""
    metrics, spec, cleaner = content.metrics, content.model_spec, content.cleaner
    if "reconstruction_quality" not in metrics:
        best = content.training_state["best_validation"]
        for name, value in best.items():
            stored = metrics.get(f"val_{name}", value)
            require_equal(f"metrics.val_{name}", stored, value, "training_state.best_validation")
        return
    try:
        check(metrics, FINAL_METRICS)
    except Mismatch as mismatch:
        raise mismatch.inside("metrics") from None
    if metrics.get("rank_quality") is not None and "extreme_rows" not in metrics:
        raise Mismatch("lacks extreme_rows beside rank_quality", place="metrics")
    kept = [cleaner["names"][column] for column in cleaner["kept"].tolist()]
    for key, names, source in (
        ("quality_by_category", spec["category_names"], "model_spec.category_names"),
        ("quality_by_feature", kept, "cleaner.names"),
        ("rank_quality_by_feature", kept, "cleaner.names"),
    ):
        stored = metrics.get(key, dict.fromkeys(names))
        if not isinstance(stored, dict) or list(stored) != names:
            expected = f"a mapping with the {len(names)} names of {source}"
            raise Mismatch(f"is {describe(stored)}", expected, f"metrics.{key}")
    codes = [size for sizes in spec["num_codes"] for size in sizes]
    for key, length in (("utilization_by_codebook", len(codes)), ("quality_by_level", LEVELS)):
        stored = metrics.get(key, [None] * length)
        if not isinstance(stored, list) or len(stored) != length:
            raise Mismatch(f"is {describe(stored)}", f"a list of {length} as in model_spec", f"metrics.{key}")
    _require_close("metrics.bits_per_sample", metrics.get("bits_per_sample"), sum(map(math.log2, codes)))
    _require_close("metrics.largest_category_share", metrics.get("largest_category_share"), _largest_share(spec))


def check_selection(content: FileContent) -> None:
    """Check that the selection chose the categories of the model."""
    chosen, spec = content.discovery["chosen"], content.model_spec
    require_equal("discovery.chosen.num_categories", chosen["num_categories"], len(spec["groups"]), "model_spec")
    _require_close("discovery.chosen.largest_fraction", chosen["largest_fraction"], _largest_share(spec))


def _largest_share(spec: dict[str, Any]) -> float:
    """Return the fraction of the U columns that the largest of the C categories has."""
    sizes = [len(group) for group in spec["groups"]]
    return max(sizes) / sum(sizes)


def _require_close(place: str, value: Any, expected: float) -> None:
    """Raise a :class:`Mismatch` unless a number is absent or equals one that follows from the specification."""
    if value is not None and not (isinstance(value, float | int) and math.isclose(value, expected, rel_tol=ROUNDING)):
        raise Mismatch(f"is {describe(value)}", f"{expected:.6g} as in model_spec", place)


def require_equal(place: str, value: Any, expected: Any, source: str) -> None:
    """Raise a :class:`Mismatch` unless a value equals that of another part, and has its type."""
    if type(value) is not type(expected) or value != expected:
        raise Mismatch(f"is {describe(value)}", f"{describe(expected)} as in {source}", place)
