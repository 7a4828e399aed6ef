"""Fit joint codes in closed form: assign all tokens of a row together, refit all vectors at once, a few rounds.

T starts as code times decoder. With the one-hot assignments F [n, S] of all codebooks side by side, a round moves the
vectors by ridge regression of what is left, dT = (F'F + lambda I)^-1 F'(X - F T), toward what they were; then the
tokens are assigned anew (as in additive quantization, Babenko and Lempitsky, 2014). At the end each prefix of the
levels gets vectors of its own, by one such regression from those of the whole.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spinlock.model import JointVQVAE
from spinlock.model.codec.inference import full_precision
from spinlock.model.codec.joint_assignment import JointTables
from spinlock.model.codec.tables import TokenTables
from spinlock.model.network.joint_codes import JointCodes
from spinlock.model.spec import LEVELS

RIDGE = 60.0
"""lambda, in rows: held-out quality is flat between 30 and 100."""

ROUNDS = 4
WIDTH, SWEEPS = 4, 2
"""Of the assignment between rounds; the last one is as in encoding."""

BLOCK = 1024


@torch.no_grad()
@full_precision()
def fit_joint(model: JointVQVAE, rows: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Set the joint codes of a model from rows [n, D] and from what its network has so far.

    Returns the tokens [n, C, L] of the rows in the last round, which the codes were fitted for.
    """
    codes = model.joint
    tables = TokenTables(model)
    codes.vectors().copy_(tables.rows[:, : model.spec.num_columns])
    tokens = torch.cat([tables.encode(block).indices for block in torch.split(rows, BLOCK)])
    for _ in range(rounds):
        tokens = assign(codes, rows, tokens)
        refit(codes, rows, tokens)
    for levels in range(1, LEVELS):
        codes.vectors(levels).copy_(torch.cat([book for books in codes.books() for book in books[:levels]]))
        refit(codes, rows, tokens[..., :levels])
    return tokens


def assign(codes: JointCodes, rows: Tensor, tokens: Tensor) -> Tensor:
    """Better tokens [n, C, L] of rows [n, D], quickly."""
    tables = JointTables(codes)
    blocks = zip(torch.split(rows, BLOCK), torch.split(tokens, BLOCK), strict=True)
    return torch.cat([tables.assign(x, start, sweeps=SWEEPS, width=WIDTH)[0] for x, start in blocks])


def refit(codes: JointCodes, rows: Tensor, tokens: Tensor, ridge: float = RIDGE) -> None:
    """One ridge regression of what the tokens [n, C, l] leave of rows [n, D] on all codes of these levels."""
    vectors = codes.vectors(tokens.shape[-1])
    size = len(vectors)
    gram = torch.zeros(size, size, dtype=torch.float64, device=rows.device)
    right = torch.zeros(size, rows.shape[1], dtype=torch.float64, device=rows.device)
    for x, chosen in zip(torch.split(rows, 8 * BLOCK), torch.split(tokens, 8 * BLOCK), strict=True):
        one_hot = torch.zeros(len(x), size, device=rows.device).scatter_(1, codes.flat(chosen), 1.0)
        gram += (one_hot.t() @ one_hot).double()
        right += (one_hot.t() @ (x - one_hot @ vectors)).double()
    gram.diagonal().add_(ridge)
    vectors += torch.cholesky_solve(right, torch.linalg.cholesky(gram)).float()
