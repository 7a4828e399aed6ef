"""Merge the shards of a run into one dataset file.

The tables are read and written for a limited number of operators at a time, so that memory does not grow with N.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``D`` columns, ``P`` parameters, ``n`` operators of a slice.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock.config.dataset import RolloutSettings
from spinlock.features.extract import feature_names
from spinlock.generation.blocks import Block
from spinlock.generation.budget import table_bytes
from spinlock.generation.design import Design
from spinlock.generation.shards import ShardStore
from spinlock.io.operators import OperatorFile
from spinlock.io.row_file import Attribute
from spinlock.operators.neural import CHANNELS
from spinlock.operators.pde import FAMILIES
from spinlock.operators.sampling import NEURAL

SLICE_BYTES = 2**28
"""Maximum bytes of the slices of the three tables that are in memory at the same time."""

TableLayout = Mapping[str, tuple[Sequence[str], tuple[int, ...]]]
"""{table: (column names, shape without N and D)}."""


def merge_shards(
    store: ShardStore,
    blocks: Sequence[Block],
    design: Design,
    settings: RolloutSettings,
    output: Path,
    *,
    overwrite: bool,
    attributes: Mapping[str, Attribute],
) -> NDArray[np.int32]:
    """Write the dataset from finished blocks.

    Parameters
    ----------
    store
        The results of the blocks.
    blocks
        All blocks of the dataset.
    design
        The sampled operators.
    settings
        The shape of the rollouts.
    output
        Path of the dataset.
    overwrite
        Whether to replace an existing file.
    attributes
        Attributes of the file, such as versions and the configuration.

    Returns
    -------
    ndarray of int32
        ``blow_up`` [N, M]: the step in which each run diverged, or 0.
    """
    num_operators = design.operators.count
    layout = _table_layout(settings)
    blow_up = np.zeros((num_operators, settings.num_realizations), dtype=np.int32)
    slice_rows = max(1, SLICE_BYTES // (table_bytes(num_operators, settings) // num_operators))
    with OperatorFile(output, num_operators, layout, attributes=attributes, overwrite=overwrite) as file:
        for start in range(0, num_operators, slice_rows):
            stop = min(start + slice_rows, num_operators)
            file.write(_read_slice(store, blocks, layout, start, stop, blow_up))
        _write_operators(file, design, blow_up)
        if settings.store_trajectories:
            _write_fields(file, store, blocks, design, settings)
    return blow_up


def _table_layout(settings: RolloutSettings) -> TableLayout:
    """Return the columns and shapes of the three tables."""
    names = feature_names(with_probes=True)
    return {
        "aggregated": (names.aggregated, ()),
        "per_trajectory": (names.per_trajectory, (settings.num_realizations,)),
        "per_timestep": (names.per_timestep, (settings.num_steps,)),
    }


def _read_slice(
    store: ShardStore, blocks: Sequence[Block], layout: TableLayout, start: int, stop: int, blow_up: NDArray[np.int32]
) -> dict[str, NDArray[np.float32]]:
    """Return the rows [``start``, ``stop``) of each table, and set these rows of ``blow_up`` [N, M]."""
    tables = {
        kind: np.empty((stop - start, *inner, len(columns)), dtype=np.float32)
        for kind, (columns, inner) in layout.items()
    }
    for block in blocks:
        pairs = [(row, member) for row, member in enumerate(block.members) if start <= member < stop]
        if pairs:
            rows, members = np.array(pairs).T
            result = store.read(block, with_fields=False)
            for kind, values in tables.items():
                values[members - start] = getattr(result, kind)[rows]
            blow_up[members] = result.blow_up[rows]
    return tables


def _write_operators(file: OperatorFile, design: Design, blow_up: NDArray[np.int32]) -> None:
    """Write the parameters, labels and metadata of each operator."""
    operators = design.operators
    unit, physical = operators.tables()
    file.write_dataset("parameters/params", unit, description="coordinates in the unit cube; NaN = no such parameter")
    file.write_dataset("parameters/physical", physical, description="physical values")
    file.write_dataset("parameters/names", np.array(operators.parameter_names))
    strata = [operators.strata[number] for number in operators.stratum]
    family = np.array([stratum.family for stratum in strata])
    file.write_dataset("labels/family", family)
    file.write_dataset("labels/policy", np.array([stratum.policy or "none" for stratum in strata]))
    file.write_dataset("labels/initial_condition", design.initial_conditions())
    pde = {name: FAMILIES[name] for name in set(family.tolist()) - {NEURAL}}
    for key, description in (
        ("domain", "side length of the periodic square, in the equation's units; 1 for neural operators"),
        ("frame_time", "time between two frames; 1 for neural operators"),
        ("substeps", "integrator steps from one frame to the next"),
    ):
        values = [getattr(pde[name], key) if name in pde else 1 for name in family.tolist()]
        file.write_dataset(f"metadata/{key}", np.array(values), description=description)
    channels = [pde[name].channels if name in pde else CHANNELS for name in family.tolist()]
    file.write_dataset("metadata/channels", np.array(channels))
    file.write_dataset(
        "metadata/blow_up", blow_up, description="step in which a run exceeded the bound, counted from 1; 0 = never"
    )
    file.write_dataset("metadata/diverged", (blow_up > 0).any(1))


def _write_fields(
    file: OperatorFile, store: ShardStore, blocks: Sequence[Block], design: Design, settings: RolloutSettings
) -> None:
    """Write the frames of all operators."""
    operators = design.operators
    families = {operators.strata[number].family for number in operators.stratum}
    channels = max(FAMILIES[name].channels if name in FAMILIES else CHANNELS for name in families)
    grid = (settings.grid_size, settings.grid_size)
    file.create_fields((operators.count, settings.num_realizations, settings.num_steps, channels, *grid))
    for block in blocks:
        frames = store.read(block).fields
        assert frames is not None
        for member, runs in zip(block.members, frames, strict=True):
            file.write_fields(member, runs)
