"""Three levels of vector quantization, with codebooks that follow an exponential moving average.

Level l projects the residual, y_l = r_l P_l, and takes the nearest code q_l = e_k with k = argmin_k |y_l - e_k|^2. The
residual of the next level is r_{l+1} = r_l - q_l U_l, and the quantized latent is z^ = sum_l q_l U_l (residual
quantization: Zeghidour et al., 2021; projected codes: Kumar et al., 2023). P_l and U_l are fixed: P_l takes the first
d_l coordinates of the embedding, and U_l = P_l'. If they were trained, encoder, projections and codes could be scaled
together without a change of the tokens, and the commitment loss would have no meaning. Each code is a moving average of
the latents that are assigned to it (van den Oord et al., 2017, appendix): after every update e = S / n~, with the
decayed sums S and the Laplace-smoothed decayed counts n~. All categories share one batched product per level. It is
computed in float32 without autocast, because lower precision would decide near ties differently in training and in
encoding.

Letters: ``B`` rows, ``C`` categories, ``E`` embedding width, ``K`` codes, ``d`` latent width of a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spinlock.model.network.codebook import code_mask, code_penalty, nearest, to_one_hot
from spinlock.model.network.gradients import detached_rows, lookup_rows

NEVER_RESET = 1 << 40
"""Age in steps of a code that was never reset."""

LAPLACE_SMOOTHING = 1e-5
"""Count that is added to the usage of each code (additive smoothing), in rows."""


@dataclass(frozen=True)
class CodeStatistics:
    """Number of rows that are assigned to each code of a level, [C, K], and the sums of their latents, [C, K, d]."""

    counts: Tensor
    sums: Tensor


@dataclass(frozen=True)
class LevelResult:
    """One forward pass of a level.

    Attributes
    ----------
    latents
        Projected residuals y [C, B, d].
    one_hot
        Assigned codes as one-hot vectors [C, B, K].
    indices
        Indices of the assigned codes [C, B].
    projected_codes
        Projected codes e U [C, K, E].
    contribution
        Contribution q U [C, B, E] of the level to the quantized latent.
    """

    latents: Tensor
    one_hot: Tensor
    indices: Tensor
    projected_codes: Tensor
    contribution: Tensor

    @torch.no_grad()
    def code_statistics(self) -> CodeStatistics:
        """Return the counts and sums of this pass."""
        return CodeStatistics(self.one_hot.sum(1), torch.bmm(self.one_hot.transpose(1, 2), self.latents.detach()))


class QuantizerLevel(nn.Module):
    """One codebook per category, padded to a common size.

    ``codes`` [C, K, d] are the codebooks. ``counts`` [C, K] and ``sums`` [C, K, d] are exponential moving averages over
    batches, in rows per batch. ``age`` [C, K] is the number of optimizer steps since a code was reset.

    Parameters
    ----------
    latent_dims, num_codes
        Latent width and number of codes of each category.
    embedding_dim
        Embedding width E.
    learned_codes
        Whether codes are parameters that are trained by gradient descent.
    generator
        Source of the initial weights and codes.
    """

    project_in: Tensor
    project_out: Tensor
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
        identity = torch.eye(embedding_dim, width).expand(categories, -1, -1)
        self.register_buffer("project_in", identity.clone())
        self.register_buffer("project_out", identity.transpose(1, 2).clone())
        codes = torch.randn(*mask.shape, width, generator=generator) * mask[..., None] * latent_mask[:, None]
        self.codes = nn.Parameter(codes, requires_grad=learned_codes)
        self.register_buffer("counts", mask.float())
        self.register_buffer("sums", codes.clone())
        self.register_buffer("age", torch.full(mask.shape, NEVER_RESET))
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("latent_mask", latent_mask[:, None], persistent=False)

    @property
    def num_codes(self) -> Tensor:
        """Number of codes of each category [C]."""
        return self.mask.sum(-1)

    def project(self, residual: Tensor) -> Tensor:
        """Return y = r P [C, B, d], zero beyond the latent width of a category."""
        return torch.bmm(residual, self.project_in * self.latent_mask)

    def projected_codes(self) -> Tensor:
        """Return e U [C, K, E], without a gradient for the codes. Projecting K codes replaces projecting B rows."""
        return torch.bmm(self.codes.detach() * self.latent_mask, self.project_out)

    def forward(self, residual: Tensor) -> LevelResult:
        """Quantize residuals [C, B, E] with the current codes."""
        latents = self.project(residual)
        indices = nearest(latents.detach(), self.codes.detach(), code_penalty(self.codes.detach(), self.mask))
        one_hot = to_one_hot(indices, self.codes.shape[1])
        projected_codes = self.projected_codes()
        return LevelResult(latents, one_hot, indices, projected_codes, lookup_rows(projected_codes, indices, one_hot))

    @torch.no_grad()
    def set_codes(self, codes: Tensor, counts: Tensor) -> None:
        """Set the codes [C, K, d] and their counts [C, K] in rows per batch, and the sums to S = n~ e."""
        self.codes.copy_(codes)
        self.counts.copy_(counts * self.mask)
        self.sums.copy_(self.smoothed_counts()[..., None] * codes)
        self.age.fill_(NEVER_RESET)

    def smoothed_counts(self) -> Tensor:
        """Return n~ = (n + eps) / (sum n + K eps) * sum n [C, K]."""
        total = self.counts.sum(-1, keepdim=True)
        num_codes = self.mask.sum(-1, keepdim=True)
        return (self.counts + LAPLACE_SMOOTHING) / (total + num_codes * LAPLACE_SMOOTHING) * total * self.mask

    @torch.no_grad()
    def update(self, statistics: CodeStatistics, decay: float) -> None:
        """Update the moving averages n <- decay n + (1 - decay) counts and S likewise, and set e = S / n~.

        A code without rows in the batch does not change, and its sum is set to S = n~ e. The quotient S / n~ of such a
        code would decrease to zero, because the smoothing keeps n~ above zero. The batch of the statistics has to be
        quantized with the codes before the update.
        """
        self.age += 1
        self.counts.lerp_(statistics.counts, 1 - decay)
        self.sums.lerp_(statistics.sums, 1 - decay)
        divisor = self.smoothed_counts()[..., None]
        used = (statistics.counts > 0)[..., None]
        self.codes.copy_(torch.where(used, self.sums / divisor.clamp(min=1e-30), self.codes))
        self.sums.copy_(torch.where(used, self.sums, divisor * self.codes))

    @torch.no_grad()
    def track_usage(self, statistics: CodeStatistics, decay: float) -> None:
        """Update the counts, for codes that are trained by gradient descent, and set the sums to S = n~ e."""
        self.age += 1
        self.counts.lerp_(statistics.counts, 1 - decay)
        self.sums.copy_(self.smoothed_counts()[..., None] * self.codes)


class ResidualQuantizer(nn.Module):
    """The quantizer levels of all categories, applied from coarse to fine.

    Parameters
    ----------
    latent_dims, num_codes
        Latent width and number of codes of each category and level [C][3].
    embedding_dim
        Embedding width E.
    learned_codes
        Whether codes are parameters that are trained by gradient descent.
    generator
        Source of the initial weights and codes.
    """

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

    def each_level(self) -> list[QuantizerLevel]:
        """Return the levels as a typed list."""
        return [level for level in self.levels if isinstance(level, QuantizerLevel)]

    def forward(self, embeddings: Tensor) -> list[LevelResult]:
        """Quantize embeddings [C, B, E] level by level. No gradient flows from a residual to the coarser levels."""
        residual = embeddings.float()
        results: list[LevelResult] = []
        with torch.autocast(embeddings.device.type, enabled=False):
            for level in self.each_level():
                if results:
                    residual = residual - results[-1].contribution.detach()
                results.append(level(residual))
        return results

    @torch.no_grad()
    def gradient_passthrough(self) -> Tensor:
        """Return T = I - prod_l (I - P_l U_l) [C, E, E].

        If every level had an unlimited number of codes, the quantized latent of an embedding e would be e T.
        """
        levels = self.each_level()
        identity = torch.eye(levels[0].project_in.shape[1], device=levels[0].project_in.device)
        remainder = identity.expand(len(levels[0].project_in), -1, -1)
        for level in levels:
            projected = torch.bmm(remainder, level.project_in) * level.latent_mask
            remainder = remainder - torch.bmm(projected, level.project_out)
        return identity - remainder

    def lookup(self, indices: Tensor) -> Tensor:
        """Return the quantized latents [C, B, E] of tokens [B, C, l] of the first l levels."""
        levels = self.each_level()[: indices.shape[-1]]
        rows = [detached_rows(level.projected_codes(), indices[..., i].t()) for i, level in enumerate(levels)]
        return torch.stack(rows).sum(0) if len(rows) > 1 else rows[0]
