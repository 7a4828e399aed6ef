"""Making the decoder that is stored in a token file.

It decodes tokens to coordinates of the normalized features along at most 256 axes, the principal axes of the vectors of
the codes. The vector of a code is what it adds to a decoded row in the linear part of the decoder; with joint
assignment it is its joint vector.

Letters: ``J`` codes of all codebooks together, ``U`` columns, ``H`` hidden units, ``A`` axes.
"""

from __future__ import annotations

import numpy as np

from spinlock.encoding.row_codec import RowCodec
from spinlock.io.annotations import AnnotatedFile
from spinlock.io.token_decoder import TokenDecoder
from spinlock.metrics.correlation import principal_axes
from spinlock.runtime.isolation import isolated

MAX_AXES = 256
"""Maximum number of axes A."""


def decoder_if_needed(source: AnnotatedFile, codec: RowCodec) -> TokenDecoder | None:
    """Return the decoder for the token file of a dataset; None if the dataset has no parameters of operators."""
    return make_token_decoder(codec) if source.has_parameters else None


def make_token_decoder(codec: RowCodec) -> TokenDecoder:
    """Return the decoder of a tokenizer in single precision.

    The bias of the decoder is not stored, because it shifts all rows equally. For a table of more than 1,500 columns
    the axes are those of at most 4,096 codes.
    """
    with isolated(codec.device):
        books = [book.cpu().double().numpy() for levels in codec.codec.code_vectors() for book in levels]
        hidden = codec.codec.hidden_layer()
    centered = np.concatenate([book - book.mean(axis=0) for book in books])  # [J, U]
    axes = principal_axes(centered, MAX_AXES)
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # LAPACK may return either sign
    return TokenDecoder(
        linear=(np.concatenate(books) @ axes).astype(np.float32),
        hidden=hidden.codes.cpu().numpy(),
        hidden_bias=hidden.bias.cpu().numpy(),
        output=(hidden.output.cpu().double().numpy() @ axes).astype(np.float32),
    )
