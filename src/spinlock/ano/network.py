"""The network of one member of the ensemble.

tokens [B, T] -> sum of the embeddings of their codes [B, E] -> residual blocks [B, H] -> logits of the families [B, F],
and for each family a Gaussian mixture over its own parameters.

Letters: ``B`` rows, ``T`` token columns, ``E`` width of an embedding, ``H`` width, ``F`` families, ``d`` parameters of a
family, ``J`` codes of all columns together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
import zuko
from torch import Tensor, nn

from spinlock.ano.mixture import GaussianMixture
from spinlock.config.ano import ANONetworkSettings


@dataclass(frozen=True)
class NetworkSpec:
    """Sizes of a member.

    Attributes
    ----------
    codebook_sizes
        Number of codes of each of the T token columns.
    num_parameters
        Number of parameters d of each family. The density of a family with 0 is not part of the network.
    embedding_dim, hidden_dim, num_blocks, components
        Width E, width H, number of residual blocks, and number of components of each mixture.
    """

    codebook_sizes: tuple[int, ...]
    num_parameters: tuple[int, ...]
    embedding_dim: int
    hidden_dim: int
    num_blocks: int
    components: int

    @classmethod
    def of(cls, codebook_sizes: tuple[int, ...], num_parameters: tuple[int, ...], settings: ANONetworkSettings) -> Self:
        """Return the sizes of a configuration."""
        width = settings.embedding_dim, settings.hidden_dim
        return cls(codebook_sizes, num_parameters, *width, settings.num_blocks, settings.mixture_components)

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes as plain data, for a checkpoint."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Restore sizes from the result of :meth:`to_dict`."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


class _Block(nn.Module):
    """x + W2 dropout(gelu(W1 norm(x)))."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        layers = (nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Member(nn.Module):
    """One network of the ensemble.

    Parameters
    ----------
    spec
        Sizes.
    dropout, token_dropout
        Fractions of hidden units and of tokens that are dropped in training mode.
    """

    offsets: Tensor
    center: Tensor

    def __init__(self, spec: NetworkSpec, *, dropout: float = 0.0, token_dropout: float = 0.0) -> None:
        super().__init__()
        self.spec = spec
        self.token_dropout = token_dropout
        sizes = torch.tensor(spec.codebook_sizes)
        self.register_buffer("offsets", sizes.cumsum(0) - sizes)
        self.register_buffer("center", torch.zeros(spec.embedding_dim))
        self.embedding = nn.Parameter(torch.zeros(int(sizes.sum()), spec.embedding_dim))
        self.project = nn.Linear(spec.embedding_dim, spec.hidden_dim)
        self.blocks = nn.Sequential(*(_Block(spec.hidden_dim, dropout) for _ in range(spec.num_blocks)))
        self.norm = nn.LayerNorm(spec.hidden_dim)
        self.family = nn.Linear(spec.hidden_dim, len(spec.num_parameters))
        self.densities = nn.ModuleDict(
            {
                str(index): zuko.mixtures.GMM(size, spec.hidden_dim, spec.components, hidden_features=())
                for index, size in enumerate(spec.num_parameters)
                if size
            }
        )

    def context(self, tokens: Tensor) -> Tensor:
        """Return the hidden state [B, H] of tokens [B, T]."""
        codes = tokens + self.offsets
        if self.training and self.token_dropout:
            kept = (torch.rand(codes.shape, device=codes.device) >= self.token_dropout).to(self.embedding.dtype)
            total = nn.functional.embedding_bag(codes, self.embedding, mode="sum", per_sample_weights=kept)
        else:
            total = nn.functional.embedding_bag(codes, self.embedding, mode="sum")
        hidden: Tensor = self.norm(self.blocks(self.project(total - self.center)))
        return hidden

    def family_logits(self, context: Tensor) -> Tensor:
        """Return the logits [B, F] of the families."""
        logits: Tensor = self.family(context)
        return logits

    def density(self, context: Tensor, family: int) -> GaussianMixture:
        """Return the density of the parameters of a family that has one, for each row."""
        found = self.densities[str(family)](context)
        return GaussianMixture(torch.log_softmax(found.logits, dim=-1), found.base.loc, found.base.scale_tril)
