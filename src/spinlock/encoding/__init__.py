"""Encoding and decoding of rows and of files with a trained model. Files are streamed."""

from spinlock.encoding.decode_file import decode_file
from spinlock.encoding.encode_file import EncodingSummary, encode_file
from spinlock.encoding.row_codec import EncodedBlock, RowCodec, check_tokens

__all__ = ["EncodedBlock", "EncodingSummary", "RowCodec", "check_tokens", "decode_file", "encode_file"]
