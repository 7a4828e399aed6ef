"""Schema of the content of a checkpoint file.

Letters: ``D`` input columns, ``U`` kept columns, ``H`` heavy-tailed columns,
``Q`` knots of a normalization, ``F`` knots of the distribution functions, ``C`` categories, ``n`` training and
``m`` validation operators, ``r`` and ``s`` their rows, ``v`` validation rows with an error, ``e`` epochs with epoch 0.
"""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import torch

from spinlock.checkpoint.containers import Anything, FixedList, FixedMapping, ListOf, MapOf, Plain, Variants
from spinlock.checkpoint.progress import ValidationResult
from spinlock.checkpoint.schema import Flag, Integer, Nullable, Number, Text
from spinlock.checkpoint.tensor_schema import TensorOf
from spinlock.model.spec import LEVELS, AssignmentName
from spinlock.preprocessing.column_statistics import DropKind

MAX_BEAM_WIDTH = 64
"""Maximum width of the beam search, whose memory is proportional to it."""

_FLOATS, _DOUBLES = (torch.float32,), (torch.float64,)
_INDICES = (torch.int32, torch.int64)
_HASH = Text(pattern="[0-9a-f]{64}")
_WEIGHTS = MapOf(TensorOf((torch.float32, torch.int64)))

_AFFINE = {"center": TensorOf(_DOUBLES, ("U",)), "scale": TensorOf(_DOUBLES, ("U",), positive=True)}


def _knots(columns: str, knots: str = "Q") -> dict[str, TensorOf]:
    """Return the schema of functions with knots of some columns."""
    return {
        "knots": TensorOf(_DOUBLES, (columns, knots)),
        "scores": TensorOf(_DOUBLES, (columns, knots)),
        "counts": TensorOf((torch.int64,), (columns,), minimum=2),
    }


_NORMALIZERS = {
    "standard": _AFFINE,
    "robust": _AFFINE,
    "rank_gauss": _knots("U"),
    "auto": {**_AFFINE, "heavy": TensorOf((torch.int64,), ("H",), minimum=0), **_knots("H")},
}
_STATISTICS = {name: TensorOf(_DOUBLES, ("D",), finite=False) for name in ("median", "lower", "upper", "mean", "std")}
_CLEANER = FixedMapping(
    {
        "names": ListOf(Text(), "D", unique=True),
        "kept": TensorOf((torch.int64,), ("U",)),
        "columns": FixedMapping({**_STATISTICS, "missing": TensorOf((torch.int64,), ("D",), minimum=0)}),
        "reasons": ListOf(FixedList((Integer(), Text(choices=get_args(DropKind)), Text()))),
        "twins": ListOf(
            FixedMapping(
                {"column": Integer(), "original": Integer(), "r": Number(), "slope": Number(), "offset": Number()},
            )
        ),
        "normalizer": Variants("method", _NORMALIZERS),
    },
    optional={"ranks": FixedMapping(_knots("U", "F"))},
)

_SIZES = ListOf(ListOf(Integer(1), LEVELS), "C")
_SPEC = FixedMapping(
    {
        "category_names": ListOf(Text(), "C", unique=True),
        "groups": ListOf(ListOf(Integer()), "C"),
        "embedding_dim": Integer(1),
        "hidden_dim": Integer(1),
        "latent_dims": _SIZES,
        "num_codes": _SIZES,
        "assignment": Text(choices=get_args(AssignmentName)),
        "beam_width": Integer(1, MAX_BEAM_WIDTH),
        "decoder_dim": Integer(),
        "bucket_sizes": ListOf(Integer(1)),
    }
)

_CANDIDATE = FixedMapping(
    {
        "num_categories": Integer(1),
        "distance": Text(),
        "moves": Integer(),
        "quality": Nullable(Number(finite=False)),
        **{
            name: Number(finite=False)
            for name in ("merged_cosine", "cosine", "adjustable_cosine", "largest_fraction", "silhouette")
        },
    }
)
_DISCOVERY = FixedMapping(
    {
        "chosen": _CANDIDATE,
        "candidates": ListOf(_CANDIDATE),
        "meets_target": Flag(),
        "automatic": Flag(),
        "notes": ListOf(Text()),
        "target": Number(),
        "ridge": Number(),
        "comparison_rate": Number(),
        "expected_quality": Number(finite=False),
        "expected_utilization": Number(finite=False),
    },
    optional={"expected_rank_quality": Nullable(Number(finite=False))},
)

_COUNTERS = ("planned_steps", "extent", "epoch", "step", "step_in_epoch", "resets", "resets_total", "reference_epoch")
_SCORES = ("best_score", "best_loss", "initial_quality", "reference_score")
_STATE = FixedMapping(
    {
        "weights": _WEIGHTS,
        "progress": FixedMapping(
            {
                **{name: Integer() for name in (*_COUNTERS, "best_epoch")},
                **{name: Number() for name in _SCORES},
                "losses": MapOf(Number()),
            }
        ),
        "best_validation": FixedMapping({f.name: Number() for f in fields(ValidationResult) if f.name != "errors"}),
        "compile": FixedMapping({"compile": Flag(), "reason": Text()}),
        "random": FixedMapping(
            {"seed": Integer(), "torch": TensorOf((torch.uint8,), (torch.get_rng_state().numel(),))}
        ),
        "environment": MapOf(Plain(depth=0)),
    },
    optional={"average": _WEIGHTS},
)

_OPTIMIZER = FixedMapping(
    {
        "state": MapOf(
            FixedMapping(
                {
                    "step": TensorOf(_FLOATS, (), minimum=0),
                    "exp_avg": TensorOf(_FLOATS),
                    "exp_avg_sq": TensorOf(_FLOATS, minimum=0),
                }
            ),
            keys=Integer(),
        ),
        "param_groups": ListOf(FixedMapping({"params": ListOf(Integer()), "lr_scale": Number(), "lr": Number()})),
    }
)

FINAL_METRICS = FixedMapping(
    {
        "reconstruction_quality": Number(finite=False),
        "codebook_utilization": Number(finite=False),
        "topographic_correlation": Number(finite=False),
        "inter_category_orthogonality": Nullable(Number(finite=False)),
    },
    rest=Plain(),
    optional={
        "rank_quality": Nullable(Number(finite=False)),
        "orthogonality_clipped": Nullable(Number(finite=False)),
        "extreme_rows": FixedMapping(
            {
                "num_rows": Integer(1),
                "num_rows_of_half": Integer(1),
                "largest": ListOf(FixedMapping({"row": Integer(), "share": Number()})),
            }
        ),
    },
)
"""Schema of ``metrics`` of a finished run."""

LAYOUT = FixedMapping(
    {
        "cleaner": _CLEANER,
        "model_spec": _SPEC,
        "model_state_dict": _WEIGHTS,
        "optimizer_state_dict": _OPTIMIZER,
        "training_state": _STATE,
        "split_operators": FixedMapping(
            {"train": TensorOf(_INDICES, ("n",)), "validation": TensorOf(_INDICES, ("m",))}
        ),
        "split": FixedMapping({"train": TensorOf(_INDICES, ("r",)), "validation": TensorOf(_INDICES, ("s",))}),
        "dataset": FixedMapping(
            {
                "sha256": _HASH,
                "names_sha256": _HASH,
                "family": Text(),
                "feature_type": Text(),
                "num_operators": Integer(1),
                "rows_per_operator": Integer(1),
            }
        ),
        "validation_errors": TensorOf(_FLOATS, ("v",), minimum=0),
        "history": MapOf(ListOf(Nullable(Number()), "e")),
        "val_loss": Number(),
        "metrics": MapOf(Plain()),
        "discovery": _DISCOVERY,
        "config": MapOf(Plain()),
        "requested_config": MapOf(Plain()),
        "group_indices": MapOf(ListOf(Integer())),
        "normalization_stats": MapOf(FixedMapping({"mean": TensorOf(_DOUBLES), "std": TensorOf(_DOUBLES)})),
        "feature_names": ListOf(Text(), "D"),
        "dropped_features": MapOf(Text()),
        "provenance": FixedMapping(
            {
                "versions": MapOf(Text()),
                "command_line": Text(),
                "started": Text(),
                "seeds": MapOf(Integer()),
            }
        ),
    },
    rest=Anything(),
)
"""Schema of the content of a file. Further keys are allowed and not read."""
