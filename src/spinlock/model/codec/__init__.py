"""Encode rows to tokens with a trained network, and decode tokens to rows.

``inference`` defines the codecs, ``tables`` the quantities that they precompute for all codes, ``beam_search`` the
search for the best codes of one category, and ``joint_assignment`` the search over all categories of a row.
"""

from spinlock.model.codec.inference import BLOCK, Codec, EncodedRows, JointCodec, make_codec

__all__ = ["BLOCK", "Codec", "EncodedRows", "JointCodec", "make_codec"]
