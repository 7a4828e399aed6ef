"""An independent solution of every equation: the rate of change in NumPy, and the integrator of SciPy.

Fields are real, [B, C, H, W] float64. Derivatives are exact for the modes of the grid. The rate of change keeps only
the modes that are free of aliasing.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

Array = NDArray[np.float64]

DEGREE = {
    "advection_diffusion": 0,
    "burgers": 2,
    "allen_cahn": 3,
    "cahn_hilliard": 3,
    "swift_hohenberg": 3,
    "kuramoto_sivashinsky": 2,
    "gray_scott": 3,
    "fitzhugh_nagumo": 3,
    "complex_ginzburg_landau": 3,
    "navier_stokes": 2,
    "wave": 0,
}


class Grid:
    """Derivatives on the periodic square of side ``length``, and the projection on modes |n| < N / (degree + 1)."""

    def __init__(self, points: int, length: float, degree: int) -> None:
        cycles = np.fft.fftfreq(points, 1 / points)
        self.y = np.arange(points)[:, None] * (length / points) * np.ones((1, points))
        self._square = (2 * np.pi / length) ** 2 * (cycles[:, None] ** 2 + cycles**2)
        odd = np.where(np.abs(cycles) == points / 2, 0, cycles) * 2 * np.pi / length
        self._kx, self._ky = odd[None, :], odd[:, None]
        inside = np.abs(cycles) < points / (degree + 1)
        self._kept = inside[:, None] & inside

    def _multiply(self, factor: NDArray[np.complex128] | Array, field: Array) -> Array:
        return np.fft.ifft2(factor * np.fft.fft2(field)).real

    def project(self, field: Array) -> Array:
        return self._multiply(1.0 * self._kept, field)

    def dx(self, field: Array) -> Array:
        return self._multiply(1j * self._kx, field)

    def dy(self, field: Array) -> Array:
        return self._multiply(1j * self._ky, field)

    def laplacian(self, field: Array, power: int = 1) -> Array:
        return self._multiply((-self._square) ** power, field)

    def inverse_laplacian(self, field: Array) -> Array:
        return self._multiply(-1 / np.where(self._square > 0, self._square, np.inf), field)


Rate = Callable[[list[Array], Grid, list[Array]], Sequence[Array]]
"""Rate of change of the channels, each [B, H, W], for parameters [B, 1, 1] in the order of the family."""


def advection_diffusion(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (u,), (diffusivity, velocity_x, velocity_y) = fields, p
    return [diffusivity * g.laplacian(u) - velocity_x * g.dx(u) - velocity_y * g.dy(u)]


def burgers(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (u, v), (viscosity, advection, drag) = fields, p
    return [viscosity * g.laplacian(w) - 0.5 * advection * (g.dx(u * w) + g.dy(v * w)) - drag * w for w in (u, v)]


def allen_cahn(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (u,), (diffusivity, growth, tilt) = fields, p
    return [diffusivity * g.laplacian(u) + growth * u - u**3 + tilt]


def cahn_hilliard(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (u,), (mobility, gradient_energy, composition) = fields, p
    c = u + composition
    return [mobility * g.laplacian(c**3 - c - gradient_energy * g.laplacian(c))]


def swift_hohenberg(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (u,), (control, quadratic, q) = fields, p
    operator = q**4 * u + 2 * q**2 * g.laplacian(u) + g.laplacian(u, 2)
    return [control * u - operator + quadratic * u**2 - u**3]


def kuramoto_sivashinsky(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (u,), (hyperviscosity, advection, damping) = fields, p
    steepening = 0.5 * advection * (g.dx(u) ** 2 + g.dy(u) ** 2)
    steepening -= steepening.mean((-2, -1), keepdims=True)
    return [-steepening - g.laplacian(u) - hyperviscosity * g.laplacian(u, 2) - damping * u]


def gray_scott(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (consumed, v), (feed, kill, diffusivity, ratio) = fields, p
    u = 1 - consumed
    u_rate = diffusivity * g.laplacian(u) - u * v**2 + feed * (1 - u)
    return [-u_rate, diffusivity / ratio * g.laplacian(v) + u * v**2 - (feed + kill) * v]


def fitzhugh_nagumo(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (u, v), (timescale, recovery, threshold, diffusivity) = fields, p
    return [
        g.laplacian(u) + u - u**3 - v,
        diffusivity * g.laplacian(v) + timescale * (u - recovery * v + threshold),
    ]


def complex_ginzburg_landau(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (re, im), (growth, dispersion, shear) = fields, p
    spread = (1 + 1j * dispersion) * (g.laplacian(re) + 1j * g.laplacian(im))
    a = re + 1j * im
    rate = growth * a + spread - (1 + 1j * shear) * np.abs(a) ** 2 * a
    return [rate.real, rate.imag]


def navier_stokes(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (w,), (viscosity, drag, forcing) = fields, p
    stream = -g.inverse_laplacian(w)
    transport = g.dy(stream) * g.dx(w) - g.dx(stream) * g.dy(w)
    return [viscosity * g.laplacian(w) - drag * w - transport + 4 * forcing * np.cos(4 * g.y)]


def wave(fields: list[Array], g: Grid, p: list[Array]) -> Sequence[Array]:
    (h, v), (speed, damping, mass) = fields, p
    return [v, speed**2 * g.laplacian(h) - mass**2 * h - 2 * damping * v]


RATES: dict[str, Rate] = {
    rate.__name__: rate
    for rate in (
        advection_diffusion,
        burgers,
        allen_cahn,
        cahn_hilliard,
        swift_hohenberg,
        kuramoto_sivashinsky,
        gray_scott,
        fitzhugh_nagumo,
        complex_ginzburg_landau,
        navier_stokes,
        wave,
    )
}


def solve(name: str, states: Array, physical: Array, length: float, time: float) -> Array:
    """States [B, C, H, W] after ``time``, for parameters [B, P], to about eight digits."""
    grid = Grid(states.shape[-1], length, DEGREE[name])
    parameters = [column[:, None, None] for column in np.asarray(physical, dtype=np.float64).T]

    def rate(_: float, flat: Array) -> Array:
        fields = flat.reshape(states.shape)
        channels = [fields[:, channel] for channel in range(states.shape[1])]
        return grid.project(np.stack(RATES[name](channels, grid, parameters), 1)).ravel()

    start = grid.project(np.asarray(states, dtype=np.float64)).ravel()
    size = np.sqrt(np.square(start.reshape(len(states), -1)).mean(1, keepdims=True))
    atol = np.broadcast_to(1e-10 * size + 1e-13, (len(states), start.size // len(states))).ravel()
    with np.errstate(over="ignore", invalid="ignore"):  # in rejected trial steps
        solution = solve_ivp(rate, (0, time), start, method="DOP853", rtol=1e-8, atol=atol, t_eval=[time])
    assert solution.success, solution.message
    return solution.y[:, -1].reshape(states.shape)
