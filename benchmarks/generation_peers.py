"""Speed of dataset generation, compared with exponax, with Fourier transforms alone, and with pycatch22, on one core.

*Rollouts*: one frame of 16 operators with three realizations on 64 x 64 points, as in half a block of benchmark_4k.
exponax solves the same equation from the same states with the same order, number of steps, batch and precision
(float32), compiled by JAX. All operators of its batch have the parameters of the first operator, which saves memory.
The relative difference is that of the three realizations of the first operator. *Spinlock's transforms* are the Fourier
transforms of one frame, with the selection of modes, without the rest of the step. For dealiased real fields they skip
modes that are zero. *Full transforms* are the same number of two-dimensional transforms of PyTorch of these fields with
all modes. The last columns are means over the frames of a rollout from an initial state, in which an error estimate
determines the number of steps. exponax has the fixed number of steps there.

*Features*: time for one run of 64 frames with two channels. The groups ``temporal``, ``causality`` and ``nonlinear``
describe the course in time of points, of means and of whole frames. pycatch22 computes the 22 features of catch22
(Lubba et al. 2019) of the 32 time series at the same points.

    poetry install --with peers
    poetry run python benchmarks/generation_peers.py measure --output benchmarks/results/generation_peers.json
    poetry run python benchmarks/generation_peers.py report benchmarks/results/generation_peers.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy.stats import qmc

import markdown
from machine import describe_machine, seconds
from spinlock.features import causality, nonlinear, temporal
from spinlock.features.run import Run
from spinlock.operators.family import Family
from spinlock.operators.pde import FAMILIES
from spinlock.operators.pde.semilinear import Semilinear
from spinlock.operators.rollout import roll_out
from spinlock.operators.spectral import DealiasedModes, Modes

REPOSITORY = Path(__file__).parents[1]
CPU = torch.device("cpu")
ROUNDS = 9
OPERATORS, REALIZATIONS, GRID, FRAMES, ROLLOUT_FRAMES = 16, 3, 64, 64, 72
"""Half a block of PDE operators of benchmark_4k, its frames, and its frames including the warm-up."""

SERIES_GROUPS = {"temporal": temporal, "causality": causality, "nonlinear": nonlinear}

COLUMNS = (
    "family",
    "steps",
    "ms for a frame",
    "exponax",
    "exponax / Spinlock",
    "relative difference",
    "Spinlock's transforms",
    "Spinlock / its transforms",
    "full transforms",
    "rollout: steps",
    "rollout: ms for a frame",
    "exponax / rollout",
)


def draw_parameters(family: Family) -> torch.Tensor:
    """Return parameters of operators in the default ranges, from a Sobol sequence, [OPERATORS, P]."""
    from tests.operators.family_draws import physical_at

    return physical_at(family, qmc.Sobol(len(family.parameters), rng=np.random.default_rng(0)).random(OPERATORS))


def measure_family(name: str) -> dict[str, Any]:
    """Return the milliseconds for one frame of one operator, and the relative difference of the frames."""
    from tests.operators.exponax_steppers import NAMES, exponax, exponax_state, jax, stepper_of
    from tests.operators.family_draws import advance, initial_states

    family = FAMILIES[name]
    physical = draw_parameters(family)
    if name == "wave":
        physical[:, 1:] = 0  # exponax has neither damping nor mass
    start = initial_states(family, physical, GRID, REALIZATIONS)
    state = advance(family, physical, start, 2)
    if isinstance(family, Semilinear):
        solver = family.solver(physical, (GRID, GRID))
        ours = lambda states: solver(states, range(OPERATORS), family.substeps)[0]  # noqa: E731
    else:
        step = family.stepper(physical, (GRID, GRID))
        ours = lambda states: step(states, 0)  # noqa: E731
    transforms, full_transforms = _recorded_transforms(lambda: ours(state))
    actions: dict[str, Callable[[], Any]] = {
        "spinlock": lambda: ours(state),
        "rollout": lambda: advance(family, physical, start, ROLLOUT_FRAMES),
        "transforms": lambda: [transform() for transform in transforms],
        "full_transforms": lambda: [transform() for transform in full_transforms],
    }
    if name in NAMES:
        stepper = stepper_of(name, tuple(physical[0].tolist()), GRID, family.substeps)
        frame = jax.jit(jax.vmap(exponax.repeat(stepper, family.substeps)))
        peer_state = exponax_state(name, state, physical).flatten(0, 1).transpose(-2, -1).float()
        fields = jax.numpy.asarray(peer_state.contiguous().numpy())
        actions["exponax"] = lambda: frame(fields).block_until_ready()
    milliseconds = {key: 1000 * value / OPERATORS for key, value in alternating_medians(actions).items()}
    milliseconds["rollout"] /= ROLLOUT_FRAMES
    row = {"family": name, **milliseconds, "steps": family.substeps, "mean_steps": _mean_steps(family, physical, start)}
    if name in NAMES:
        result = exponax_state(name, ours(state), physical)[0]
        peer = torch.tensor(np.asarray(frame(fields))[:REALIZATIONS]).transpose(-2, -1)
        row["difference"] = float((result - peer).norm() / peer.norm())
    return row


def _mean_steps(family: Family, physical: torch.Tensor, states: torch.Tensor) -> float:
    """Return the mean number of steps for a frame of a rollout, without the steps of repeated frames."""
    if not isinstance(family, Semilinear):
        return 1.0
    step = family.stepper(physical, (GRID, GRID))
    for index in range(ROLLOUT_FRAMES):
        states = step(states, index)
    return fmean(fmean(step.num_substeps(index)) for index in range(ROLLOUT_FRAMES))


def alternating_medians(actions: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median duration of each action in seconds; the first round is not counted."""
    rounds = [{key: seconds(action, CPU) for key, action in actions.items()} for _ in range(ROUNDS + 1)]
    return {key: median(each[key] for each in rounds[1:]) for key in actions}


Transforms = list[Callable[[], torch.Tensor]]


def _recorded_transforms(action: Callable[[], Any]) -> tuple[Transforms, Transforms]:
    """Return the Fourier transforms of an action, and those of the same fields with all modes of the grid."""
    transforms: Transforms = []
    full: Transforms = []

    def recorder(original: Callable[..., torch.Tensor], *, to_fields: bool) -> Callable[..., torch.Tensor]:
        def transform(self: Modes | DealiasedModes, values: torch.Tensor) -> torch.Tensor:
            transforms.append(lambda: original(self, values))
            result = original(self, values)
            fields = (result if to_fields else values).contiguous()
            if fields.is_complex():
                full.append(lambda: torch.fft.ifft2(fields) if to_fields else torch.fft.fft2(fields))
            elif to_fields:
                spectrum = torch.fft.rfft2(fields)
                full.append(lambda: torch.fft.irfft2(spectrum, s=self.grid))
            else:
                full.append(lambda: torch.fft.rfft2(fields))
            return result

        return transform

    with (
        mock.patch.object(Modes, "spectrum", recorder(Modes.spectrum, to_fields=False)),
        mock.patch.object(Modes, "fields", recorder(Modes.fields, to_fields=True)),
        mock.patch.object(DealiasedModes, "spectrum", recorder(DealiasedModes.spectrum, to_fields=False)),
        mock.patch.object(DealiasedModes, "fields", recorder(DealiasedModes.fields, to_fields=True)),
    ):
        action()
    return transforms, full


def measure_series() -> dict[str, float | int]:
    """Return the milliseconds for one run, the numbers of features, and the number of time series of a run."""
    import pycatch22
    from tests.operators.family_draws import initial_states

    family = FAMILIES["gray_scott"]
    physical = draw_parameters(family)
    step = family.stepper(physical, (GRID, GRID))
    start = initial_states(family, physical, GRID, REALIZATIONS)
    frames = roll_out(step, start, FRAMES, warmup=8, bound=1e4).frames.flatten(0, 1)
    lists = Run(frames).points.transpose(-2, -1).flatten(0, 2).double().tolist()
    times = alternating_medians(
        {
            "spinlock": lambda: [module.compute(Run(frames)) for module in SERIES_GROUPS.values()],
            "catch22": lambda: [pycatch22.catch22_all(values) for values in lists],
        }
    )
    return {
        **{key: 1000 * duration / len(frames) for key, duration in times.items()},
        "num_features": sum(len(module.FEATURES) for module in SERIES_GROUPS.values()),
        "num_catch22_features": len(pycatch22.catch22_all(lists[0])["names"]),
        "num_series": len(lists) // len(frames),
    }


def measure() -> dict[str, Any]:
    """Return the results of all families, and those of the time series."""
    rows = []
    with torch.no_grad():
        for name in FAMILIES:
            rows.append(measure_family(name))
            print(f"{name} is measured", file=sys.stderr)
        series = measure_series()
    return {"machine": describe_machine(), "rows": rows, "series": series}


def report(result: dict[str, Any]) -> str:
    """Return the table of rollouts and the sentence about time series."""
    rows = [
        (
            row["family"],
            str(row["steps"]),
            f"{row['spinlock']:.2f}",
            f"{row['exponax']:.2f}" if "exponax" in row else "",
            f"{row['exponax'] / row['spinlock']:.2f}" if "exponax" in row else "",
            f"{row['difference']:.0e}" if "difference" in row else "",
            f"{row['transforms']:.2f}",
            f"{row['spinlock'] / row['transforms']:.2f}",
            f"{row['full_transforms']:.2f}",
            f"{row['mean_steps']:.2f}",
            f"{row['rollout']:.2f}",
            f"{row['exponax'] / row['rollout']:.2f}" if "exponax" in row else "",
        )
        for row in sorted(result["rows"], key=lambda row: str(row["family"]))
    ]
    series = result["series"]
    sentence = (
        f"One run of {FRAMES} frames: Spinlock computes {series['num_features']} features in "
        f"{series['spinlock']:.1f} ms. catch22 computes {series['num_catch22_features']} features of each of "
        f"{series['num_series']} time series in {series['catch22']:.1f} ms ({result['machine']})."
    )
    return f"{markdown.table(COLUMNS, rows)}\n\n{sentence}"


def main() -> None:
    """Measure, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--output", type=Path, required=True, help="JSON file to write")
    reporting = commands.add_parser("report")
    reporting.add_argument("result", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "report":
        print(report(json.loads(arguments.result.read_text())))
        return
    sys.path.insert(0, str(REPOSITORY))  # the tests contain the equations of exponax
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # JAX has no setting of the number of threads
    torch.set_num_threads(1)
    result = measure()
    arguments.output.write_text(json.dumps(result, indent=2) + "\n")
    print(report(result))


if __name__ == "__main__":
    main()
