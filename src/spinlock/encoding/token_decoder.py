"""Creation of the decoder in a token file, with which another model reads tokens without the tokenizer.

It decodes tokens to coordinates of the normalized features along at most 256 axes, the principal axes of the vectors of
the codes. The vector of a code is what it adds to a decoded row in the linear part of the decoder, or its joint vector.

Letters: ``J`` codes of all codebooks together, ``U`` columns, ``H`` hidden units, ``P`` axes.
"""

from __future__ import annotations

import numpy as np

from spinlock.encoding.row_codec import RowCodec
from spinlock.io.annotations import AnnotatedFile
from spinlock.io.token_decoder import TokenDecoder
from spinlock.metrics.correlation import principal_axes
from spinlock.runtime.isolation import isolated

MAX_AXES = 256
"""Maximum number of axes P."""


def decoder_for(source: AnnotatedFile, codec: RowCodec) -> TokenDecoder | None:
    """Return the decoder for the token file of a dataset; None if the dataset has no parameters of operators."""
    return make_token_decoder(codec) if source.has_parameters else None


def make_token_decoder(codec: RowCodec) -> TokenDecoder:
    """Return the decoder of a tokenizer in single precision.

    The codes are in the order of the token columns and of the codes of each. The constant term of the decoder is left
    out.
    """
    with isolated(codec.device):
        books = [book.cpu().double().numpy() for levels in codec.codec.code_vectors() for book in levels]
        hidden = codec.codec.hidden_layer()
    centered = np.concatenate([book - book.mean(axis=0) for book in books])  # [J, U]
    largest = principal_axes(centered, MAX_AXES)
    signs = np.sign(largest[np.abs(largest).argmax(axis=0), np.arange(largest.shape[1])])  # the same on each machine
    axes = largest * signs
    return TokenDecoder(
        positions=(np.concatenate(books) @ axes).astype(np.float32),
        code_hidden=hidden.codes.cpu().numpy(),
        hidden_bias=hidden.bias.cpu().numpy(),
        hidden_positions=(hidden.output.cpu().double().numpy() @ axes).astype(np.float32),
    )
