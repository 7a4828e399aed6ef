"""Encoding and decoding with a trained model: blocks of rows, and whole files, which are streamed."""

from spinlock.encoding.decode_file import decode_file
from spinlock.encoding.encode_file import EncodingSummary, encode_file
from spinlock.encoding.row_codec import EncodedBlock, RowCodec, check_tokens

__all__ = ["EncodedBlock", "EncodingSummary", "RowCodec", "check_tokens", "decode_file", "encode_file"]
