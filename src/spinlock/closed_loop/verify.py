"""The closed loop of the operators of a token file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spinlock.ano.data.operators import OperatorTokens
from spinlock.ano.model import ANO
from spinlock.closed_loop.loop import ClosedLoop, close_loop
from spinlock.closed_loop.originals import Originals, choose_rows
from spinlock.errors import DataError
from spinlock.tokenizer import Tokenizer


def verify(
    ano: ANO,
    tokens: Path,
    dataset: Path,
    tokenizer: Tokenizer,
    count: int,
    *,
    seed: int = 0,
    advance: Callable[[int], None] = lambda operators: None,
) -> ClosedLoop:
    """Simulate predicted operators, encode them, and compare their tokens with those of the original operators.

    The operators are drawn from those on which nothing of the model was fitted or chosen.

    Parameters
    ----------
    ano
        The model.
    tokens
        Token file with families and parameters.
    dataset
        The dataset of ``generate`` that was encoded.
    tokenizer
        The tokenizer that wrote the tokens.
    count
        Number of operators; fewer if there are not as many.
    seed
        Seed of the choice of the operators, the draws, and the new initial states, weights and policies.
    advance
        Called with the number of operators that were simulated since the last call.

    Raises
    ------
    DataError
        The tokens are of another tokenizer or dataset, or lack families and parameters, or the model was fitted on all
        operators.
    """
    data = OperatorTokens.read(ano.checkpoint.config.model_copy(update={"tokens_path": tokens}))
    data.rows.check_model(ano.checkpoint.source.columns, ano.checkpoint.source.model_sha256)
    if tokenizer.sha256() != data.rows.model_sha256:
        what = f"contains tokens of the tokenizer {data.rows.model_sha256[:12]}"
        expected = f"tokens of the given tokenizer, {tokenizer.sha256()[:12]}"
        raise DataError(what, where=str(tokens), expected=expected, remedy="pass the tokenizer that wrote the tokens")
    candidates = ano.checkpoint.source.independent(data, ano.checkpoint.split)
    originals = Originals.read(data.rows, dataset, choose_rows(candidates, count, seed))
    return close_loop(ano, tokenizer.codec, originals, seed=seed, advance=advance)
