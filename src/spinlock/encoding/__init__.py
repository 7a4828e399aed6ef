"""Encoding and decoding of rows and of files with a trained model. Files are streamed."""

from spinlock.encoding.decode_file import decode_file
from spinlock.encoding.encode_features import encode_features
from spinlock.encoding.encode_file import encode_file
from spinlock.encoding.row_codec import EncodedBlock, RowCodec
from spinlock.encoding.summary import EncodingSummary
from spinlock.encoding.token_output import Advance
from spinlock.encoding.token_row import TokenRow, describe_row
from spinlock.encoding.trained_model import TrainedModel

__all__ = [
    "Advance",
    "EncodedBlock",
    "EncodingSummary",
    "RowCodec",
    "TokenRow",
    "TrainedModel",
    "decode_file",
    "describe_row",
    "encode_features",
    "encode_file",
]
