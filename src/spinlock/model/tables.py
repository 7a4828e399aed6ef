"""A trained model as tables: what depends on a code alone is worked out once for K codes, not for every row.

|r_l P - e_k|^2 up to a term without k is |e_k|^2 - 2 r_l (P e_k), and r_l = e - sum over coarser levels of q U, so with
T_l = P e' [E, K] and G = U T_l every score of a row follows from e T_l and table rows of codes already chosen; the
embedding e = x A + gelu(x W1 + b1) W2 is folded into the tables too. The decoder's first layers are linear in the
quantised latent, so each code adds one row of a table. The same codes as the network's own pass, but for near ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from spinlock.model.block import CategoryBlock
from spinlock.model.joint import JointTables, refine
from spinlock.model.kmeans import code_penalty
from spinlock.model.spec import LEVELS
from spinlock.model.vqvae import CategoricalVQVAE

NEAR_TIE = 1e-5
"""Two codes whose squared distances differ by less than this share of the row's energy are a near tie."""


@dataclass(frozen=True)
class Tokens:
    """Tokens [B, C, L], and which rows [B] have a near tie: another device may decide it otherwise."""

    indices: Tensor
    near_tie: Tensor


class BlockTables:
    """Scores of the codes of one bucket of categories, straight from its columns."""

    def __init__(self, block: CategoryBlock) -> None:
        levels = block.quantizer.each()
        codes = [level.codes * level.latent_mask for level in levels]
        toward = [torch.bmm(level.down, code.transpose(1, 2)) for level, code in zip(levels, codes, strict=True)]
        up = [level.up_codes() for level in levels]
        self.block = block
        self.sizes = [code.shape[1] for code in codes]
        self.penalty = torch.cat([code_penalty(c, level.mask) for c, level in zip(codes, levels, strict=True)], dim=-1)
        every = torch.cat(toward, dim=-1)
        self.linear = -2 * torch.bmm(block.encoder.linear, every)
        self.output = -2 * torch.bmm(block.encoder.output, every)
        self.taken = {
            (coarse, fine): 2 * torch.bmm(up[coarse], toward[fine]) for fine in range(LEVELS) for coarse in range(fine)
        }
        self.first = torch.arange(len(every), device=every.device)[:, None]

    def encode(self, rows: Tensor) -> Tokens:
        """Tokens [C, B, L] of rows [B, D]."""
        encoder, columns = self.block.encoder, self.block.layout.gather(rows)
        hidden = F.gelu(torch.baddbmm(encoder.hidden_bias, columns, encoder.hidden), approximate="tanh")
        scores = torch.baddbmm(torch.baddbmm(self.penalty, columns, self.linear), hidden, self.output)
        margin = NEAR_TIE * columns.square().sum(-1, keepdim=True)
        near_tie = torch.zeros(columns.shape[1], dtype=torch.bool, device=rows.device)
        indices: list[Tensor] = []
        for fine, score in enumerate(torch.split(scores, self.sizes, dim=-1)):
            for coarse, chosen in enumerate(indices):
                table = self.taken[coarse, fine]
                score = score + table.flatten(0, 1)[chosen + table.shape[1] * self.first]
            best = score.argmin(-1, keepdim=True)
            nearest = score.gather(-1, best)
            second = score.scatter(-1, best, torch.inf).amin(-1, keepdim=True)
            near_tie |= (second - nearest <= margin).any(0)[:, 0]
            indices.append(best[..., 0])
        return Tokens(torch.stack(indices, dim=-1), near_tie)


class TokenTables:
    """A whole model as tables; made anew whenever its weights change."""

    @torch.no_grad()
    def __init__(self, model: CategoricalVQVAE) -> None:
        spec, decoder = model.spec, model.decoder
        self.spec = spec
        self.decoder = decoder
        self.blocks = [BlockTables(block) for block in model.each_block()]
        layers = torch.cat([decoder.linear, decoder.hidden], dim=1)
        codebooks: list[Tensor] = []
        for block in model.each_block():
            up = [level.up_codes() for level in block.quantizer.each()]
            for c, sizes in enumerate(spec.num_codes[block.members]):
                category = block.members.start + c
                layer = layers[category * spec.embedding_dim : (category + 1) * spec.embedding_dim]
                codebooks += [table[c, :size] @ layer for table, size in zip(up, sizes, strict=True)]
        count = torch.tensor([len(codes) for codes in codebooks], device=layers.device)
        self.rows = torch.cat(codebooks)
        self.starts = (count.cumsum(0) - count).view(-1, LEVELS)
        columns = spec.num_columns
        joint = spec.assignment == "joint"
        self.joint = JointTables.of([codes[:, :columns] for codes in codebooks], decoder.bias) if joint else None

    @torch.no_grad()
    def encode(self, rows: Tensor) -> Tokens:
        """Tokens of rows [B, D], assigned as the model's specification says."""
        encoded = [block.encode(rows) for block in self.blocks]
        indices = torch.cat([part.indices for part in encoded]).transpose(0, 1)
        near_tie = torch.stack([part.near_tie for part in encoded]).any(0)
        if self.joint is not None:
            indices = refine(self.joint, rows, indices.flatten(1)).view(indices.shape)
        return Tokens(indices, near_tie)

    @torch.no_grad()
    def decode(self, indices: Tensor) -> Tensor:
        """Rows [B, D] of tokens [B, C, l], any prefix of the levels."""
        flat = (indices + self.starts[:, : indices.shape[-1]]).flatten(1)
        summed = F.embedding_bag(flat, self.rows, mode="sum")
        linear, hidden = summed[:, : self.spec.num_columns], summed[:, self.spec.num_columns :]
        hidden = F.gelu(hidden + self.decoder.hidden_bias, approximate="tanh")
        return torch.addmm(linear + self.decoder.bias, hidden, self.decoder.output)
