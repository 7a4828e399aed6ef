"""Schema of the file of a model.

Letters: ``N`` operators, ``T`` token columns, ``F`` families, ``P`` parameters, ``E`` members.
"""

from __future__ import annotations

from typing import get_args

import torch

from spinlock.ano.data.scales import Kind
from spinlock.ano.data.split import PARTS
from spinlock.checkpoint.containers import FixedMapping, ListOf, MapOf, Plain
from spinlock.checkpoint.schema import Flag, Integer, Nullable, Number, Text
from spinlock.checkpoint.tensor_schema import TensorOf

KIND = "spinlock-ano"
FORMAT_VERSION = 4

_HASH = Text(pattern="[0-9a-f]{64}")
_WEIGHTS = MapOf(TensorOf((torch.float32, torch.int64)))
_MOMENTS = MapOf(MapOf(TensorOf((torch.float32,))), keys=Integer())

LAYOUT = FixedMapping(
    {
        "kind": Text(choices=(KIND,)),
        "format_version": Integer(minimum=1),
        "config": MapOf(Plain()),
        "tokens": FixedMapping(
            {
                "category": ListOf(Text(), "T"),
                "level": ListOf(Integer(), "T"),
                "codebook_size": ListOf(Integer(minimum=1), "T"),
                "model_sha256": _HASH,
                "sha256": _HASH,
                "decoder_sha256": Text(pattern="([0-9a-f]{64})?"),
                "operators": TensorOf((torch.int64,), ("N",)),
            }
        ),
        "operators": FixedMapping({part: TensorOf((torch.int64,), (part,), minimum=0) for part in PARTS}),
        "space": FixedMapping(
            {
                "families": ListOf(Text(), "F", unique=True),
                "scales": ListOf(
                    FixedMapping(
                        {"name": Text(), "kind": Text(choices=get_args(Kind)), "values": ListOf(Number())},
                    ),
                    "P",
                ),
                "columns": ListOf(ListOf(Integer(), unique=True), "F"),
                "prior_only": ListOf(Flag(), "F"),
            }
        ),
        "network": FixedMapping(
            {
                "codebook_sizes": ListOf(Integer(minimum=1), "T"),
                "num_parameters": ListOf(Integer(), "F"),
                "decoder_units": Integer(),
                **{
                    name: Integer(minimum=1)
                    for name in ("embedding_dim", "hidden_dim", "num_blocks", "components", "fourier_features")
                },
            }
        ),
        "provenance": FixedMapping(
            {
                "versions": MapOf(Text()),
                "command_line": Text(),
                "started": Text(),
                "seeds": MapOf(Integer()),
            }
        ),
        "members": ListOf(_WEIGHTS),
        "calibration": Nullable(
            FixedMapping(
                {
                    "temperature": Number(),
                    "widths": FixedMapping(
                        {"half_widths": ListOf(ListOf(Number(), "L"), "F"), "operators": ListOf(Integer(), "F")}
                    ),
                }
            )
        ),
        "metrics": MapOf(Plain()),
        "history": ListOf(MapOf(Number())),
        "resume": Nullable(
            FixedMapping(
                {
                    "finished": ListOf(_WEIGHTS),
                    "epoch": Integer(),
                    "weights": Nullable(_WEIGHTS),
                    "optimizer": Nullable(FixedMapping({"state": _MOMENTS, "param_groups": ListOf(MapOf(Plain()))})),
                    "best_weights": _WEIGHTS,
                    "best_losses": MapOf(Number(finite=False)),
                    "best_epochs": MapOf(Integer()),
                }
            )
        ),
    }
)
"""Kind of each value of the file."""
