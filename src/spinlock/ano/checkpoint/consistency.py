"""Checks of the content of a file that the schema of single values cannot express.

Letters: ``N`` operators, ``F`` families, ``P`` parameters, ``L`` levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from spinlock.ano.calibration.conformal import LEVELS, MAX_HALF_WIDTH
from spinlock.ano.data.split import PARTS
from spinlock.checkpoint.schema import Mismatch

METRICS = (
    "operators",
    "family_accuracy",
    "family_ece",
    "information_bits",
    "coverage",
    "parameter_coverage",
    "family_recall",
)
"""Metrics that a finished run must have, because ``train-ano`` prints them; see
:func:`spinlock.ano.calibration.fit.held_out_metrics`."""


def check_consistent(raw: Mapping[str, Any]) -> None:
    """Raise a :class:`Mismatch` unless the parts of the content agree.

    Parameters
    ----------
    raw
        Content of a file that satisfies the schema.
    """
    _check_operators(raw)
    _check_space(raw["space"])
    _check_network(raw)
    if raw["calibration"] is not None:
        _check_calibration(raw["calibration"])
        missing = [name for name in METRICS if name not in raw["metrics"]]
        if missing:
            raise Mismatch(f"has no {missing[0]}", "the metrics of a finished run", "metrics")


def _check_operators(raw: Mapping[str, Any]) -> None:
    """Raise an error unless each of the N operators has a hash and is in one part of the split."""
    count = len(raw["tokens"]["operators"])
    split = torch.cat([raw["operators"][part] for part in PARTS])
    if len(split) != count:
        raise Mismatch(
            "does not have one hash for each operator in the split", "one for each operator", "tokens.operators"
        )
    if not torch.equal(split.sort().values, torch.arange(count)):
        raise Mismatch("are not a split", f"each of the operators 0 to {count - 1} once", "operators")


def _check_space(space: Mapping[str, Any]) -> None:
    """Raise an error unless the families have columns of the P parameters, and scales can be evaluated."""
    count = len(space["scales"])
    for index, columns in enumerate(space["columns"]):
        if columns and not 0 <= min(columns) <= max(columns) < count:
            raise Mismatch("has a column that does not exist", f"0 to {count - 1}", f"space.columns[{index}]")
    for index, scale in enumerate(space["scales"]):
        values, place = scale["values"], f"space.scales[{index}].values"
        if scale["kind"] == "options":
            if not values:
                raise Mismatch("is empty", "the options of the parameter", place)
        elif len(values) != 2:
            raise Mismatch(f"has {len(values)} values", "the values at 0 and at 1", place)
        elif scale["kind"] == "log" and min(values) <= 0:
            raise Mismatch(f"contains {min(values):g}", "values above 0", place)


def _check_network(raw: Mapping[str, Any]) -> None:
    """Raise an error unless the network has the tokens of the source and the parameters of the space."""
    space, network = raw["space"], raw["network"]
    if network["codebook_sizes"] != raw["tokens"]["codebook_size"]:
        raise Mismatch("are not those of the tokens", "tokens.codebook_size", "network.codebook_sizes")
    expected = [
        0 if prior else len(columns) for columns, prior in zip(space["columns"], space["prior_only"], strict=True)
    ]
    if network["num_parameters"] != expected:
        raise Mismatch("are not those of the families", "lengths of space.columns", "network.num_parameters")


def _check_calibration(calibration: Mapping[str, Any]) -> None:
    """Raise an error unless the temperature is positive and the half widths are between 0 and 0.5."""
    if calibration["temperature"] <= 0:
        raise Mismatch(f"is {calibration['temperature']}", "a number above 0", "calibration.temperature")
    widths, place = np.array(calibration["widths"]["half_widths"]), "calibration.widths.half_widths"
    if widths.ndim != 2 or widths.shape[1] != len(LEVELS):
        raise Mismatch(f"has the shape {list(widths.shape)}", f"{len(LEVELS)} levels of each family", place)
    if widths.size and not (widths.min() >= 0 and widths.max() <= MAX_HALF_WIDTH):
        raise Mismatch(f"has values from {widths.min():g} to {widths.max():g}", f"0 to {MAX_HALF_WIDTH}", place)
