"""The result of an evaluation of an ANO, as named numbers and as JSON.

Letters: ``n`` operators, ``F`` families.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from spinlock.ano.evaluation.calibration import SimulationBasedCalibration
from spinlock.ano.evaluation.families import Families
from spinlock.ano.evaluation.information.section import Information
from spinlock.ano.evaluation.parameters import Parameters
from spinlock.ano.evaluation.targets import closed_loop_target
from spinlock.evaluation.metrics_file import metrics_content, metrics_file
from spinlock.evaluation.operators.section import Baselines
from spinlock.metrics.targets import Target

FORMAT_VERSION = 1
"""Version of the keys of ``metrics.json``. It increases if a key is removed or its meaning changes."""


@dataclass(frozen=True)
class ANOSetup:
    """What was evaluated, and how.

    Attributes
    ----------
    tokens
        Path of the token file.
    tokenizer_sha256
        SHA-256 of the tokenizer of the tokens.
    dataset, tokenizer
        Paths of the dataset and of the tokenizer, or None.
    same_tokens
        Whether the token file is the one on which the model was trained.
    num_operators, num_excluded, num_unseen
        Number of measured operators, of operators of the token file that are not measured because the model was fitted
        or chosen on them, and of measured operators on which the tokenizer was not fitted.
    num_families, num_parameters, num_token_columns
        Sizes of the model.
    draws
        Number of posterior draws of each operator.
    seed
        Seed of draws, reference points and fits.
    versions
        Versions of the software.
    """

    tokens: str
    tokenizer_sha256: str
    dataset: str | None
    tokenizer: str | None
    same_tokens: bool
    num_operators: int
    num_excluded: int
    num_unseen: int
    num_families: int
    num_parameters: int
    num_token_columns: int
    draws: int
    seed: int
    versions: dict[str, str]


@dataclass(frozen=True)
class ANOEvaluation:
    """Evaluation of an ANO.

    Attributes
    ----------
    setup
        What was evaluated, and how.
    targets
        Metrics with their thresholds.
    advice
        {metric of a missed target: what to know about its value}.
    families, parameters
        Accuracy of both.
    calibration
        Simulation-based calibration of the densities of the parameters.
    information
        Information about the parameters on the way from features to predictions; None if it was not measured.
    baselines
        Other estimators; None if they were not measured.
    closed_loop
        Content of a :class:`~spinlock.closed_loop.loop.ClosedLoop`; None if it was not measured.
    skipped
        {section: reason why it was not measured}.
    """

    setup: ANOSetup
    targets: tuple[Target, ...]
    advice: dict[str, str]
    families: Families
    parameters: Parameters
    calibration: SimulationBasedCalibration
    information: Information | None
    baselines: Baselines | None
    closed_loop: Mapping[str, Any] | None
    skipped: dict[str, str]

    def with_closed_loop(self, content: Mapping[str, Any], gap: float | None, note: str) -> ANOEvaluation:
        """Return the evaluation with a closed loop.

        Parameters
        ----------
        content
            Content of a :class:`~spinlock.closed_loop.loop.ClosedLoop`.
        gap
            Value of the target ``closed_loop_gap``; None if no PDE operator was simulated.
        note
            What to know about the value if the target is missed.
        """
        target = closed_loop_target(gap)
        targets = tuple(target if each.metric == target.metric else each for each in self.targets)
        advice = {metric: text for metric, text in self.advice.items() if metric != target.metric}
        if not target.met:
            advice[target.metric] = note
        return replace(self, closed_loop=content, targets=targets, advice=advice)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``; values that are NaN or infinite are None."""
        return metrics_content(self, FORMAT_VERSION)

    def to_json(self) -> bytes:
        """Return ``metrics.json``."""
        return metrics_file(self.to_dict())
