"""Shapes of all weights of a network, computed from its specification without building it.

They are compared with stored weights before the network takes memory.

Letters: ``D`` columns, ``C`` categories of a bucket, ``M`` columns of the widest category, ``E`` embedding width, ``H``
hidden width, ``K`` codes and ``d`` latent width of a level, ``L`` levels, ``S_l`` codes of all codebooks of l levels.
"""

from __future__ import annotations

from spinlock.model.spec import LEVELS, ModelSpec

Shape = tuple[int, ...]


def weight_shapes(spec: ModelSpec) -> dict[str, Shape]:
    """Return the shape of each tensor of the state dict of :func:`~spinlock.model.build_network`, by its name.

    The tensors ``age`` are int64, and all others float32.
    """
    shapes: dict[str, Shape] = {}
    width = 0
    for number, members in enumerate(spec.buckets):
        bucket = _bucket_shapes(spec, members)
        shapes |= {f"buckets.{number}.{name}": shape for name, shape in bucket.items()}
        width += len(spec.groups[members]) * spec.embedding_width(members)
    columns, hidden = spec.num_columns, spec.decoder_dim
    joint = spec.assignment == "joint"
    decoder = _layer_shapes(width, 0 if joint else hidden, columns)
    shapes |= {"decoder.linear": (width, columns), "decoder.bias": (columns,)}
    shapes |= {f"decoder.{name}": shape for name, shape in decoder.items()}
    if joint:
        codes = [sum(sizes[level] for sizes in spec.num_codes) for level in range(LEVELS)]
        shapes |= {f"joint.vectors_{level}": (sum(codes[:level]), columns) for level in range(1, LEVELS + 1)}
        shapes |= {f"joint.{name}": shape for name, shape in _layer_shapes(columns, hidden, columns).items()}
    return shapes


def _bucket_shapes(spec: ModelSpec, members: slice) -> dict[str, Shape]:
    """Return the shapes of a bucket: its encoders, quantizers and category decoders."""
    C, M, E, H = (
        len(spec.groups[members]),
        max(len(group) for group in spec.groups[members]),
        spec.embedding_width(members),
        spec.hidden_dim,
    )
    shapes: dict[str, Shape] = {
        "encoder.linear": (C, M, E),
        "encoder.hidden": (C, M, H),
        "encoder.hidden_bias": (C, 1, H),
        "encoder.output": (C, H, E),
        "category_decoders.linear": (LEVELS, C, E, M),
        "category_decoders.bias": (LEVELS, C, 1, M),
    }
    for level in range(LEVELS):
        d = max(dims[level] for dims in spec.latent_dims[members])
        K = max(codes[level] for codes in spec.num_codes[members])
        quantizer: dict[str, Shape] = {
            "project_in": (C, E, d),
            "project_out": (C, d, E),
            "codes": (C, K, d),
            "counts": (C, K),
            "sums": (C, K, d),
            "age": (C, K),
        }
        shapes |= {f"quantizer.levels.{level}.{name}": shape for name, shape in quantizer.items()}
    return shapes


def _layer_shapes(inputs: int, hidden: int, outputs: int) -> dict[str, Shape]:
    """Return the shapes of a hidden layer and of the linear map of its result."""
    return {"hidden": (inputs, hidden), "hidden_bias": (hidden,), "output": (hidden, outputs)}
