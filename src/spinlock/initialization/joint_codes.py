"""Closed-form fit of joint codes by alternating optimization of tokens and code vectors.

The vectors T start as the projected codes times the decoder matrix. Let F [n, S] be the one-hot assignments of all
codebooks. Each round first assigns all tokens of a row jointly. It then adds dT = (F'F + lambda I)^-1 F'(X - F T) to
the vectors, a ridge regression of the residual (additive quantization: Babenko and Lempitsky, 2014). Finally, the
vectors for the first one and two levels are fitted by one such regression each, which starts from the vectors for all
levels.

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
"""Number of rounds of assignment and regression."""

BEAM_WIDTH, SWEEPS = 4, 2
"""Beam width and maximum number of sweeps of the assignment in a round; encoding uses more sweeps."""

BLOCK = 1024
"""Number of rows that are assigned at once."""


@torch.no_grad()
@full_precision()
def fit_joint_codes(model: JointVQVAE, rows: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Fit the joint codes of a model, starting from its local codes and its decoder.

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
    """Improve the tokens of rows by at most :data:`SWEEPS` sweeps.

    Parameters
    ----------
    codes
        Joint codes.
    rows
        Rows [n, D] in normalized units.
    initial_tokens
        Tokens [n, C, L] to start from.

    Returns
    -------
    Tensor
        Tokens [n, C, L].
    """
    tables = JointTables(codes)
    blocks = zip(torch.split(rows, BLOCK), torch.split(initial_tokens, BLOCK), strict=True)
    return torch.cat([tables.assign(x, start, sweeps=SWEEPS, width=BEAM_WIDTH)[0] for x, start in blocks])


def refit_vectors(codes: JointCodes, rows: Tensor, tokens: Tensor, ridge: float = RIDGE) -> None:
    """Update the vectors for the first l levels by ridge regression of the residual of the tokens.

    Parameters
    ----------
    codes
        Joint codes, whose vectors for the first l levels are updated in place.
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
