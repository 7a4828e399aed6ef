"""Evaluation of an ANO on a token file.

Letters: ``n`` measured operators.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock.ano.evaluation.calibration import measure_calibration
from spinlock.ano.evaluation.families import measure_families
from spinlock.ano.evaluation.information.representations import (
    check_tokenizer,
    decoded_features,
    raw_features,
    token_vectors,
)
from spinlock.ano.evaluation.information.section import DECODED, RAW, TOKENS, Information, measure_information
from spinlock.ano.evaluation.operators import EvaluatedOperators, read_operators
from spinlock.ano.evaluation.parameters import measure_parameters
from spinlock.ano.evaluation.posteriors import FamilyPosterior, family_posteriors
from spinlock.ano.evaluation.result import ANOEvaluation, ANOSetup
from spinlock.ano.evaluation.targets import ano_targets, target_notes
from spinlock.ano.model import ANO
from spinlock.arguments import checked_integer
from spinlock.checkpoint.provenance import versions
from spinlock.config.data import MAX_SEED
from spinlock.errors import DataError
from spinlock.evaluation.operators.section import Baselines, KnownOperators, measure_baselines
from spinlock.paths import user_path
from spinlock.runtime.isolation import isolated
from spinlock.tokenizer import Tokenizer

STEPS = ("families", "parameters", "calibration", "information", "baselines")
"""Steps of an evaluation, in their order."""

DRAWS = 500
"""Number of posterior draws of each operator."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sources:
    """What is evaluated: a model, its tokens, and the dataset and the tokenizer of these tokens, or None."""

    ano: ANO
    tokens: Path
    dataset: Path | None
    tokenizer: Tokenizer | None


def evaluate_ano(
    ano: ANO | Path | str,
    tokens: Path | str,
    *,
    dataset: Path | str | None = None,
    tokenizer: Tokenizer | Path | str | None = None,
    seed: int = 0,
    advance: Callable[[str], None] = lambda step: None,
) -> ANOEvaluation:
    """Measure an ANO on operators with known families and parameters.

    Operators on which nothing of the model was fitted or chosen are measured: of the token file of the training the
    test operators of its split, and of another token file all operators but those of the training.

    Parameters
    ----------
    ano
        The model, or its path.
    tokens
        Token file with families and parameters.
    dataset
        Dataset that was encoded, for the information of the raw features.
    tokenizer
        The tokenizer that wrote the tokens, or its path, for the information of the decoded features.
    seed
        Seed of draws, reference points and fits.
    advance
        Called with the name of each step before it is done, of :data:`STEPS`.

    Returns
    -------
    ANOEvaluation

    Raises
    ------
    DataError
        A file cannot be read, lacks families or parameters, or is of another tokenizer or dataset.
    CheckpointError
        A model cannot be loaded.
    """
    checked_integer("seed", seed, minimum=0, maximum=MAX_SEED)
    sources = Sources(
        ano if isinstance(ano, ANO) else ANO.load(ano),
        user_path(tokens, "tokens"),
        None if dataset is None else user_path(dataset, "dataset"),
        _tokenizer(tokenizer),
    )
    with isolated():
        return _evaluated(sources, seed, advance)


def _tokenizer(tokenizer: Tokenizer | Path | str | None) -> Tokenizer | None:
    """Return the tokenizer of an argument, which can be its path."""
    if isinstance(tokenizer, str | os.PathLike):
        return Tokenizer.load(tokenizer)
    if tokenizer is None or isinstance(tokenizer, Tokenizer):
        return tokenizer
    raise DataError(f"tokenizer is of the type {type(tokenizer).__name__}", expected="a Tokenizer, or its path")


def _evaluated(sources: Sources, seed: int, advance: Callable[[str], None]) -> ANOEvaluation:
    """Measure all sections."""
    ano, predictor = sources.ano, sources.ano.predictor
    space, rng = ano.checkpoint.space, np.random.default_rng(seed)
    if sources.tokenizer is not None:
        check_tokenizer(sources.tokenizer, ano.checkpoint.source.model_sha256)
    operators = read_operators(ano, sources.tokens, rng)
    measured = operators.measured
    advance("families")
    probability = ano.predict(operators.tokens[measured], candidates=1).family_probability
    families = measure_families(
        space.families, probability, operators.family[measured], operators.unseen[measured], rng
    )
    advance("parameters")
    posteriors = family_posteriors(predictor, operators, DRAWS, seed)
    if not posteriors:
        raise DataError("no measured operator has a parameter", where=str(sources.tokens))
    parameters = measure_parameters(posteriors, space, predictor.widths)
    advance("calibration")
    calibration = measure_calibration(posteriors, space, rng)
    vectors, skipped = _vectors(sources, operators)
    information = baselines = None
    if vectors:
        advance("information")
        information = _information(sources, vectors, operators, posteriors)
        advance("baselines")
        baselines = _baselines(sources, vectors, operators, seed)
    targets = ano_targets(families, parameters, calibration, information)
    notes = target_notes(families, parameters, calibration, information)
    return ANOEvaluation(
        setup=_setup(sources, operators, seed),
        targets=targets,
        advice={target.metric: notes[target.metric] for target in targets if not target.met},
        families=families,
        parameters=parameters,
        calibration=calibration,
        information=information,
        baselines=baselines,
        closed_loop=None,
        skipped=skipped,
    )


def _vectors(sources: Sources, operators: EvaluatedOperators) -> tuple[dict[str, Floats], dict[str, str]]:
    """Return {stage: inputs [N, E]} of the stages that can be measured, and reasons why others are not."""
    if not operators.same_tokens:
        reason = "the model was not trained on this token file, which therefore has no training operators"
        return {}, {"information": reason, "baselines": reason}
    vectors: dict[str, Floats] = {}
    skipped: dict[str, str] = {}
    if sources.tokenizer is None:
        skipped[RAW] = skipped[DECODED] = "the tokenizer was not given"
    else:
        if sources.dataset is None:
            skipped[RAW] = "the dataset was not given"
        else:
            vectors[RAW] = raw_features(sources.tokenizer, sources.dataset, operators.tokens, sources.tokens)
        vectors[DECODED] = decoded_features(sources.tokenizer, operators.tokens)
    vectors[TOKENS] = token_vectors(sources.ano.predictor.ensemble.members[0], operators.tokens)
    return vectors, skipped


def _information(
    sources: Sources, vectors: Mapping[str, Floats], operators: EvaluatedOperators, posteriors: list[FamilyPosterior]
) -> Information:
    """Measure the chain of information; the bits of a family without parameters are 0."""
    bits = np.zeros(len(operators.measured))
    for posterior in posteriors:
        bits[posterior.rows] = posterior.information_bits()
    checkpoint = sources.ano.checkpoint
    return measure_information(vectors, operators, checkpoint.split, checkpoint.space, bits)


def _baselines(sources: Sources, vectors: Mapping[str, Floats], operators: EvaluatedOperators, seed: int) -> Baselines:
    """Measure the baselines from decoded features, if there are any, and from tokens."""
    split, space = sources.ano.checkpoint.split, sources.ano.checkpoint.space
    known = KnownOperators(
        families=space.families,
        family=operators.family,
        parameters=space.names,
        columns=space.columns,
        unit=operators.unit,
        parts=(split.train, split.validation, split.test),
    )
    boosted = {name: x for name, x in vectors.items() if name != RAW}
    return measure_baselines(boosted, operators.tokens, known, seed)


def _setup(sources: Sources, operators: EvaluatedOperators, seed: int) -> ANOSetup:
    """Return what was evaluated."""
    checkpoint = sources.ano.checkpoint
    found = versions()
    with suppress(PackageNotFoundError):
        found["scikit-learn"] = version("scikit-learn")
    return ANOSetup(
        tokens=str(sources.tokens),
        tokenizer_sha256=checkpoint.source.model_sha256,
        dataset=None if sources.dataset is None else str(sources.dataset),
        tokenizer=None if sources.tokenizer is None else str(sources.tokenizer.checkpoint.path),
        same_tokens=operators.same_tokens,
        num_operators=len(operators.measured),
        num_excluded=len(operators.family) - len(operators.measured),
        num_unseen=int(operators.unseen[operators.measured].sum()),
        num_families=len(checkpoint.space.families),
        num_parameters=sum(len(columns) for columns in checkpoint.space.columns),
        num_token_columns=len(checkpoint.source.columns),
        draws=DRAWS,
        seed=seed,
        versions=found,
    )
