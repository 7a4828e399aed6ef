"""The categorical hierarchical VQ-VAE: rows [B, D] -> tokens [B, C, L] -> rows [B, D].

Letters: ``B`` rows, ``D`` columns, ``C`` categories, ``E`` embedding width, ``L`` levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.model.network.bucket import BucketResult, CategoryBucket
from spinlock.model.network.decoder import SharedDecoder
from spinlock.model.network.joint_codes import JointCodes
from spinlock.model.network.layout import flatten_categories, padded_columns
from spinlock.model.network.quantizer import LevelResult, QuantizerLevel
from spinlock.model.spec import LEVELS, ModelSpec


@dataclass(frozen=True)
class ForwardResult:
    """One forward pass in training.

    Attributes
    ----------
    reconstruction
        Reconstructed rows [B, D].
    flat_latents
        Quantized latents of all categories [B, sum of C E], with the straight-through gradient.
    buckets
        Results of each bucket of categories.
    embedding_dim
        Common width E of :attr:`embeddings` and :attr:`latents`, which are zero beyond the width of a bucket.
    """

    reconstruction: Tensor
    flat_latents: Tensor
    buckets: list[BucketResult]
    embedding_dim: int

    @property
    def embeddings(self) -> Tensor:
        """Embeddings [C, B, E] before quantization."""
        return pad_and_concatenate([bucket.embeddings for bucket in self.buckets], self.embedding_dim)

    @property
    def latents(self) -> Tensor:
        """Quantized latents [C, B, E] after all levels, with the straight-through gradient."""
        return pad_and_concatenate([bucket.latents[-1] for bucket in self.buckets], self.embedding_dim)

    @property
    def levels(self) -> list[LevelResult]:
        """Results of every level of every bucket, in the order of :meth:`CategoricalVQVAE.quantizer_levels`."""
        return [level for bucket in self.buckets for level in bucket.levels]

    @property
    def indices(self) -> Tensor:
        """Tokens [B, C, L]."""
        tokens = [torch.stack([level.indices for level in bucket.levels], dim=-1) for bucket in self.buckets]
        return torch.cat(tokens).transpose(0, 1)


class CategoricalVQVAE(nn.Module):
    """Encoders, quantizers and decoders of all categories, with local assignment: each category has its own tokens.

    Use :func:`build_network`, which selects the class that matches the specification.

    Parameters
    ----------
    spec
        Categories and sizes.
    learned_codes
        Whether the codebooks are parameters that are trained by a codebook loss. Otherwise they are exponential moving
        averages.
    seed
        Seed of the initial weights. The closed-form initialization replaces most of them.
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
        """Create the decoder of the quantized latents of all categories, ``width`` numbers for each row."""
        self.decoder = SharedDecoder(width, self.spec.decoder_dim, self.spec.num_columns, generator)

    def with_joint_codes(self) -> JointVQVAE:
        """Return a copy of the network with joint codes, all zero, instead of the hidden layer of the decoder."""
        learned = self.quantizer_levels()[0].codes.requires_grad
        joint = JointVQVAE(replace(self.spec, assignment="joint"), learned_codes=learned)
        hidden = {f"decoder.{name}" for name in ("hidden", "hidden_bias", "output")}
        kept = {name: tensor for name, tensor in self.state_dict().items() if name not in hidden}
        joint.load_state_dict(joint.state_dict() | kept)
        return joint.to(self.decoder.linear.device)

    def each_bucket(self) -> list[CategoryBucket]:
        """Return the buckets as a typed list."""
        return [bucket for bucket in self.buckets if isinstance(bucket, CategoryBucket)]

    def quantizer_levels(self) -> list[QuantizerLevel]:
        """Return every level of every bucket."""
        return [level for bucket in self.each_bucket() for level in bucket.quantizer.each_level()]

    def forward(
        self, rows: Tensor, dropout_ends: tuple[int, int] = (0, 0), category_rows: int | None = None
    ) -> ForwardResult:
        """Encode, quantize and decode rows.

        Parameters
        ----------
        rows
            Rows [B, D] in random order, so that the first rows are a random sample.
        dropout_ends
            Two row numbers (a, b) of the quantizer dropout. The shared decoder reads one level of the rows before a,
            two levels of the rows from a to b - 1, and all levels of the other rows.
        category_rows
            Number of rows that the category decoders predict; None for all rows.

        Returns
        -------
        ForwardResult
        """
        table = padded_columns(rows)
        buckets = [bucket(table, category_rows) for bucket in self.each_bucket()]
        prefixes = [[bucket.latents[level] for bucket in buckets] for level in range(LEVELS)]
        flat_latents = flatten_categories(prefixes[-1])
        reconstruction = self.decoder(apply_quantizer_dropout(flat_latents, prefixes, dropout_ends))
        return ForwardResult(reconstruction, flat_latents, buckets, self.spec.embedding_dim)

    @torch.no_grad()
    def encode(self, rows: Tensor) -> Tensor:
        """Return the local tokens [B, C, L] int64 of rows [B, D]; as in training, each level takes the nearest code."""
        result: ForwardResult = self(rows)
        return result.indices

    @torch.no_grad()
    def decode(self, indices: Tensor) -> Tensor:
        """Decode local tokens [B, C, l] of the first l levels to rows [B, D]."""
        reconstruction: Tensor = self.decoder(self.flat_latents(indices))
        return reconstruction

    @torch.no_grad()
    def flat_latents(self, indices: Tensor) -> Tensor:
        """Return the quantized latents [B, sum of C E] of tokens [B, C, l], the input of the shared decoder."""
        return flatten_categories(self._bucket_latents(indices))

    @torch.no_grad()
    def lookup(self, indices: Tensor) -> Tensor:
        """Return the quantized latents [C, B, E] of tokens [B, C, l] of the first l levels."""
        return pad_and_concatenate(self._bucket_latents(indices), self.spec.embedding_dim)

    def _bucket_latents(self, indices: Tensor) -> list[Tensor]:
        """Look up the quantized latents of each bucket."""
        return [bucket.quantizer.lookup(indices[:, bucket.members]) for bucket in self.each_bucket()]


class JointVQVAE(CategoricalVQVAE):
    """A network with joint assignment: its codes have vectors over all columns, see :class:`JointCodes`.

    The shared decoder has no hidden layer, because the refinement of the joint codes replaces it.
    """

    joint: JointCodes

    def _build_decoder(self, width: int, generator: torch.Generator) -> None:
        """Create a linear decoder of the latents and the joint codes."""
        spec = self.spec
        self.decoder = SharedDecoder(width, 0, spec.num_columns, generator)
        self.joint = JointCodes(spec.num_codes, spec.num_columns, spec.decoder_dim, generator)


NETWORKS: dict[str, type[CategoricalVQVAE]] = {"local": CategoricalVQVAE, "joint": JointVQVAE}
"""Class of the network for each value of ``ModelSpec.assignment``."""


def build_network(spec: ModelSpec, *, learned_codes: bool = False, seed: int = 0) -> CategoricalVQVAE:
    """Build the network of a specification, for local or joint assignment.

    Parameters
    ----------
    spec
        Categories, sizes and assignment.
    learned_codes
        Whether the codebooks are parameters that are trained by a codebook loss. Otherwise they are exponential moving
        averages.
    seed
        Seed of the initial weights.

    Returns
    -------
    CategoricalVQVAE
        A :class:`JointVQVAE` for joint assignment.
    """
    return NETWORKS[spec.assignment](spec, learned_codes=learned_codes, seed=seed)


def pad_and_concatenate(buckets: Sequence[Tensor], width: int) -> Tensor:
    """Pad tensors [C, B, e] with different C and e to a width with zeros, and concatenate them to [C, B, width]."""
    return torch.cat([F.pad(bucket, (0, width - bucket.shape[-1])) for bucket in buckets])


def apply_quantizer_dropout(
    flat_latents: Tensor, prefixes: Sequence[Sequence[Tensor]], ends: tuple[int, int]
) -> Tensor:
    """Replace the latents of some rows by the latents after one level or after two levels.

    Parameters
    ----------
    flat_latents
        Latents [B, sum of C E] after all levels.
    prefixes
        Latents [C, B, E] of each bucket after each level.
    ends
        Two row numbers (a, b). Rows before a get one level, rows from a to b - 1 two levels.

    Returns
    -------
    Tensor
        Latents [B, sum of C E].
    """
    if ends[-1] == 0:
        return flat_latents
    shortened = [
        flatten_categories([latents[:, start:end] for latents in prefix])
        for prefix, start, end in zip(prefixes, (0, *ends), ends, strict=False)
    ]
    return torch.cat([*shortened, flat_latents[ends[-1] :]])
