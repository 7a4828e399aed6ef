"""Merge the blocks of a run into one dataset file.

The tables are read and written for a limited number of operators at a time, so that memory does not grow with N.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``D`` columns, ``P`` parameters, ``n`` operators of a slice.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spinlock.config.dataset import RolloutSettings
from spinlock.features.extract import feature_names
from spinlock.generation.blocks import Block
from spinlock.generation.budget import table_bytes
from spinlock.generation.compute_block import BlockResult
from spinlock.generation.design import Design
from spinlock.generation.plan import GenerationPlan
from spinlock.generation.snapshots import max_channels
from spinlock.io.operators import FIELDS, OperatorFile
from spinlock.io.row_file import Attribute
from spinlock.io.snapshots import GROUP
from spinlock.operators.network import CHANNELS
from spinlock.operators.pde import FAMILIES
from spinlock.operators.sampling import NEURAL

SLICE_BYTES = 2**28
"""Maximum bytes of the slices of the three tables that are in memory at the same time."""

TableLayout = Mapping[str, tuple[Sequence[str], tuple[int, ...]]]
"""{table: (column names, shape without N and D)}."""


class BlockReader(Protocol):
    """The results of all blocks of a dataset."""

    def read(self, block: Block, frames: Collection[str] = ()) -> BlockResult:
        """Return a block; ``frames`` contains ``fields`` or ``snapshots`` if these are also read."""


def merge_blocks(
    plan: GenerationPlan, store: BlockReader, *, overwrite: bool, attributes: Mapping[str, Attribute]
) -> NDArray[np.int32]:
    """Write the dataset from finished blocks.

    Parameters
    ----------
    plan
        The plan of the run.
    store
        The results of the blocks.
    overwrite
        Whether to replace an existing file.
    attributes
        Attributes of the file, such as versions and the configuration.

    Returns
    -------
    ndarray of int32
        ``blow_up`` [N, M]: the step in which each run diverged, or 0.
    """
    settings, num_operators = plan.rollout, plan.design.operators.count
    layout = _table_layout(settings)
    blow_up = np.zeros((num_operators, settings.num_realizations), dtype=np.int32)
    slice_rows = max(1, SLICE_BYTES // (table_bytes(num_operators, settings) // num_operators))
    with OperatorFile(plan.output, num_operators, layout, attributes=attributes, overwrite=overwrite) as file:
        for start in range(0, num_operators, slice_rows):
            stop = min(start + slice_rows, num_operators)
            file.write(_read_slice(store, plan.blocks, layout, start, stop, blow_up))
        _write_operators(file, plan.design, blow_up)
        if settings.store_trajectories:
            _write_fields(file, store, plan)
        if settings.save_fields:
            _write_snapshots(file, store, plan)
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
    store: BlockReader, blocks: Sequence[Block], layout: TableLayout, start: int, stop: int, blow_up: NDArray[np.int32]
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
            result = store.read(block)
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
        ("substeps", "integrator substeps with which the first frame begins, before its error is estimated"),
    ):
        values = [getattr(pde[name], key) if name in pde else 1 for name in family.tolist()]
        file.write_dataset(f"metadata/{key}", np.array(values), description=description)
    channels = [pde[name].channels if name in pde else CHANNELS for name in family.tolist()]
    file.write_dataset("metadata/channels", np.array(channels))
    file.write_dataset(
        "metadata/blow_up", blow_up, description="step in which a run exceeded the bound, counted from 1; 0 = never"
    )
    file.write_dataset("metadata/diverged", (blow_up > 0).any(1))


def _write_fields(file: OperatorFile, store: BlockReader, plan: GenerationPlan) -> None:
    """Write the frames of all operators."""
    operators, rollout = plan.design.operators, plan.rollout
    shape = (operators.count, rollout.num_realizations, rollout.num_steps, *_field_shape(plan))
    file.create_frames(FIELDS, shape)
    for block in plan.blocks:
        frames = store.read(block, ["fields"]).fields
        assert frames is not None
        for member, runs in zip(block.members, frames, strict=True):
            file.write_frames(FIELDS, member, runs)


def _write_snapshots(file: OperatorFile, store: BlockReader, plan: GenerationPlan) -> None:
    """Write the snapshots of the chosen operators."""
    chosen = plan.snapshots
    file.create_frames(f"{GROUP}/fields", (len(chosen.operators), len(chosen.steps), *_field_shape(plan)))
    file.write_dataset(f"{GROUP}/operators", chosen.operators, description="positions of the operators in the dataset")
    file.write_dataset(f"{GROUP}/steps", chosen.steps, description="numbers of the frames, counted from 0")
    for block in plan.blocks:
        positions = [position for _, position in chosen.members(block)]
        if positions:
            snapshots = store.read(block, ["snapshots"]).snapshots
            assert snapshots is not None
            for position, frames in zip(positions, snapshots, strict=True):
                file.write_frames(f"{GROUP}/fields", position, frames)


def _field_shape(plan: GenerationPlan) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of a frame, with the largest number of channels of an operator."""
    return (max_channels(plan.design.operators), plan.rollout.grid_size, plan.rollout.grid_size)
