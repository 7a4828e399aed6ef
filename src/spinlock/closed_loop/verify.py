"""The closed loop of the operators of a token file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spinlock.ano.data.operators import OperatorTokens
from spinlock.ano.data.source import Source
from spinlock.ano.model import ANO
from spinlock.closed_loop.loop import ClosedLoop, check_same_tokens, close_loop, num_simulations
from spinlock.closed_loop.originals import Originals, choose_rows
from spinlock.encoding.row_codec import RowCodec
from spinlock.errors import DataError
from spinlock.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Verification:
    """A closed loop that can be run: a model, a tokenizer and original operators that belong together.

    Attributes
    ----------
    ano
        The model.
    codec
        The tokenizer that wrote the tokens.
    originals
        The original operators.
    seed
        Seed of the choice of the operators, the draws, and the new initial states, weights and policies.
    """

    ano: ANO
    codec: RowCodec
    originals: Originals
    seed: int

    @classmethod
    def prepare(
        cls, ano: ANO, tokens: Path, dataset: Path, tokenizer: Tokenizer, count: int, *, seed: int = 0
    ) -> Verification:
        """Choose the operators and check all inputs, which takes little time.

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
            See the attribute.

        Raises
        ------
        DataError
            The tokens are of another tokenizer or dataset, or lack families and parameters, or the model was fitted on
            all operators.
        """
        checkpoint = ano.checkpoint
        data = OperatorTokens.read(checkpoint.config.model_copy(update={"tokens_path": tokens}))
        data.rows.check_model(checkpoint.source.columns, checkpoint.source.model_sha256)
        if tokenizer.sha256() != data.rows.model_sha256:
            what = f"contains tokens of the tokenizer {data.rows.model_sha256[:12]}"
            expected = f"tokens of the given tokenizer, {tokenizer.sha256()[:12]}"
            remedy = "pass the tokenizer that wrote the tokens"
            raise DataError(what, where=str(tokens), expected=expected, remedy=remedy)
        candidates = checkpoint.source.independent(Source.of(data), checkpoint.split, tokens)
        originals = Originals.read(data.rows, dataset, choose_rows(candidates, count, seed))
        check_same_tokens(tokenizer.codec, originals)
        return cls(ano, tokenizer.codec, originals, seed)

    @property
    def num_simulations(self) -> int:
        """Number of operators that :meth:`run` simulates."""
        return num_simulations(len(self.originals.rows))

    def run(self, advance: Callable[[int], None] = lambda operators: None) -> ClosedLoop:
        """Simulate predicted operators, encode them, and compare their tokens with those of the original operators.

        ``advance`` is called with the number of operators that were simulated since the last call.
        """
        return close_loop(self.ano, self.codec, self.originals, seed=self.seed, advance=advance)
