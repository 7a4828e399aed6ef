"""Parts with which ``ano_alternatives.py`` replaces those of a member of ANO: a flow, and a transformer.

The classes stand in for parts of ``spinlock.ano.network.member``, so that the training loop of the library trains them.
The public interface has no way to replace a part of the network, and therefore this file imports internals.

Letters: ``B`` rows, ``T`` token columns, ``J`` codes of all columns together, ``E`` width of an embedding, ``H`` width,
``d`` parameters of a family, ``S`` draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import zuko
from torch import Tensor, nn
from torch.nn import functional

from spinlock.ano.network.member import INITIAL_SCALE, PRIOR_LOGIT, DensityHead, NetworkSpec, RowState

TRANSFORMS, FLOW_HIDDEN = 3, (64, 64)
"""Number of autoregressive transforms of a flow, and widths of the hidden layers of each: the defaults of zuko."""

LAYERS, HEADS, FEEDFORWARD = 2, 4, 256
"""Layers and attention heads of the transformer, and the width of its feedforward layers."""

DRAWS = 64
"""Number of draws of absent parameters in evaluation mode; training uses one draw."""


def remove_regression(head: DensityHead) -> None:
    """Set the regression of a density to 0 and the deviation of its errors to 1, so that z = e."""
    with torch.no_grad():
        for value in (head.linear.weight, head.linear.bias, head.amplitude):
            value.zero_()
        head.deviation.fill_(1.0)


class FlowHead(nn.Module):
    """Density of the d parameters of a family: the mixture of e is replaced by a masked autoregressive flow.

    z = regression + s e as in :class:`DensityHead`, and the density of z has the same additional component, the prior.
    The last layer of each transform is scaled by INITIAL_SCALE, so that e is near N(0, I) before training.

    Parameters
    ----------
    head
        The density that is replaced; its regression, deviation and weight of the prior are used.
    spec
        Sizes of the member.
    size
        Number d of parameters.
    partial
        Whether some operators of the family lack some parameters. The flow is then given which ones exist.
    """

    def __init__(self, head: DensityHead, spec: NetworkSpec, size: int, *, partial: bool) -> None:
        super().__init__()
        self.head, self.partial = head, partial
        del head.mixture
        context = spec.hidden_dim + size * partial
        self.flow = zuko.flows.MAF(size, context, transforms=TRANSFORMS, hidden_features=FLOW_HIDDEN)
        with torch.no_grad():
            for transform in self.flow.transform.transforms:
                for parameter in transform.hyper[-1].parameters():
                    parameter.mul_(INITIAL_SCALE)
            head.prior.bias.fill_(PRIOR_LOGIT - math.log(spec.components))  # the prior has the weight as in a mixture

    def forward(self, state: RowState, regression: Tensor | None = None) -> FlowDensity:
        """Return the density of z for each row."""
        head = self.head
        if regression is None:
            features = head.amplitude * torch.cos(state.decoded @ head.frequencies + head.phases)
            regression = head.linear(torch.cat([state.decoded, features], dim=1))
        return FlowDensity(self, state.density, regression, head.prior(state.density).squeeze(1))


@dataclass(frozen=True)
class FlowDensity:
    """Density of z for each row.

    Attributes
    ----------
    head
        The flow and the deviation of the errors.
    hidden
        Hidden states [B, H].
    location
        Regression [B, d].
    prior_logit
        Logit [B] of the weight of the prior.
    """

    head: FlowHead
    hidden: Tensor
    location: Tensor
    prior_logit: Tensor

    def log_prob(self, points: Tensor, present: Tensor) -> Tensor:
        """Return log p(z) [B] of the present parameters of points [B, d].

        A flow has no closed form of a marginal density. Absent parameters u are drawn from their prior p0, and the flow
        f, which is given the mask of the present parameters, is fitted to the completed points. The density of the
        present parameters x is then

            p(x) = integral f(x, u) du = E[f(x, u) / p0(u)],  u ~ p0,

        where the mean is that of S draws. By Jensen's inequality the log of such a mean is too low on average.
        """
        draws = 1 if self.head.training or bool(present.all()) else DRAWS
        shape, generator = (draws, *points.shape), None
        if not self.head.training:
            generator = torch.Generator().manual_seed(0)
        noise = torch.randn(shape, generator=generator, dtype=points.dtype)
        completed = torch.where(present, points, noise)
        hidden = self.hidden
        if self.head.partial:
            hidden = torch.cat([hidden, present.to(hidden.dtype)], dim=1)
        deviation = self.head.head.deviation
        errors = (completed - self.location) / deviation
        log_flow = self.head.flow(hidden).log_prob(errors) - deviation.log().sum()
        log_ratio = torch.logsumexp(log_flow - log_standard(completed).sum(-1), 0) - math.log(draws)
        weights = functional.logsigmoid(-self.prior_logit), functional.logsigmoid(self.prior_logit)
        gain = torch.logaddexp(weights[0] + log_ratio, weights[1])
        return gain + (log_standard(points) * present).sum(-1)


def log_standard(points: Tensor) -> Tensor:
    """Return the log density of N(0, 1) at each value."""
    return -0.5 * (points.square() + math.log(2 * math.pi))


class TransformerTrunk(nn.Module):
    """Transformer encoder over the tokens of a row, with mean pooling.

    The vector of a token is its position in the token file, plus an embedding, plus the embedding of its column. A
    token that is dropped in training has the embedding of its column only. Decoded features, which are the vector of a
    whole row, are not used.

    Parameters
    ----------
    spec
        Sizes of the member.
    dropout, token_dropout
        Fractions of hidden units and of tokens that are dropped in training mode.
    positions
        Positions [J, E] of the codes.
    """

    positions: Tensor

    def __init__(self, spec: NetworkSpec, dropout: float, token_dropout: float, positions: Tensor) -> None:
        super().__init__()
        self.register_buffer("positions", positions)
        columns, width = len(spec.codebook_sizes), spec.hidden_dim
        self.token_dropout, self.scale = token_dropout, math.sqrt(columns)
        self.embedding = nn.Parameter(torch.zeros(sum(spec.codebook_sizes), spec.embedding_dim))
        self.columns = nn.Parameter(torch.randn(columns, width) / 2)
        self.project = nn.Linear(spec.embedding_dim, width)
        layer = nn.TransformerEncoderLayer(
            width, HEADS, FEEDFORWARD, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, codes: Tensor, decoded: Tensor) -> Tensor:
        """Return the hidden state [B, H] of codes [B, T]; their decoded features are not used."""
        embedding = self.scale * functional.embedding(codes, self.positions + self.embedding)
        if self.training and self.token_dropout:
            embedding = embedding * (torch.rand(codes.shape) >= self.token_dropout).unsqueeze(-1)
        encoded = self.encoder(self.project(embedding) + self.columns)
        hidden: Tensor = self.norm(encoded.mean(1))
        return hidden
