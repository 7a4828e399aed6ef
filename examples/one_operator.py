"""Simulate one operator and describe its behavior by named features.

Burgers' equation is solved for the same initial state with a low and a high viscosity. Each run of 64 frames is
described by about 300 features, for example ``spectral.slope.mean``; docs/features.md defines all features. The script
prints the features in which the two runs differ most.

    python examples/one_operator.py
    python examples/one_operator.py --viscosities 0.005 0.05 --grid 64 --steps 128
"""

import argparse

import spinlock as sl


def simulate(viscosity: float, grid: int, steps: int, seed: int) -> dict[str, float]:
    """Return the features of one run, by name."""
    burgers = sl.operators.Burgers(viscosity=viscosity)
    u0 = burgers.initial(seed=seed, grid=grid)  # [2, grid, grid], the velocities along x and y
    frames = burgers.rollout(u0, steps=steps)  # [steps, 2, grid, grid]
    print(f"viscosity {viscosity:g}: frames {list(frames.shape)}, largest |u| at the end {abs(frames[-1]).max():.3f}")
    return sl.features.describe(frames)


def main() -> None:
    """Compare two viscosities."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viscosities", type=float, nargs=2, default=(0.01, 0.1), metavar="D")
    parser.add_argument("--grid", type=int, default=32, help="grid points along each side")
    parser.add_argument("--steps", type=int, default=64, help="frames of a run")
    parser.add_argument("--seed", type=int, default=0, help="seed of the initial state")
    arguments = parser.parse_args()
    low, high = (simulate(d, arguments.grid, arguments.steps, arguments.seed) for d in arguments.viscosities)

    def relative_difference(name: str) -> float:
        return abs(low[name] - high[name]) / (abs(low[name]) + abs(high[name]) + 1e-3)

    print(f"\n{len(low)} features; the largest relative differences:")
    for name in sorted(low, key=relative_difference, reverse=True)[:12]:
        print(f"  {name:<44} {low[name]:>10.4g} {high[name]:>10.4g}")


if __name__ == "__main__":
    main()
