"""The parts of a run joined to one dataset, a band of operators at a time, so that memory does not grow with N.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``D`` columns, ``P`` parameters, ``n`` operators of a band.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock.config import dump_config
from spinlock.config.dataset import DatasetConfig
from spinlock.features.extract import VERSION, FeatureNames, feature_names
from spinlock.generation.blocks import Block
from spinlock.generation.budget import table_bytes
from spinlock.generation.design import CONDITION
from spinlock.generation.shards import ShardStore
from spinlock.io.operators import OperatorFile
from spinlock.io.row_file import Attribute
from spinlock.operators.neural import CHANNELS
from spinlock.operators.pde import FAMILIES
from spinlock.operators.sampling import NEURAL, Operators

BAND_BYTES = 2**28
"""Of the three tables together, held in memory at once."""

TABLES = ("aggregated", "per_trajectory", "per_timestep")


def merge_shards(
    store: ShardStore,
    blocks: Sequence[Block],
    operators: Operators,
    config: DatasetConfig,
    output: Path,
    *,
    overwrite: bool,
    attributes: Mapping[str, Attribute],
    advance: Callable[[int], None] = lambda _: None,
) -> NDArray[np.int32]:
    """Write the dataset; returns ``blow_up`` [N, M], the step at which a run failed, or 0."""
    count = operators.count
    names = feature_names(with_probes=True)
    tables = _layout(names, config)
    blow_up = np.zeros((count, config.num_realizations), dtype=np.int32)
    marks: dict[str, Attribute] = {"features_version": VERSION, "configuration": dump_config(config), **attributes}
    with OperatorFile(output, count, tables, attributes=marks, overwrite=overwrite) as file:
        band_rows = max(1, BAND_BYTES // (table_bytes(config) // count))
        for start in range(0, count, band_rows):
            stop = min(start + band_rows, count)
            band = {
                kind: np.empty((stop - start, *inner, len(columns)), dtype=np.float32)
                for kind, (columns, inner) in tables.items()
            }
            for block in blocks:
                chosen = [(row, member) for row, member in enumerate(block.members) if start <= member < stop]
                if chosen:
                    rows, places = np.array(chosen).T
                    part = store.read(block, with_fields=False)
                    for kind, values in band.items():
                        values[places - start] = getattr(part, kind)[rows]
                    blow_up[places] = part.blow_up[rows]
            file.write(band)
            advance(stop - start)
        _annotate(file, operators, config, blow_up)
        if config.store_trajectories:
            _keep_fields(file, store, blocks, operators, config)
    return blow_up


def _layout(names: FeatureNames, config: DatasetConfig) -> dict[str, tuple[Sequence[str], tuple[int, ...]]]:
    return {
        "aggregated": (names.aggregated, ()),
        "per_trajectory": (names.per_trajectory, (config.num_realizations,)),
        "per_timestep": (names.per_timestep, (config.num_steps,)),
    }


def _annotate(file: OperatorFile, operators: Operators, config: DatasetConfig, blow_up: NDArray[np.int32]) -> None:
    unit, physical = operators.tables()
    file.put("parameters/params", unit, description="unit cube; NaN where an operator has no such parameter")
    file.put("parameters/physical", physical, description="physical values")
    file.put("parameters/names", np.array(operators.parameter_names))
    strata = [operators.strata[number] for number in operators.stratum]
    family = np.array([stratum.family for stratum in strata])
    file.put("labels/family", family)
    file.put("labels/policy", np.array([stratum.policy or "none" for stratum in strata]))
    file.put("labels/initial_condition", _conditions(operators, config))
    pde = {name: FAMILIES[name] for name in set(family.tolist()) - {NEURAL}}
    for key, description in (
        ("domain", "side length of the periodic square, in the equation's units; 1 for neural operators"),
        ("frame_time", "time between two frames; 1 for neural operators"),
        ("substeps", "integrator steps in a frame"),
    ):
        values = [getattr(pde[name], key) if name in pde else 1 for name in family.tolist()]
        file.put(f"metadata/{key}", np.array(values), description=description)
    channels = [pde[name].channels if name in pde else CHANNELS for name in family.tolist()]
    file.put("metadata/channels", np.array(channels))
    file.put("metadata/blow_up", blow_up, description="step at which a run left the bound, 1 the first; 0 = never")
    file.put("metadata/diverged", (blow_up > 0).any(1))


def _conditions(operators: Operators, config: DatasetConfig) -> NDArray[np.str_]:
    names = np.empty(operators.count, dtype=object)
    for number in range(len(operators.strata)):
        rows = operators.members(number)
        if len(rows):
            kinds = operators.values(number, CONDITION).astype(int)
            names[rows] = [config.initial_conditions[kind] for kind in kinds]
    return names.astype(np.str_)


def _keep_fields(
    file: OperatorFile, store: ShardStore, blocks: Sequence[Block], operators: Operators, config: DatasetConfig
) -> None:
    kinds = {operators.strata[number].family for number in operators.stratum}
    channels = max(FAMILIES[name].channels if name in FAMILIES else CHANNELS for name in kinds)
    file.keep_fields((config.num_samples, config.num_realizations, config.num_steps, channels, *[config.grid_size] * 2))
    for block in blocks:
        kept = store.read(block).fields
        assert kept is not None
        for member, runs in zip(block.members, kept, strict=True):
            file.write_fields(member, runs)
