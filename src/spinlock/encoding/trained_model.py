"""A trained model on a device: its names, categories, sizes and metrics, and its codec.

Letters: ``n`` rows, ``D`` input columns, ``C`` categories.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.checkpoint.record import Checkpoint
from spinlock.encoding.row_codec import EncodedBlock, RowCodec
from spinlock.model import CategoricalVQVAE
from spinlock.model.codec import make_codec
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.runtime.device import choose_device
from spinlock.runtime.isolation import isolated


class TrainedModel:
    """A trained model on a device.

    Parameters
    ----------
    checkpoint
        The checkpoint of the trained model.
    device
        Device of the computation: ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device | str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.device = choose_device(str(device))
        with isolated(self.device):
            self.model: CategoricalVQVAE = checkpoint.build_model(self.device)
        self._cached: tuple[tuple[CategoricalVQVAE, list[int]], RowCodec] | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the D input columns, in the order that :meth:`encode` expects for an array."""
        return self.checkpoint.feature_names

    @property
    def cleaner(self) -> Cleaner:
        """The cleaning of raw rows that was fitted on the training rows: kept columns, statistics, normalization."""
        return self.checkpoint.cleaner

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        """{category: names of its columns}, in the order of the tokens."""
        columns = self.checkpoint.category_columns
        return {name: tuple(self.feature_names[j] for j in members) for name, members in columns.items()}

    @property
    def codebook_sizes(self) -> dict[str, tuple[int, int, int]]:
        """{category: numbers of codes of its three levels}, in the order of the tokens."""
        return dict(zip(self.model.spec.category_names, self.model.spec.num_codes, strict=True))

    @property
    def metrics(self) -> dict[str, Any]:
        """Final metrics of the training run; empty if the run was stopped."""
        return self.checkpoint.metrics

    def encode_block(self, rows: NDArray[np.float32]) -> EncodedBlock:
        """Return tokens, reconstruction errors, and fractions of clipped and imputed cells of raw rows [n, D]."""
        return self.codec.encode(rows)

    def sha256(self) -> str:
        """Return the SHA-256 of the sorted names of the state dict, each followed by its little-endian values."""
        return self.checkpoint.sha256()

    @property
    def codec(self) -> RowCodec:
        """The codec of the current model for raw rows; it is created again after a weight has changed."""
        with isolated(self.device):
            weights = self.model.state_dict().values()
            version = (self.model, [0 if weight.is_inference() else weight._version for weight in weights])
            if self._cached is None or self._cached[0] != version:
                self._cached = version, RowCodec(self.checkpoint, make_codec(self.model), self.device)
            return self._cached[1]
