"""The categorical hierarchical VQ-VAE: rows [B, D] -> tokens [B, C, L] -> rows [B, D]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.model.network.block import BucketResult, CategoryBucket
from spinlock.model.network.decoder import SharedDecoder
from spinlock.model.network.joint_codes import JointCodes
from spinlock.model.network.layout import by_column
from spinlock.model.network.quantizer import LevelResult, QuantizerLevel
from spinlock.model.spec import LEVELS, ModelSpec


@dataclass(frozen=True)
class ForwardResult:
    """One training pass: the ``reconstruction`` [B, D], and what each bucket of categories did.

    ``flat`` [B, ...] holds the quantized latents of all categories side by side, with the straight-through gradient;
    ``embedding_dim`` is the common width E that embeddings and latents are shown in, zero beyond a bucket's own.
    """

    reconstruction: Tensor
    flat: Tensor
    buckets: list[BucketResult]
    embedding_dim: int

    @property
    def embeddings(self) -> Tensor:
        """Embeddings [C, B, E] before quantization."""
        return widened([block.embeddings for block in self.buckets], self.embedding_dim)

    @property
    def latents(self) -> Tensor:
        """Quantized latents [C, B, E] after all levels, with the straight-through gradient."""
        return widened([block.latents[-1] for block in self.buckets], self.embedding_dim)

    @property
    def levels(self) -> list[LevelResult]:
        """What every level of every bucket did, in the order of :meth:`CategoricalVQVAE.quantizer_levels`."""
        return [level for block in self.buckets for level in block.levels]

    @property
    def indices(self) -> Tensor:
        """Tokens [B, C, L]."""
        tokens = [torch.stack([level.indices for level in block.levels], dim=-1) for block in self.buckets]
        return torch.cat(tokens).transpose(0, 1)


class CategoricalVQVAE(nn.Module):
    """Encoders, quantizers and decoders of all categories; tokens are assigned locally, category by category.

    Use :func:`build_network`, which selects the class that belongs to the specification.

    Parameters
    ----------
    spec
        Categories and sizes.
    learned_codes
        Whether the codebooks are parameters, trained by a codebook loss; they follow an exponential moving average
        otherwise.
    seed
        Seed of the generator from which the weights are drawn. The closed-form initialization replaces most of them.
    """

    def __init__(self, spec: ModelSpec, *, learned_codes: bool = False, seed: int = 0) -> None:
        super().__init__()
        assert NETWORKS[spec.assignment] is type(self), "build_network selects the class of a specification"
        self.spec = spec
        generator = torch.Generator().manual_seed(seed)
        self.buckets = nn.ModuleList(
            CategoryBucket(spec, members, learned_codes=learned_codes, generator=generator) for members in spec.buckets
        )
        width = sum(len(spec.groups[b.members]) * spec.embedding_width(b.members) for b in self.each_bucket())
        self._build_decoder(width, generator)

    def _build_decoder(self, width: int, generator: torch.Generator) -> None:
        """Create what reads the quantized latents of all categories, ``width`` numbers per row."""
        spec = self.spec
        self.decoder = SharedDecoder(width, spec.decoder_dim, spec.num_columns, generator, spec.gelu)

    def with_joint_codes(self) -> JointVQVAE:
        """Return a copy of the network with joint codes, which are zero, instead of the decoder's hidden layer."""
        learned = self.quantizer_levels()[0].codes.requires_grad
        joint = JointVQVAE(replace(self.spec, assignment="joint"), learned_codes=learned)
        hidden = {f"decoder.{name}" for name in ("hidden", "hidden_bias", "output")}
        kept = {name: tensor for name, tensor in self.state_dict().items() if name not in hidden}
        joint.load_state_dict(joint.state_dict() | kept)
        return joint.to(self.decoder.linear.device)

    def each_bucket(self) -> list[CategoryBucket]:
        """The buckets, typed."""
        return [block for block in self.buckets if isinstance(block, CategoryBucket)]

    def quantizer_levels(self) -> list[QuantizerLevel]:
        """Every level of every bucket."""
        return [level for block in self.each_bucket() for level in block.quantizer.each()]

    def forward(
        self, rows: Tensor, dropout_ends: tuple[int, int] = (0, 0), category_rows: int | None = None
    ) -> ForwardResult:
        """Encode, quantize and decode rows [B, D].

        The shared decoder sees one level of the rows before the first of ``prefix_ends``, two levels of those before
        the second, and all levels of the rest; the partial decoders see the first ``partial_rows`` rows (None: all).
        (Batches are in random order, so slices of them are random rows, at no cost.)
        """
        table = by_column(rows)
        blocks = [block(table, category_rows) for block in self.each_bucket()]
        prefixes = [[block.latents[level] for block in blocks] for level in range(LEVELS)]
        flat = joined(prefixes[-1])
        return ForwardResult(
            self.decoder(apply_quantizer_dropout(flat, prefixes, dropout_ends)), flat, blocks, self.spec.embedding_dim
        )

    @torch.no_grad()
    def encode(self, rows: Tensor) -> Tensor:
        """Local tokens [B, C, L] int64 of rows [B, D], level by level as in training."""
        result: ForwardResult = self(rows)
        return result.indices

    @torch.no_grad()
    def decode(self, indices: Tensor) -> Tensor:
        """Rows [B, D] of tokens [B, C, l]: any prefix of l = 1..L levels."""
        reconstruction: Tensor = self.decoder(joined(self._looked_up(indices)))
        return reconstruction

    @torch.no_grad()
    def lookup(self, indices: Tensor) -> Tensor:
        """Quantized latents [C, B, E] of tokens [B, C, l]."""
        return widened(self._looked_up(indices), self.spec.embedding_dim)

    def _looked_up(self, indices: Tensor) -> list[Tensor]:
        return [block.quantizer.lookup(indices[:, block.members]) for block in self.each_bucket()]


class JointVQVAE(CategoricalVQVAE):
    """A network whose tokens are assigned jointly: codes with vectors over all columns, see :class:`JointCodes`.

    The shared decoder has no hidden layer, since the joint codes have a refinement of their own.
    """

    joint: JointCodes

    def _build_decoder(self, width: int, generator: torch.Generator) -> None:
        """Create a linear decoder of the latents and the joint codes."""
        spec = self.spec
        self.decoder = SharedDecoder(width, 0, spec.num_columns, generator, spec.gelu)
        self.joint = JointCodes(spec.num_codes, spec.num_columns, spec.decoder_dim, generator, spec.gelu)


NETWORKS: dict[str, type[CategoricalVQVAE]] = {"local": CategoricalVQVAE, "joint": JointVQVAE}
"""Class of the network for each value of ``ModelSpec.assignment``."""


def build_network(spec: ModelSpec, *, learned_codes: bool = False, seed: int = 0) -> CategoricalVQVAE:
    """Build the network that belongs to the assignment of a specification.

    Parameters
    ----------
    spec
        Categories, sizes and assignment.
    learned_codes
        Whether the codebooks are parameters, trained by a codebook loss; they follow an exponential moving average
        otherwise.
    seed
        Seed of the initial weights.

    Returns
    -------
    CategoricalVQVAE
        A :class:`JointVQVAE` for joint assignment.
    """
    return NETWORKS[spec.assignment](spec, learned_codes=learned_codes, seed=seed)


def widened(parts: Sequence[Tensor], width: int) -> Tensor:
    """Parts [C, B, e] of different e as one [C, B, width], zero beyond each part's own."""
    return torch.cat([F.pad(part, (0, width - part.shape[-1])) for part in parts])


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Parts [C, B, e] of different C and e as one [B, sum of C e], category after category."""
    flat = [part.transpose(0, 1).flatten(1) for part in parts]
    return torch.cat(flat, dim=1) if len(flat) > 1 else flat[0]


def apply_quantizer_dropout(flat: Tensor, prefixes: Sequence[Sequence[Tensor]], ends: tuple[int, int]) -> Tensor:
    """``flat`` [B, ...] of which the rows before the first end stop after one level, those before the second after two.

    ``prefixes`` are the latents [C, B, E] of each bucket after each level, ``flat`` the last of them side by side.
    """
    if ends[-1] == 0:
        return flat
    starts = (0, *ends)
    first = [
        joined([latents[:, start:end] for latents in prefix])
        for prefix, start, end in zip(prefixes, starts, ends, strict=False)
    ]
    return torch.cat([*first, flat[ends[-1] :]])
