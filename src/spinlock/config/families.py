"""Ranges of the physical parameters of each PDE family; the module of a family gives its equation.

With the default ranges each family shows several regimes within 64 frames on grids of 32 points or more.
"""

from spinlock.config.ranges import LinearRange, LogRange, PositiveRange, Range, log
from spinlock.config.section import Section, setting


class FamilyRanges(Section):
    """A range for each parameter of each family, ``<family>_<parameter>``, in the units of the family's equation."""

    advection_diffusion_diffusivity: LogRange = setting(
        log(0.002, 0.1),
        "D in u_t + c . grad u = D lap u; small values transport fields almost unchanged, large values damp them.",
    )
    advection_diffusion_velocity_x: LinearRange = setting(Range(-1.5, 1.5), "Velocity c along x.")
    advection_diffusion_velocity_y: LinearRange = setting(Range(-1.5, 1.5), "Velocity c along y.")

    burgers_viscosity: LogRange = setting(
        log(0.03, 0.3),
        "D in u_t + (a / 2) div(u u) = D lap u - r u; small values give sharp shocks, large values make fields decay.",
    )
    burgers_advection: LogRange = setting(log(0.1, 1.0), "a; fronts steepen at a rate proportional to it.")
    burgers_drag: PositiveRange = setting(Range(0.0, 0.3), "r; at 0 the mean is conserved.")

    allen_cahn_diffusivity: LogRange = setting(
        log(0.008, 0.08), "D in u_t = D lap u + a u - u^3 + f; the width of interfaces is sqrt(2 D / a)."
    )
    allen_cahn_growth: LinearRange = setting(Range(-0.3, 1.5), "a; fields decay below 0, phases separate above 0.")
    allen_cahn_tilt: LinearRange = setting(Range(-0.15, 0.15), "f; it favors one phase.")

    cahn_hilliard_mobility: LogRange = setting(
        log(0.08, 0.6), "M in c_t = M lap(c^3 - c - K lap c); it sets the time scale."
    )
    cahn_hilliard_gradient_energy: LogRange = setting(log(0.02, 0.1), "K; the width of interfaces is sqrt(2 K).")
    cahn_hilliard_composition: LinearRange = setting(
        Range(-0.65, 0.65), "Mean of c; labyrinths near 0, droplets at larger |c|, a stable mixture above 0.58."
    )

    swift_hohenberg_control: LinearRange = setting(
        Range(-0.2, 0.8), "r in u_t = r u - (q^2 + lap)^2 u + g u^2 - u^3; fields decay well below 0."
    )
    swift_hohenberg_quadratic: LinearRange = setting(
        Range(-1.0, 1.0), "g; 0 gives stripes, positive values spots, negative values holes."
    )
    swift_hohenberg_wavenumber: LogRange = setting(log(0.6, 1.2), "q; the wavelength of the pattern is 2 pi / q.")

    kuramoto_sivashinsky_hyperviscosity: LogRange = setting(
        log(0.6, 1.8), "h in u_t + (a / 2) |grad u|^2 + lap u + h lap^2 u + r u = 0; large values give large cells."
    )
    kuramoto_sivashinsky_advection: LogRange = setting(log(0.5, 2.0), "a; u is inversely proportional to it.")
    kuramoto_sivashinsky_damping: PositiveRange = setting(
        Range(0.0, 0.3), "r; chaos at 0, stationary cells at intermediate values, decay above 1 / (4 h)."
    )

    gray_scott_feed: PositiveRange = setting(
        Range(0.02, 0.055), "F in u_t = D lap u - u v^2 + F (1 - u), v_t = (D / R) lap v + u v^2 - (F + k) v."
    )
    gray_scott_kill: PositiveRange = setting(
        Range(0.05, 0.065), "k; with increasing values a uniform state, stripes, dividing spots, extinction."
    )
    gray_scott_diffusivity: LogRange = setting(log(2e-5, 8e-5), "D of the substrate; it sets the size of spots.")
    gray_scott_diffusivity_ratio: LogRange = setting(log(1.5, 3.0), "R; large values give sharper patterns.")

    fitzhugh_nagumo_timescale: LogRange = setting(
        log(0.05, 0.5), "e in u_t = lap u + u - u^3 - v, v_t = D lap v + e (u - g v + b)."
    )
    fitzhugh_nagumo_recovery: PositiveRange = setting(
        Range(0.0, 1.5),
        "g; below 1 there is one steady state, which may be unstable to oscillation, above 1 there are two.",
    )
    fitzhugh_nagumo_threshold: LinearRange = setting(
        Range(-0.5, 0.5), "b; oscillation near 0, an excitable steady state at larger |b|."
    )
    fitzhugh_nagumo_inhibitor_diffusivity: LogRange = setting(
        log(0.1, 10.0), "D; small values give waves, large values stationary patterns."
    )

    complex_ginzburg_landau_growth: LinearRange = setting(
        Range(-0.2, 1.2), "m in A_t = m A + (1 + i a) lap A - (1 + i b) |A|^2 A; fields decay below 0."
    )
    complex_ginzburg_landau_dispersion: LinearRange = setting(
        Range(-2.0, 2.0), "a; the solutions are chaotic where 1 + a b < 0."
    )
    complex_ginzburg_landau_shear: LinearRange = setting(Range(-2.0, 2.0), "b; dependence of the frequency on |A|.")

    navier_stokes_viscosity: LogRange = setting(
        log(0.005, 0.1), "D in w_t + u . grad w = D lap w - r w + n s cos(n y) with n = 4."
    )
    navier_stokes_drag: PositiveRange = setting(Range(0.0, 0.3), "r; it removes energy from the largest vortices.")
    navier_stokes_forcing: PositiveRange = setting(
        Range(0.0, 0.5), "s; decaying turbulence at 0, parallel flow at small values, unstable flow at large values."
    )

    wave_speed: LogRange = setting(log(0.2, 1.5), "c in h_tt + 2 g h_t = c^2 lap h - m^2 h.")
    wave_damping: PositiveRange = setting(Range(0.0, 0.5), "g; waves persist at 0 and decay at large values.")
    wave_mass: PositiveRange = setting(
        Range(0.0, 3.0), "m; waves without dispersion at 0, nearly uniform oscillation at large values."
    )
