"""Encode rows to tokens with a trained network, and decode tokens to rows.

``inference`` has the codecs, ``tables`` what they precompute for the codes of each category, ``beam_search`` the search
for the best codes of one category, and ``joint_assignment`` the search over all categories of a row.
"""

from spinlock.model.codec.inference import BLOCK, Codec, EncodedRows, JointCodec, make_codec

__all__ = ["BLOCK", "Codec", "EncodedRows", "JointCodec", "make_codec"]
