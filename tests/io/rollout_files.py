"""Small files of rollouts, in the layout of Spinlock and in that of The Well."""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray


def write_rollouts(path: Path, fields: NDArray[np.float32], channels: list[int] | None = None) -> None:
    """Write /outputs/fields, a label, and optional channel counts."""
    with h5py.File(path, "w") as file:
        file["outputs/fields"] = fields
        file["labels/kind"] = [f"k{index % 2}" for index in range(len(fields))]
        if channels is not None:
            file["metadata/channels"] = channels


def write_well(path: Path, *, trajectories: int = 3, frames: int = 6, grid: tuple[int, ...] = (24, 20)) -> None:
    """Write a file in the format of The Well: a scalar, a vector, a symmetric tensor, and a constant field."""
    rng = np.random.default_rng(0)
    axes = ["x", "y"][: len(grid)]
    shape = (trajectories, frames, *grid)
    with h5py.File(path, "w") as file:
        file.attrs.update(
            dataset_name="made_up",
            grid_type="cartesian",
            n_spatial_dims=len(grid),
            n_trajectories=trajectories,
            simulation_parameters=["viscosity"],
            viscosity=0.25,
        )
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = axes
        for name, size in (("time", frames), *zip(axes, grid, strict=True)):
            dimensions[name] = np.linspace(0, 1, size, dtype=np.float32)
            dimensions[name].attrs["sample_varying"] = False
        conditions = file.create_group("boundary_conditions")
        for axis, size in zip(axes, grid, strict=True):
            group = conditions.create_group(f"{axis}_periodic")
            group.attrs.update(
                associated_dims=axis, associated_fields=[], bc_type="PERIODIC", sample_varying=False, time_varying=False
            )
            group["mask"] = np.eye(1, size, dtype=bool)[0]
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = ["viscosity"]
        scalars["viscosity"] = np.array(0.25)
        scalars["viscosity"].attrs.update(time_varying=False, sample_varying=False)
        values = {
            "t0_fields": {"density": rng.normal(size=shape), "mask": rng.normal(size=shape[:1] + shape[2:])},
            "t1_fields": {"velocity": rng.normal(size=(*shape, len(grid)))},
            "t2_fields": {},
        }
        if len(grid) == 2:
            stress = rng.normal(size=(*shape, 2, 2))
            values["t2_fields"]["stress"] = stress + stress.swapaxes(-1, -2)
        for order, (name, fields) in enumerate(values.items()):
            group = file.create_group(name)
            group.attrs["field_names"] = list(fields)
            for field, array in fields.items():
                dataset = group.create_dataset(field, data=array.astype(np.float32))
                dataset.attrs.update(dim_varying=[True] * len(grid), sample_varying=True, time_varying=field != "mask")
                if order == 2:
                    dataset.attrs.update(symmetric=True, antisymmetric=False)
