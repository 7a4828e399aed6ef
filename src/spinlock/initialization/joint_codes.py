"""Fit of joint codes in closed form, which alternates between the tokens of rows and the vectors of all codes.

The vectors T start as projected code times decoder. With the one-hot assignments F [n, S] of all codebooks, a round
assigns the tokens of each row together and changes the vectors by ridge regression of the residual,
dT = (F'F + lambda I)^-1 F'(X - F T) (additive quantization: Babenko and Lempitsky, 2014). At the end each prefix of the
levels gets its own vectors, by one such regression that starts from the vectors for all levels.

Letters: ``n`` rows, ``D`` columns, ``C`` categories, ``L`` levels, ``S`` codes of all codebooks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spinlock.model import JointVQVAE
from spinlock.model.codec.joint_assignment import JointTables
from spinlock.model.codec.tables import TokenTables
from spinlock.model.network.joint_codes import JointCodes
from spinlock.model.spec import LEVELS
from spinlock.runtime.precision import full_precision

RIDGE = 60.0
"""Ridge strength lambda, in rows. Held-out quality hardly changes between 30 and 100."""

ROUNDS = 4
"""Rounds of assignment and regression."""

BEAM_WIDTH, SWEEPS = 4, 2
"""Effort of the assignment between rounds, which is less than that of encoding."""

BLOCK = 1024
"""Rows that are assigned at once."""


@torch.no_grad()
@full_precision()
def fit_joint_codes(model: JointVQVAE, rows: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Fit the joint codes of a model, starting from its network.

    Parameters
    ----------
    model
        Model whose encoders, quantizers and decoder are initialized or trained.
    rows
        Training rows [n, D] in normalized units.
    rounds
        Number of rounds.

    Returns
    -------
    Tensor
        Tokens [n, C, L] of the rows in the last round, for which the vectors were fitted.
    """
    codes = model.joint
    tables = TokenTables(model)
    codes.vectors().copy_(tables.rows[:, : model.spec.num_columns])
    tokens = torch.cat([tables.encode(block).indices for block in torch.split(rows, BLOCK)])
    for _ in range(rounds):
        tokens = assign_tokens(codes, rows, tokens)
        refit_vectors(codes, rows, tokens)
    for levels in range(1, LEVELS):
        codes.vectors(levels).copy_(
            torch.cat([codebook for codebooks in codes.codebooks() for codebook in codebooks[:levels]])
        )
        refit_vectors(codes, rows, tokens[..., :levels])
    return tokens


def assign_tokens(codes: JointCodes, rows: Tensor, initial_tokens: Tensor) -> Tensor:
    """Improve the tokens [n, C, L] of rows [n, D] with little effort."""
    tables = JointTables(codes)
    blocks = zip(torch.split(rows, BLOCK), torch.split(initial_tokens, BLOCK), strict=True)
    return torch.cat([tables.assign(x, start, sweeps=SWEEPS, width=BEAM_WIDTH)[0] for x, start in blocks])


def refit_vectors(codes: JointCodes, rows: Tensor, tokens: Tensor, ridge: float = RIDGE) -> None:
    """Change the vectors of the first l levels by ridge regression of the residual that tokens leave.

    Parameters
    ----------
    codes
        Joint codes, whose vectors of the first l levels are changed.
    rows
        Training rows [n, D].
    tokens
        Tokens [n, C, l].
    ridge
        Ridge strength lambda, in rows.
    """
    vectors = codes.vectors(tokens.shape[-1])
    size = len(vectors)
    gram = torch.zeros(size, size, dtype=torch.float64, device=rows.device)
    right = torch.zeros(size, rows.shape[1], dtype=torch.float64, device=rows.device)
    for x, block_tokens in zip(torch.split(rows, 8 * BLOCK), torch.split(tokens, 8 * BLOCK), strict=True):
        indices = codes.vector_indices(block_tokens)
        one_hot = torch.zeros(len(x), size, device=rows.device).scatter_(1, indices, 1.0)
        gram += (one_hot.t() @ one_hot).double()
        right += (one_hot.t() @ (x - one_hot @ vectors)).double()
    gram.diagonal().add_(ridge)
    vectors += torch.cholesky_solve(right, torch.linalg.cholesky(gram)).float()
