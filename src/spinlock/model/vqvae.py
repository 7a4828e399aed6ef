"""The categorical hierarchical VQ-VAE: rows [B, D] -> tokens [B, C, L] -> rows [B, D]."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spinlock.model.decoder import PartialDecoders, SharedDecoder
from spinlock.model.encoder import CategoryEncoder
from spinlock.model.layout import CategoryLayout
from spinlock.model.quantizer import LevelResult, ResidualQuantizer
from spinlock.model.spec import LEVELS, ModelSpec


@dataclass(frozen=True)
class ForwardResult:
    """One training pass.

    ``embeddings`` [C, B, E] before and ``latents`` [L, C, B, E] after quantisation (after each level, with the
    straight-through gradient), ``reconstruction`` [B, D], ``partial`` [L, C, B, M] and its target ``blocks``
    [C, B, M], and what each level did.
    """

    blocks: Tensor
    embeddings: Tensor
    latents: Tensor
    reconstruction: Tensor
    partial: Tensor
    levels: list[LevelResult]

    @property
    def indices(self) -> Tensor:
        """Tokens [B, C, L]."""
        return torch.stack([level.indices for level in self.levels], dim=-1).transpose(0, 1)


class CategoricalVQVAE(nn.Module):
    """Encoders, quantiser and decoders of all categories, batched.

    ``learned_codes`` makes the codebooks parameters (codebook loss instead of the moving average). Weights are drawn
    from a generator seeded with ``seed``; the warm start replaces them.
    """

    def __init__(self, spec: ModelSpec, *, learned_codes: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.spec = spec
        generator = torch.Generator().manual_seed(seed)
        self.layout = CategoryLayout(spec.groups)
        mask = self.layout.mask
        self.encoder = CategoryEncoder(mask, spec.embedding_dim, spec.hidden_dim, generator)
        self.quantizer = ResidualQuantizer(
            spec.latent_dims,
            spec.num_codes,
            spec.embedding_dim,
            learned_codes=learned_codes,
            generator=generator,
        )
        self.decoder = SharedDecoder(
            spec.num_categories, spec.embedding_dim, spec.hidden_dim, spec.num_columns, generator
        )
        self.partial_decoders = PartialDecoders(LEVELS, mask, spec.embedding_dim, generator)

    def forward(self, rows: Tensor, prefix: Tensor | None = None) -> ForwardResult:
        """Encode, quantise and decode rows [B, D].

        ``prefix`` [B] in 1..L says how many levels of each row the shared decoder gets to see; all when absent. The
        straight-through gradient of every prefix reaches the embeddings: z^ + (e - stop(e)).
        """
        blocks = self.layout.gather(rows)
        embeddings = self.encoder(blocks)
        levels = self.quantizer(embeddings)
        through = embeddings - embeddings.detach()
        latents = torch.stack([level.step for level in levels]).cumsum(0) + through
        seen = latents[-1] if prefix is None else select_prefix(latents, prefix)
        return ForwardResult(
            blocks, embeddings, latents, self.decoder(seen), self.partial_decoders(latents), levels
        )

    @torch.no_grad()
    def encode(self, rows: Tensor) -> Tensor:
        """Tokens [B, C, L] int64 of rows [B, D]."""
        levels = self.quantizer(self.encoder(self.layout.gather(rows)))
        return torch.stack([level.indices for level in levels], dim=-1).transpose(0, 1)

    @torch.no_grad()
    def decode(self, indices: Tensor) -> Tensor:
        """Rows [B, D] of tokens [B, C, l]: any prefix of l = 1..L levels."""
        reconstruction: Tensor = self.decoder(self.quantizer.lookup(indices)[-1])
        return reconstruction

    @torch.no_grad()
    def latent(self, indices: Tensor) -> Tensor:
        """The quantised latent [B, C E] that the shared decoder gets for tokens [B, C, l]."""
        return self.quantizer.lookup(indices)[-1].transpose(0, 1).flatten(1)


def select_prefix(latents: Tensor, prefix: Tensor) -> Tensor:
    """Each row's latent after its own number of levels: [L, C, B, E] and [B] to [C, B, E]."""
    levels = torch.arange(1, latents.shape[0] + 1, device=latents.device)
    chosen = (prefix[None] == levels[:, None]).to(latents.dtype)
    return (latents * chosen[:, None, :, None]).sum(0)
