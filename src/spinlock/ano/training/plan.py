"""Everything that is decided before the first step of training. A dry run ends with the plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spinlock.ano.data.operators import OperatorTokens
from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.data.split import OperatorSplit, split_operators
from spinlock.ano.network.correspondence import correspondence_positions
from spinlock.ano.network.decoded_features import decode, principal_decoder
from spinlock.ano.network.fourier_features import fit_fourier
from spinlock.ano.network.member import Member, NetworkSpec
from spinlock.config.ano import ANOConfig
from spinlock.errors import DataError
from spinlock.io.token_decoder import TokenDecoder

NO_DECODER = (
    "the token file has no decoder: a correspondence analysis of the tokens replaces it; encode a dataset with "
    "parameters again for better predictions"
)

MIN_PART = 10
"""Minimum number of operators of each part of the split."""


@dataclass(frozen=True)
class NewMember:
    """A member before training.

    Attributes
    ----------
    member
        The network.
    left_out
        Regression [n, P] of each of the n training operators that is fitted without this operator.
    """

    member: Member
    left_out: Tensor


@dataclass(frozen=True)
class Plan:
    """The data, the split, what is predicted, and the sizes of the network."""

    config: ANOConfig
    data: OperatorTokens
    split: OperatorSplit
    space: ParameterSpace
    spec: NetworkSpec
    notes: tuple[str, ...]

    def new_member(self, number: int) -> NewMember:
        """Return member ``number`` before training. It depends only on the plan and on its number.

        The axes and the regressions are fitted on the training operators; all other weights are random.
        """
        torch.manual_seed(self.seed(number, 0))
        settings, fit = self.config, self.split.train
        member = Member(self.spec, dropout=settings.dropout, token_dropout=settings.token_dropout)
        codes = member.decoder.to_codes(torch.from_numpy(self.data.rows.tokens[fit])).numpy()
        stored, axes = self.data.decoder, self.spec.embedding_dim
        if stored is None:
            positions, center = correspondence_positions(codes, sum(self.spec.codebook_sizes), axes)
            decoder = TokenDecoder.without_hidden_units(positions)
        else:
            decoder, center = principal_decoder(codes, stored, axes)
        member.decoder.set_decoder(decoder, center)
        decoded = decode(codes, decoder) - center
        rng = np.random.default_rng(self.seed(number, 0))
        real = self.space.to_real(self.data, rng)[fit]
        left_out = np.zeros_like(real)
        for index, size in enumerate(self.spec.num_parameters):
            rows = np.flatnonzero(self.data.family[fit] == index)
            if size:
                cells = np.ix_(rows, np.array(self.space.columns[index]))
                fourier = fit_fourier(decoded[rows], real[cells], self.spec.fourier_features, rng)
                member.initialize_density(index, fourier)
                left_out[cells] = fourier.fit.left_out
        return NewMember(member, torch.from_numpy(left_out).float())

    def seed(self, member: int, epoch: int) -> int:
        """Return the seed of an epoch of a member; epoch 0 is the initialization."""
        state = np.random.SeedSequence([self.config.random_seed, member, epoch]).generate_state(1)
        return int(state[0])


def make_plan(config: ANOConfig) -> Plan:
    """Read the token file of a configuration and plan the training.

    Raises
    ------
    DataError
        The token file is not suitable: the label of the families or the parameters are missing, or there are too few
        operators.
    """
    data = OperatorTokens.read(config)
    space = ParameterSpace.of(data, config.min_operators)
    split = split_operators(data.family, data.rows.split == "train", config)
    for part, size in split.sizes.items():
        if size < MIN_PART:
            what = f"{size} of {len(data.family)} operators are in the part {part!r} of the split"
            remedy = "encode more operators"
            raise DataError(what, where=str(data.rows.path), expected=f"at least {MIN_PART}", remedy=remedy)
    units = 0 if data.decoder is None else len(data.decoder.hidden_bias)
    spec = NetworkSpec.of(data.rows.columns.codebook_size, space.num_parameters, units, config)
    return Plan(config, data, split, space, spec, _notes(data, space, config.min_operators))


def _notes(data: OperatorTokens, space: ParameterSpace, min_operators: int) -> tuple[str, ...]:
    """Return what the user should know: families that are predicted by their prior, and a missing decoder."""
    counts = np.bincount(data.family, minlength=len(space.families))
    notes = tuple(
        f"{name} has {count} operators, fewer than {min_operators}: its parameters are predicted by their prior"
        for name, count, prior in zip(space.families, counts.tolist(), space.prior_only, strict=True)
        if prior
    )
    return notes if data.decoder is not None else (*notes, NO_DECODER)
