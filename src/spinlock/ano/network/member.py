"""The network of one member of the ensemble.

tokens [B, T] -> decoded features + sum of embeddings [B, E] -> residual blocks [B, H] -> logits of the families [B, F]
tokens [B, T] -> decoded features + sum of embeddings [B, E] -> residual blocks [B, H] -> mixture over the parameters of
each family

Letters: ``B`` rows, ``T`` token columns, ``E`` axes of the decoded features and width of an embedding, ``H`` width,
``F`` families, ``d`` parameters of a family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
import zuko
from torch import Tensor, nn
from torch.nn import functional

from spinlock.ano.density.mixture import GaussianMixture
from spinlock.ano.network.decoded_features import DecodedFeatures
from spinlock.ano.network.fourier_features import FourierFit
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
    decoder_units
        Number of hidden units of the decoder of the token file.
    embedding_dim, hidden_dim, num_blocks, components, fourier_features
        Width E, width H, number of residual blocks, number of components of each mixture, and number of random Fourier
        features of the regressions.
    """

    codebook_sizes: tuple[int, ...]
    num_parameters: tuple[int, ...]
    decoder_units: int
    embedding_dim: int
    hidden_dim: int
    num_blocks: int
    components: int
    fourier_features: int

    @classmethod
    def of(
        cls,
        codebook_sizes: tuple[int, ...],
        num_parameters: tuple[int, ...],
        decoder_units: int,
        settings: ANONetworkSettings,
    ) -> Self:
        """Return the sizes of a configuration."""
        return cls(
            codebook_sizes=codebook_sizes,
            num_parameters=num_parameters,
            decoder_units=decoder_units,
            embedding_dim=settings.embedding_dim,
            hidden_dim=settings.hidden_dim,
            num_blocks=settings.num_blocks,
            components=settings.mixture_components,
            fourier_features=settings.fourier_features,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes as plain data, for a checkpoint."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Restore sizes from the result of :meth:`to_dict`."""
        lists = {key: tuple(values[key]) for key in ("codebook_sizes", "num_parameters")}
        return cls(**{**values, **lists})


INITIAL_SCALE = 0.1
"""Factor of the random weights of a mixture before training. The components are then near N(0, I), and not equal."""

PRIOR_LOGIT = -1.0
"""Logit of the prior before training. The logits of the other components are near 0."""


class _Block(nn.Module):
    """x + W2 dropout(gelu(W1 norm(x)))."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        layers = (nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.layers(x)
        return x + change


class _Trunk(nn.Module):
    """Decoded features plus the sum of the embeddings of the codes of a row, and residual blocks.

    The embeddings are zero before training.
    """

    def __init__(self, spec: NetworkSpec, dropout: float, token_dropout: float) -> None:
        super().__init__()
        self.token_dropout = token_dropout
        self.embedding = nn.Parameter(torch.zeros(sum(spec.codebook_sizes), spec.embedding_dim))
        self.project = nn.Linear(spec.embedding_dim, spec.hidden_dim)
        self.blocks = nn.Sequential(*(_Block(spec.hidden_dim, dropout) for _ in range(spec.num_blocks)))
        self.norm = nn.LayerNorm(spec.hidden_dim)

    def forward(self, codes: Tensor, decoded: Tensor) -> Tensor:
        """Return the hidden state [B, H] of codes [B, T] and their decoded features [B, E]."""
        kept = None
        if self.training and self.token_dropout:
            kept = (torch.rand(codes.shape, device=codes.device) >= self.token_dropout).to(decoded.dtype)
        embedded = functional.embedding_bag(codes, self.embedding, mode="sum", per_sample_weights=kept)
        hidden: Tensor = self.norm(self.blocks(self.project(decoded + embedded)))
        return hidden


class Member(nn.Module):
    """One network of the ensemble: a part for the families and a part for the parameters, which share no weights.

    The regressions of the densities are ridge regressions on the decoded features and on their random Fourier features.
    The regressions and the decoder are not trained.

    Parameters
    ----------
    spec
        Sizes.
    dropout, token_dropout
        Probabilities that a hidden unit, and the embedding of a token, is dropped in training mode.
    """

    def __init__(self, spec: NetworkSpec, *, dropout: float = 0.0, token_dropout: float = 0.0) -> None:
        super().__init__()
        self.spec = spec
        self.decoder = DecodedFeatures(spec.codebook_sizes, spec.decoder_units, spec.embedding_dim)
        self.family_trunk = _Trunk(spec, dropout, token_dropout)
        self.family_head = nn.Linear(spec.hidden_dim, len(spec.num_parameters))
        self.density_trunk = _Trunk(spec, dropout, token_dropout)
        self.density_heads = nn.ModuleDict(
            {str(index): DensityHead(spec, size) for index, size in enumerate(spec.num_parameters) if size}
        )

    def state(self, tokens: Tensor) -> RowState:
        """Return what the network computes from tokens [B, T] before its outputs."""
        codes = self.decoder.to_codes(tokens)
        decoded = self.decoder(codes)
        return RowState(decoded, self.family_trunk(codes, decoded), self.density_trunk(codes, decoded))

    def initialize_density(self, family: int, fit: FourierFit) -> None:
        """Set the regression of a family that has a density, and the deviation of its errors."""
        density = self.density_heads[str(family)]
        assert isinstance(density, DensityHead), "all modules of the dictionary are densities"
        density.initialize(fit)

    def family_logits(self, state: RowState) -> Tensor:
        """Return the logits [B, F] of the families."""
        logits: Tensor = self.family_head(state.family)
        return logits

    def density(self, state: RowState, family: int, regression: Tensor | None = None) -> GaussianMixture:
        """Return the density of the parameters of a family that has one, for each row; see :class:`DensityHead`."""
        mixture: GaussianMixture = self.density_heads[str(family)](state, regression)
        return mixture


@dataclass(frozen=True)
class RowState:
    """Decoded features [B, E] and hidden states [B, H] of both parts, of each row."""

    decoded: Tensor
    family: Tensor
    density: Tensor

    def __getitem__(self, rows: Any) -> RowState:
        return RowState(self.decoded[rows], self.family[rows], self.density[rows])

    def __len__(self) -> int:
        return len(self.decoded)


class DensityHead(nn.Module):
    """Density of the d parameters of a family.

    z = x A + phi(x) B + b + s e with the decoded features x and their random Fourier features phi(x). The density of e
    is a mixture of K Gaussian components, and z has one more component, the prior N(0, I). It limits the loss at a row
    that the others exclude.

    The regression is fitted before training and then constant. Its errors at the rows on which it was fitted are
    smaller than at other rows. In training it is therefore replaced by the regression that is fitted without the row.
    """

    deviation: Tensor
    frequencies: Tensor
    phases: Tensor
    amplitude: Tensor

    def __init__(self, spec: NetworkSpec, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(spec.embedding_dim + spec.fourier_features, size).requires_grad_(False)
        self.register_buffer("frequencies", torch.zeros(spec.embedding_dim, spec.fourier_features))
        self.register_buffer("phases", torch.zeros(spec.fourier_features))
        self.register_buffer("amplitude", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(size))
        self.mixture = zuko.mixtures.GMM(size, spec.hidden_dim, spec.components, hidden_features=())
        self.prior = nn.Linear(spec.hidden_dim, 1)
        with torch.no_grad():
            for parameter in (*self.mixture.hyper[-1].parameters(), self.prior.weight):
                parameter.mul_(INITIAL_SCALE)
            self.prior.bias.fill_(PRIOR_LOGIT)

    def initialize(self, fourier: FourierFit) -> None:
        """Set the regression and the deviation of its errors."""
        with torch.no_grad():
            self.frequencies.copy_(torch.from_numpy(fourier.frequencies))
            self.phases.copy_(torch.from_numpy(fourier.phases))
            self.amplitude.fill_(fourier.amplitude)
            self.linear.weight.copy_(torch.from_numpy(fourier.fit.weights.T))
            self.linear.bias.copy_(torch.from_numpy(fourier.fit.bias))
            self.deviation.copy_(torch.from_numpy(fourier.fit.deviation))

    def forward(self, state: RowState, regression: Tensor | None = None) -> GaussianMixture:
        """Return the density of z for each row. ``regression`` [B, d] replaces x A + phi(x) B + b."""
        errors = self.mixture(state.density)
        if regression is None:
            features = self.amplitude * torch.cos(state.decoded @ self.frequencies + self.phases)
            regression = self.linear(torch.cat([state.decoded, features], dim=1))
        means = regression.unsqueeze(1) + self.deviation * errors.base.loc
        factors = self.deviation.unsqueeze(-1) * errors.base.scale_tril
        prior = GaussianMixture.standard(len(state), means.shape[-1], means.device)
        log_weights = torch.log_softmax(torch.cat([errors.logits, self.prior(state.density)], dim=1), dim=1)
        return GaussianMixture(
            log_weights,
            torch.cat([means, prior.means], dim=1),
            torch.cat([factors, prior.factors], dim=1),
        )
