"""Three nested levels of vector quantization with codebooks that follow an exponential moving average.

Level l projects the residual down, y_l = r_l P_l, finds the nearest code q_l = argmin_k |y_l - e_k|^2, and passes on
r_{l+1} = r_l - q_l U_l; the quantized latent is z^ = sum_l q_l U_l (residual quantization: Zeghidour et al., 2021;
projected codes: Kumar et al., 2023). Codebooks follow the latents assigned to them (van den Oord et al., 2017,
appendix): with decayed counts n and sums S, e = S / n~ holds after every change; n~ is Laplace-smoothed for this
division only. All categories share one batched product per level, in float32 with autocast off: near ties would
otherwise flip, and exported tokens would differ from trained ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.model.network.codebook import code_mask, code_penalty, nearest, to_one_hot
from spinlock.model.network.encoder import uniform_weights

NEVER_RESET = 1 << 40
"""The age of a code that was never replaced, in steps."""

LAPLACE_SMOOTHING = 1e-5
"""Laplace smoothing of code usage, in rows."""


@dataclass(frozen=True)
class LevelResult:
    """What one level did.

    Latents y [C, B, d], assignment as one-hot rows [C, B, K], indices [C, B], the projected codes e U [C, K, E]
    and the contribution q U [C, B, E] of the level to the quantized latent.
    """

    latents: Tensor
    one_hot: Tensor
    indices: Tensor
    projected_codes: Tensor
    contribution: Tensor

    @torch.no_grad()
    def assigned(self) -> Assigned:
        """Hits and sums of latents of this pass."""
        return Assigned(self.one_hot.sum(1), torch.bmm(self.one_hot.transpose(1, 2), self.latents.detach()))


@dataclass(frozen=True)
class Assigned:
    """How many rows [C, K] chose each code of a level, and the sums of their latents [C, K, d]."""

    counts: Tensor
    sums: Tensor


class QuantizerLevel(nn.Module):
    """One codebook per category, padded to a common size.

    ``codes`` [C, K, d], ``counts`` [C, K] and ``sums`` [C, K, d] are rows per batch, decayed; ``age`` [C, K] counts
    the optimizer steps since a code was last replaced.
    """

    counts: Tensor
    sums: Tensor
    age: Tensor
    mask: Tensor
    latent_mask: Tensor

    def __init__(
        self,
        latent_dims: tuple[int, ...],
        num_codes: tuple[int, ...],
        embedding_dim: int,
        *,
        learned_codes: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        categories, width = len(latent_dims), max(latent_dims)
        mask = code_mask(torch.tensor(num_codes))
        latent_mask = code_mask(torch.tensor(latent_dims)).float()
        self.project_in = uniform_weights((categories, embedding_dim, width), embedding_dim, generator)
        self.project_out = uniform_weights((categories, width, embedding_dim), width, generator)
        codes = torch.randn(*mask.shape, width, generator=generator) * mask[..., None] * latent_mask[:, None]
        self.codes = nn.Parameter(codes, requires_grad=learned_codes)
        self.register_buffer("counts", mask.float())
        self.register_buffer("sums", codes.clone())
        self.register_buffer("age", torch.full(mask.shape, NEVER_RESET))
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("latent_mask", latent_mask[:, None], persistent=False)

    @property
    def num_codes(self) -> Tensor:
        """K of each category, [C]."""
        return self.mask.sum(-1)

    def project(self, residual: Tensor) -> Tensor:
        """y = r P [C, B, d], zero beyond a category's own latent width."""
        return torch.bmm(residual, self.project_in * self.latent_mask)

    def projected_codes(self) -> Tensor:
        """e U [C, K, E]: what each code adds to the quantized latent. K products, not B; codes get no gradient here."""
        return torch.bmm(self.codes.detach() * self.latent_mask, self.project_out)

    def input_codes(self) -> Tensor:
        """q D' [C, K, E]: a residual's product with it is that of its projection with the code."""
        return torch.bmm(self.codes.detach() * self.latent_mask, self.project_in.transpose(1, 2))

    def forward(self, residual: Tensor) -> LevelResult:
        """Quantize residuals [C, B, E] with the codes as they are."""
        latents = self.project(residual)
        indices = nearest(latents.detach(), self.codes.detach(), code_penalty(self.codes.detach(), self.mask))
        one_hot = to_one_hot(indices, self.codes.shape[1])
        table = self.projected_codes()
        return LevelResult(latents, one_hot, indices, table, lookup_rows(table, indices, one_hot))

    @torch.no_grad()
    def set_codes(self, codes: Tensor, counts: Tensor) -> None:
        """Replace the whole codebook: codes [C, K, d] with counts [C, K] in rows per batch; S = n e."""
        self.codes.copy_(codes)
        self.counts.copy_(counts * self.mask)
        self.sums.copy_(self.smoothed_counts()[..., None] * codes)
        self.age.fill_(NEVER_RESET)

    def smoothed_counts(self) -> Tensor:
        """n~ = (n + eps) / (sum n + K eps) * sum n [C, K]: a temporary, never written back."""
        total = self.counts.sum(-1, keepdim=True)
        codes = self.mask.sum(-1, keepdim=True)
        return (self.counts + LAPLACE_SMOOTHING) / (total + codes * LAPLACE_SMOOTHING) * total * self.mask

    @torch.no_grad()
    def update(self, assigned: Assigned, decay: float) -> None:
        """n <- decay n + (1 - decay) hits, S likewise, e = S / n~: after the batch was quantized with the old codes."""
        self.age += 1
        self.counts.lerp_(assigned.counts, 1 - decay)
        self.sums.lerp_(assigned.sums, 1 - decay)
        divisor = self.smoothed_counts()[..., None]
        self.codes.copy_(torch.where(divisor > 0, self.sums / divisor.clamp(min=1e-30), self.codes))

    @torch.no_grad()
    def track_usage(self, assigned: Assigned, decay: float) -> None:
        """The counts alone, for codebooks that are learned by gradient; S = n~ e keeps the state consistent."""
        self.age += 1
        self.counts.lerp_(assigned.counts, 1 - decay)
        self.sums.copy_(self.smoothed_counts()[..., None] * self.codes)


class ResidualQuantizer(nn.Module):
    """The levels of all categories, applied coarse to fine."""

    def __init__(
        self,
        latent_dims: tuple[tuple[int, int, int], ...],
        num_codes: tuple[tuple[int, int, int], ...],
        embedding_dim: int,
        *,
        learned_codes: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        levels = [
            QuantizerLevel(dims, codes, embedding_dim, learned_codes=learned_codes, generator=generator)
            for dims, codes in zip(zip(*latent_dims, strict=True), zip(*num_codes, strict=True), strict=True)
        ]
        self.levels = nn.ModuleList(levels)

    def each(self) -> list[QuantizerLevel]:
        """The levels, typed."""
        return [level for level in self.levels if isinstance(level, QuantizerLevel)]

    def forward(self, embeddings: Tensor) -> list[LevelResult]:
        """Quantize embeddings [C, B, E] level by level; a residual carries no gradient into coarser levels."""
        residual = embeddings.float()
        results: list[LevelResult] = []
        with torch.autocast(embeddings.device.type, enabled=False):
            for level in self.each():
                if results:
                    residual = residual - results[-1].contribution.detach()
                results.append(level(residual))
        return results

    @torch.no_grad()
    def gradient_passthrough(self) -> Tensor:
        """T = I - prod_l (I - P_l U_l) [C, E, E]: what of an embedding e the levels pass on, e T, but for rounding."""
        levels = self.each()
        whole = torch.eye(levels[0].project_in.shape[1], device=levels[0].project_in.device)
        lost = whole.expand(len(levels[0].project_in), -1, -1)
        for level in levels:
            lost = lost - torch.bmm(torch.bmm(lost, level.project_in) * level.latent_mask, level.project_out)
        return whole - lost

    def lookup(self, indices: Tensor) -> Tensor:
        """Quantized latents [C, B, E] of token indices [B, C, l], for any prefix of l levels."""
        levels = self.each()[: indices.shape[-1]]
        rows = [table_rows(level.projected_codes(), indices[..., i].t()) for i, level in enumerate(levels)]
        return torch.stack(rows).sum(0) if len(rows) > 1 else rows[0]


class _Chosen(torch.autograd.Function):
    """Rows of tables: looked up, which is faster than a product with one-hot rows; that product is its transpose."""

    @staticmethod
    def forward(ctx: Any, tables: Tensor, indices: Tensor, one_hot: Tensor) -> Tensor:
        ctx.save_for_backward(one_hot)
        return table_rows(tables, indices)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (one_hot,) = ctx.saved_tensors
        return torch.bmm(one_hot.transpose(1, 2), gradient), None, None


def lookup_rows(tables: Tensor, indices: Tensor, one_hot: Tensor) -> Tensor:
    """Rows [C, B, E] of tables [C, K, E] by indices [C, B], which ``hits`` [C, B, K] shows as one-hot rows."""
    rows: Tensor = _Chosen.apply(tables, indices, one_hot)
    return rows


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, embeddings: Tensor, passed_on: Tensor) -> Tensor:
        ctx.save_for_backward(passed_on)
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (passed_on,) = ctx.saved_tensors
        return gradient, torch.bmm(gradient, passed_on.transpose(1, 2)), None


def straight_through(value: Tensor, embeddings: Tensor, passed_on: Tensor) -> Tensor:
    """value + (e - stop(e)) M [C, B, m]: a gradient g reaches the embeddings e [C, B, E] as g M^T, M is [C, E, m]."""
    through: Tensor = _StraightThrough.apply(value, embeddings, passed_on)
    return through


def table_rows(tables: Tensor, indices: Tensor) -> Tensor:
    """Rows [C, B, E] of tables [C, K, E] by indices [C, B]; without a gradient for the tables."""
    first = tables.shape[1] * torch.arange(len(tables), device=tables.device)[:, None]
    return F.embedding(indices + first, tables.detach().flatten(0, 1))
