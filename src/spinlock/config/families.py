"""Where the physical parameters of each PDE family are drawn from; each family's module gives its equation.

The default ranges are chosen so that a family shows several regimes, on grids of 32 points and more, within 64 frames.
"""

from spinlock.config.ranges import LinearRange, LogRange, PositiveRange, Range, log
from spinlock.config.section import Section, setting


class FamilyRanges(Section):
    """A range for each parameter of each family, ``<family>_<parameter>``, in the units of the family's equation."""

    advection_diffusion_diffusivity: LogRange = setting(
        log(0.002, 0.1), "D in u_t + c . grad u = D lap u: from transport that changes little to fields that fade."
    )
    advection_diffusion_velocity_x: LinearRange = setting(Range(-1.5, 1.5), "Velocity c along x.")
    advection_diffusion_velocity_y: LinearRange = setting(Range(-1.5, 1.5), "Velocity c along y.")

    burgers_viscosity: LogRange = setting(
        log(0.03, 0.3), "D in u_t + (a / 2) div(u u) = D lap u - r u: from sharp shocks to fields that fade."
    )
    burgers_advection: LogRange = setting(log(0.1, 1.0), "a, how fast fronts steepen.")
    burgers_drag: PositiveRange = setting(Range(0.0, 0.3), "r; 0 keeps the mean.")

    allen_cahn_diffusivity: LogRange = setting(
        log(0.008, 0.08), "D in u_t = D lap u + a u - u^3 + f: interfaces are sqrt(2 D / a) wide."
    )
    allen_cahn_growth: LinearRange = setting(Range(-0.3, 1.5), "a; below 0 fields fade, above it phases separate.")
    allen_cahn_tilt: LinearRange = setting(Range(-0.15, 0.15), "f, which favors one phase.")

    cahn_hilliard_mobility: LogRange = setting(log(0.08, 0.6), "M in c_t = M lap(c^3 - c - K lap c), the clock.")
    cahn_hilliard_gradient_energy: LogRange = setting(log(0.02, 0.1), "K: interfaces are sqrt(2 K) wide.")
    cahn_hilliard_composition: LinearRange = setting(
        Range(-0.65, 0.65), "Mean of c: near 0 a labyrinth, further out droplets, beyond 0.58 a stable mixture."
    )

    swift_hohenberg_control: LinearRange = setting(
        Range(-0.2, 0.8), "r in u_t = r u - (q^2 + lap)^2 u + g u^2 - u^3; well below 0 fields fade."
    )
    swift_hohenberg_quadratic: LinearRange = setting(Range(-1.0, 1.0), "g; 0 makes stripes, its size spots or holes.")
    swift_hohenberg_wavenumber: LogRange = setting(log(0.6, 1.2), "q; waves of length 2 pi / q.")

    kuramoto_sivashinsky_hyperviscosity: LogRange = setting(
        log(0.6, 1.8), "h in u_t + (a / 2) |grad u|^2 + lap u + h lap^2 u + r u = 0; large cells for large h."
    )
    kuramoto_sivashinsky_advection: LogRange = setting(log(0.5, 2.0), "a; u is inversely proportional to it.")
    kuramoto_sivashinsky_damping: PositiveRange = setting(
        Range(0.0, 0.3), "r; from chaos at 0 over cells that stand still to fields that fade above 1 / (4 h)."
    )

    gray_scott_feed: PositiveRange = setting(
        Range(0.02, 0.055), "F in u_t = D lap u - u v^2 + F (1 - u), v_t = (D / R) lap v + u v^2 - (F + k) v."
    )
    gray_scott_kill: PositiveRange = setting(
        Range(0.05, 0.065), "k; from a uniform state over stripes and spots that divide to extinction."
    )
    gray_scott_diffusivity: LogRange = setting(log(2e-5, 8e-5), "D of the substrate; sets the size of spots.")
    gray_scott_diffusivity_ratio: LogRange = setting(log(1.5, 3.0), "R; patterns are sharper for large R.")

    fitzhugh_nagumo_timescale: LogRange = setting(
        log(0.05, 0.5), "e in u_t = lap u + u - u^3 - v, v_t = D lap v + e (u - g v + b)."
    )
    fitzhugh_nagumo_recovery: PositiveRange = setting(
        Range(0.0, 1.5), "g; below 1 one state of rest, which may oscillate, above it two."
    )
    fitzhugh_nagumo_threshold: LinearRange = setting(
        Range(-0.5, 0.5), "b; near 0 oscillation, further out a state of rest that can be excited."
    )
    fitzhugh_nagumo_inhibitor_diffusivity: LogRange = setting(
        log(0.1, 10.0), "D; small for waves, large for patterns that stand still."
    )

    complex_ginzburg_landau_growth: LinearRange = setting(
        Range(-0.2, 1.2), "m in A_t = m A + (1 + i a) lap A - (1 + i b) |A|^2 A; below 0 fields fade."
    )
    complex_ginzburg_landau_dispersion: LinearRange = setting(Range(-2.0, 2.0), "a; chaos where 1 + a b < 0.")
    complex_ginzburg_landau_shear: LinearRange = setting(Range(-2.0, 2.0), "b; how the frequency depends on |A|.")

    navier_stokes_viscosity: LogRange = setting(
        log(0.005, 0.1), "D in w_t + u . grad w = D lap w - r w + n s cos(n y), n = 4."
    )
    navier_stokes_drag: PositiveRange = setting(Range(0.0, 0.3), "r, which takes energy from the largest vortices.")
    navier_stokes_forcing: PositiveRange = setting(
        Range(0.0, 0.5), "s; from decaying turbulence at 0 over parallel flow to flow that breaks up."
    )

    wave_speed: LogRange = setting(log(0.2, 1.5), "c in h_tt + 2 g h_t = c^2 lap h - m^2 h.")
    wave_damping: PositiveRange = setting(Range(0.0, 0.5), "g; from waves that ring on to fields that fade.")
    wave_mass: PositiveRange = setting(Range(0.0, 3.0), "m; from waves without dispersion to swinging in step.")
