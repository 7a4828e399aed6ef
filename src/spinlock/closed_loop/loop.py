"""The closed loop: simulate predicted operators, encode them, and compare their tokens with the original ones.

Each predicted operator starts from the initial states of the original one, so that an exact prediction has all of the
original tokens. The reference is the original operator, started from other initial states of the same kind: its tokens
differ too. The best mode is also started from these other states, which compares both on equal terms. Neural operators
have random weights, which tokens do not contain. They are simulated with new weights and with a policy that is drawn at
random, and are reported apart.

Letters: ``n`` operators, ``S`` draws, ``D`` features, ``T`` token columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.ano.model import ANO
from spinlock.closed_loop.agreement import Agreement, Comparison
from spinlock.closed_loop.originals import Originals
from spinlock.encoding.row_codec import RowCodec
from spinlock.errors import DataError
from spinlock.features.extract import feature_names
from spinlock.generation.given_design import OperatorTable, given_design
from spinlock.generation.simulate import simulate
from spinlock.io.names import match_columns
from spinlock.operators.sampling import NEURAL

MIN_EQUAL = 0.9
"""Minimum fraction of equal tokens when the original features are encoded again; near ties can differ by device."""

DRAWS = 8
"""Number of posterior draws of each operator, S."""

BEST_MODE, MEAN_DRAW, BEST_DRAW = "best mode", "mean of draws", f"best of {DRAWS} draws"
OTHER_STATES, REFERENCE = "best mode, other initial states", "original operator, other initial states"
"""What is compared with the original operators."""


@dataclass(frozen=True)
class ClosedLoop:
    """Agreement of predicted operators with the original ones.

    Attributes
    ----------
    operators
        Number of PDE operators and of neural operators: {"pde": n, "neural": n}.
    agreement
        For both kinds, {name: agreement} of the best mode, all draws, the best draw, and of the best mode and the
        original operator with other initial states. A kind without operators is missing.
    families
        {family: {name: fraction of equal tokens}}.
    seed
        Seed of the choice of operators and of the draws.
    """

    operators: dict[str, int]
    agreement: dict[str, dict[str, Agreement]]
    families: dict[str, dict[str, float]]
    seed: int

    @property
    def gap(self) -> float | None:
        """Equal tokens of the original PDE operators minus those of their best modes, both from other initial states.

        It is None if there are no PDE operators.
        """
        if "pde" not in self.agreement:
            return None
        arms = self.agreement["pde"]
        return arms[REFERENCE].equal_tokens - arms[OTHER_STATES].equal_tokens

    @property
    def note(self) -> str:
        """What to know about the gap."""
        if "pde" not in self.agreement:
            return "no PDE operator was simulated"
        arms = self.agreement["pde"]
        best, reference = (arms[name] for name in (OTHER_STATES, REFERENCE))
        return (
            f"with other initial states {self.operators['pde']} PDE operators have {reference.equal_tokens:.1%} equal "
            f"tokens (standard error {100 * reference.standard_error:.1f} points), and their best modes "
            f"{best.equal_tokens:.1%} ({100 * best.standard_error:.1f})"
        )

    def to_json(self) -> bytes:
        """Return the content of the JSON file of a closed loop."""
        return (json.dumps(asdict(self), indent=1, allow_nan=False) + "\n").encode()


def close_loop(
    ano: ANO,
    codec: RowCodec,
    originals: Originals,
    *,
    seed: int = 0,
    advance: Callable[[int], None] = lambda operators: None,
) -> ClosedLoop:
    """Simulate predicted operators and compare them with the original ones.

    Parameters
    ----------
    ano
        The model.
    codec
        The tokenizer that wrote the tokens.
    originals
        The n original operators.
    seed
        Seed of the draws, and of the new initial states, weights and policies.
    advance
        Called with the number of operators that were simulated since the last call; their total is
        :func:`num_simulations`.

    Returns
    -------
    ClosedLoop

    Raises
    ------
    DataError
        A predicted value is outside the ranges of the dataset.
    """
    arms = _simulated(ano, _Loop(codec, originals, advance), originals, seed)
    family, columns = originals.operators.family, ano.checkpoint.source.columns
    kinds = {name: mask for name, mask in (("pde", family != NEURAL), ("neural", family == NEURAL)) if mask.any()}
    return ClosedLoop(
        operators={name: int(mask.sum()) for name, mask in kinds.items()},
        agreement={
            kind: {
                name: arm.select(mask).agreement(columns, len(arm.equal) // len(family)) for name, arm in arms.items()
            }
            for kind, mask in kinds.items()
        },
        families={
            name: {arm: float(each.select(family == name).equal.mean()) for arm, each in arms.items()}
            for name in np.unique(family).tolist()
        },
        seed=seed,
    )


def _simulated(ano: ANO, loop: _Loop, originals: Originals, seed: int) -> dict[str, Comparison]:
    """Simulate the predicted operators, and the original ones from other initial states."""
    new_seed = int(np.random.SeedSequence((originals.settings.random_seed, seed)).generate_state(1)[0])
    candidates = ano.predict(originals.tokens, candidates=1).candidates
    best = _table(ano, candidates.family[:, 0], candidates.parameters[:, 0])
    draws = ano.sample(originals.tokens, DRAWS, seed=seed)
    drawn = _table(ano, draws.family.reshape(-1), draws.parameters.reshape(-1, draws.parameters.shape[-1]))
    compared = loop.run(drawn, repeats=DRAWS, weight_seed=new_seed)
    return {
        BEST_MODE: loop.run(best, weight_seed=new_seed),
        MEAN_DRAW: compared,
        BEST_DRAW: compared.best_of(DRAWS),
        OTHER_STATES: loop.run(best, weight_seed=new_seed, run_seed=new_seed),
        REFERENCE: loop.run(originals.operators, run_seed=new_seed),
    }


def check_same_tokens(codec: RowCodec, originals: Originals) -> None:
    """Raise a :class:`DataError` unless the features of the original operators have their tokens."""
    equal = float((codec.encode(originals.features[:, _columns(codec)]).indices == originals.tokens).mean())
    if equal < MIN_EQUAL:
        raise DataError(
            f"{equal:.0%} of the tokens of its features equal those of the token file",
            where=originals.operators.where,
            expected=f"at least {MIN_EQUAL:.0%}",
            remedy="pass the dataset that was encoded",
        )


def _columns(codec: RowCodec) -> NDArray[np.int64]:
    """Return the positions of the columns of a tokenizer among the features of ``generate``."""
    return match_columns(feature_names(with_probes=True).aggregated, codec.checkpoint.feature_names)


def num_simulations(operators: int) -> int:
    """Return the number of operators that :func:`close_loop` simulates for a number of original operators."""
    return (3 + DRAWS) * operators


def _table(ano: ANO, family: NDArray[np.int64], parameters: NDArray[np.float64]) -> OperatorTable:
    """Return predicted operators as a table without initial conditions and policies."""
    values = dict(zip(ano.parameter_names, parameters.T, strict=True))
    return OperatorTable(np.array(ano.families)[family], None, values, None, "the predictions")


class _Loop:
    """Simulates operators from the initial states of the original ones, and compares them."""

    def __init__(self, codec: RowCodec, originals: Originals, advance: Callable[[int], None]) -> None:
        self._codec, self._originals, self._advance = codec, originals, advance
        self._columns = _columns(codec)
        self._original_scores = self._scores(originals.features)

    def run(
        self, table: OperatorTable, *, repeats: int = 1, weight_seed: int | None = None, run_seed: int | None = None
    ) -> Comparison:
        """Simulate operators, ``repeats`` for each original one, and compare them."""
        originals = self._originals
        design = given_design(
            originals.with_initial_fields(table, repeats),
            originals.settings,
            streams=np.repeat(originals.rows, repeats),
            weight_seed=weight_seed,
            run_seed=run_seed,
        )
        device = torch.device("cpu")  # the originals were computed there, and devices round differently
        simulation = simulate(design, originals.settings, device, self._advance)
        encoded = self._codec.encode(simulation.aggregated[:, self._columns])
        difference = self._scores(simulation.aggregated) - np.repeat(self._original_scores, repeats, axis=0)
        squared_error = np.square(difference, dtype=np.float64).mean(1)
        equal = encoded.indices == np.repeat(originals.tokens, repeats, axis=0)
        return Comparison(equal, squared_error, simulation.diverged)

    def _scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the z-scores of the kept columns of features [n, D]."""
        cleaner = self._codec.checkpoint.cleaner
        return cleaner.to_z_scores(cleaner.transform(features[:, self._columns]).values)
