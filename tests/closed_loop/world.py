"""A small generated dataset with a tokenizer and tokens, and a model that knows the operators."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from spinlock.ano.data.operators import TokenRows
from spinlock.closed_loop.originals import Originals
from spinlock.generation.generate import generate
from spinlock.tokenizer import Tokenizer
from tests.generation.settings import small_config


@dataclass(frozen=True)
class SmallWorld:
    """Paths of the dataset and the tokens, and the tokenizer."""

    dataset: Path
    tokens: Path
    tokenizer: Tokenizer

    def originals(self, rows: list[int]) -> Originals:
        return Originals.read(TokenRows.read(self.tokens), self.dataset, np.array(rows))


def make_small_world(path: Path, operators: int = 120) -> SmallWorld:
    dataset, tokens = path / "d.h5", path / "tokens.h5"
    generate(small_config(num_samples=operators, num_steps=8), dataset)
    keys: dict[str, Any] = {"epochs": 0, "batch_size": 64, "num_categories_auto": 3}
    tokenizer = Tokenizer.fit(dataset, keys)
    tokenizer.encode_file(dataset, tokens)
    return SmallWorld(dataset, tokens, tokenizer)


class TrueModel:
    """Predicts the true operators of a world with probability 1, or those of the rows before them if ``shifted``."""

    def __init__(self, world: SmallWorld, originals: Originals, *, shifted: bool = False) -> None:
        order = np.roll(np.arange(len(originals.rows)), int(shifted))
        table = originals.operators
        self.parameter_names = tuple(name for name in table.values if not name.startswith("initial."))
        self.families = tuple(np.unique(table.family).tolist())
        self._family = np.searchsorted(self.families, table.family)[order]
        values = np.stack([table.values[name] for name in self.parameter_names], axis=1)
        middles = {"neural.step": 0.1, "neural.weight": 0.5}  # a model predicts the parameters of all policies
        filled = np.array([middles.get(name, np.nan) for name in self.parameter_names])
        self._values = np.where(np.isnan(values), filled, values)[order]
        columns = TokenRows.read(world.tokens).columns
        self.checkpoint = SimpleNamespace(source=SimpleNamespace(columns=columns))

    def predict(self, tokens: Any, *, candidates: int) -> Any:
        return SimpleNamespace(
            candidates=SimpleNamespace(family=self._family[:, None], parameters=self._values[:, None])
        )

    def sample(self, tokens: Any, count: int, *, seed: int) -> Any:
        family = np.repeat(self._family[:, None], count, axis=1)
        return SimpleNamespace(family=family, parameters=np.repeat(self._values[:, None], count, axis=1))
