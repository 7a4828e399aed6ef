"""Ranges of the physical parameters of each PDE family.

With the default ranges each family has several dynamical regimes within 64 frames on grids of 32 points or more.
"""

from spinlock.config.ranges import LinearRange, LogRange, PositiveRange, Range, log
from spinlock.config.section import Section, setting


class FamilyRanges(Section):
    """A range for each parameter of each family, ``<family>_<parameter>``, in the units of the equation."""

    advection_diffusion_diffusivity: LogRange = setting(
        log(0.002, 0.1),
        "Diffusivity D in u_t + c . grad u = D lap u. For small D fields move almost unchanged; for large D they "
        "decay.",
    )
    advection_diffusion_velocity_x: LinearRange = setting(
        Range(-1.5, 1.5), "Component along x of the velocity c in u_t + c . grad u = D lap u."
    )
    advection_diffusion_velocity_y: LinearRange = setting(
        Range(-1.5, 1.5), "Component along y of the velocity c in u_t + c . grad u = D lap u."
    )

    burgers_viscosity: LogRange = setting(
        log(0.03, 0.3),
        "Viscosity D in u_t + (a / 2) div(u u) = D lap u - r u. For small D shocks are sharp; for large D fields "
        "decay.",
    )
    burgers_advection: LogRange = setting(
        log(0.1, 1.0),
        "Coefficient a of the advection in Burgers' equation. Fronts steepen at a rate proportional to a.",
    )
    burgers_drag: PositiveRange = setting(
        Range(0.0, 0.3), "Drag coefficient r in Burgers' equation. For r = 0 the mean is conserved."
    )

    allen_cahn_diffusivity: LogRange = setting(
        log(0.008, 0.08), "Diffusivity D in u_t = D lap u + a u - u^3 + f. The width of interfaces is sqrt(2 D / a)."
    )
    allen_cahn_growth: LinearRange = setting(
        Range(-0.3, 1.5), "Growth rate a in the Allen-Cahn equation. For a < 0 fields decay; for a > 0 phases separate."
    )
    allen_cahn_tilt: LinearRange = setting(
        Range(-0.15, 0.15), "Constant f in the Allen-Cahn equation, which favors one phase."
    )

    cahn_hilliard_mobility: LogRange = setting(
        log(0.08, 0.6), "Mobility M in c_t = M lap(c^3 - c - K lap c). It determines the time scale."
    )
    cahn_hilliard_gradient_energy: LogRange = setting(
        log(0.02, 0.1), "Gradient energy K in the Cahn-Hilliard equation. The width of interfaces is sqrt(2 K)."
    )
    cahn_hilliard_composition: LinearRange = setting(
        Range(-0.65, 0.65),
        "Mean m of c in the Cahn-Hilliard equation. Labyrinths form near m = 0 and droplets at larger |m|; the mixture "
        "is stable for |m| above 0.58.",
    )

    swift_hohenberg_control: LinearRange = setting(
        Range(-0.2, 0.8),
        "Control parameter r in u_t = r u - (q^2 + lap)^2 u + g u^2 - u^3. Fields decay for r well below 0.",
    )
    swift_hohenberg_quadratic: LinearRange = setting(
        Range(-1.0, 1.0),
        "Quadratic coefficient g in the Swift-Hohenberg equation. Stripes form for g = 0, spots for g > 0, holes for "
        "g < 0.",
    )
    swift_hohenberg_wavenumber: LogRange = setting(
        log(0.6, 1.2), "Wave number q in the Swift-Hohenberg equation. The wavelength of patterns is 2 pi / q."
    )

    kuramoto_sivashinsky_hyperviscosity: LogRange = setting(
        log(0.6, 1.8),
        "Hyperviscosity h in u_t + (a / 2) |grad u|^2 + lap u + h lap^2 u + r u = 0. Cells are larger for large h.",
    )
    kuramoto_sivashinsky_advection: LogRange = setting(
        log(0.5, 2.0), "Coefficient a in the Kuramoto-Sivashinsky equation. u is proportional to 1 / a."
    )
    kuramoto_sivashinsky_damping: PositiveRange = setting(
        Range(0.0, 0.3),
        "Damping rate r in the Kuramoto-Sivashinsky equation. Solutions are chaotic for r = 0, stationary cells for "
        "intermediate r, and decay for r above 1 / (4 h).",
    )

    gray_scott_feed: PositiveRange = setting(
        Range(0.02, 0.055), "Feed rate F in u_t = D lap u - u v^2 + F (1 - u), v_t = (D / R) lap v + u v^2 - (F + k) v."
    )
    gray_scott_kill: PositiveRange = setting(
        Range(0.05, 0.065),
        "Kill rate k in the Gray-Scott equations. With increasing k there are a uniform state, stripes, dividing "
        "spots, and extinction of v.",
    )
    gray_scott_diffusivity: LogRange = setting(
        log(2e-5, 8e-5),
        "Diffusivity D of the substrate u in the Gray-Scott equations. It determines the size of spots.",
    )
    gray_scott_diffusivity_ratio: LogRange = setting(
        log(1.5, 3.0),
        "Ratio R of the diffusivities of u and v in the Gray-Scott equations. Patterns are sharper for large R.",
    )

    fitzhugh_nagumo_timescale: LogRange = setting(
        log(0.05, 0.5), "Rate e of the inhibitor v in u_t = lap u + u - u^3 - v, v_t = D lap v + e (u - g v + b)."
    )
    fitzhugh_nagumo_recovery: PositiveRange = setting(
        Range(0.0, 1.5),
        "Recovery coefficient g in the FitzHugh-Nagumo equations. For g < 1 there is one steady state, which can be "
        "unstable to oscillations; for g > 1 there are two.",
    )
    fitzhugh_nagumo_threshold: LinearRange = setting(
        Range(-0.5, 0.5),
        "Constant b in the FitzHugh-Nagumo equations. For b near 0 u oscillates; at larger |b| the steady state is "
        "excitable.",
    )
    fitzhugh_nagumo_inhibitor_diffusivity: LogRange = setting(
        log(0.1, 10.0),
        "Diffusivity D of the inhibitor in the FitzHugh-Nagumo equations. Small D gives waves, large D stationary "
        "patterns.",
    )

    complex_ginzburg_landau_growth: LinearRange = setting(
        Range(-0.2, 1.2), "Growth rate m in A_t = m A + (1 + i a) lap A - (1 + i b) |A|^2 A. Fields decay for m < 0."
    )
    complex_ginzburg_landau_dispersion: LinearRange = setting(
        Range(-2.0, 2.0),
        "Linear dispersion a in the complex Ginzburg-Landau equation. Solutions are chaotic if 1 + a b < 0.",
    )
    complex_ginzburg_landau_shear: LinearRange = setting(
        Range(-2.0, 2.0),
        "Nonlinear dispersion b in the complex Ginzburg-Landau equation: the dependence of the frequency on |A|.",
    )

    navier_stokes_viscosity: LogRange = setting(
        log(0.005, 0.1), "Viscosity D in w_t + u . grad w = D lap w - r w + n s cos(n y) with n = 4."
    )
    navier_stokes_drag: PositiveRange = setting(
        Range(0.0, 0.3),
        "Drag coefficient r in the Navier-Stokes equations. Drag removes energy from the largest vortices.",
    )
    navier_stokes_forcing: PositiveRange = setting(
        Range(0.0, 0.5),
        "Amplitude s of the forcing in the Navier-Stokes equations. Turbulence decays for s = 0; the flow is parallel "
        "for small s and unstable for large s.",
    )

    wave_speed: LogRange = setting(log(0.2, 1.5), "Wave speed c in h_tt + 2 g h_t = c^2 lap h - m^2 h.")
    wave_damping: PositiveRange = setting(
        Range(0.0, 0.5), "Damping rate g in the wave equation. Waves persist for g = 0 and decay for large g."
    )
    wave_mass: PositiveRange = setting(
        Range(0.0, 3.0),
        "Mass m in the wave equation. Waves have no dispersion for m = 0; for large m the field oscillates almost "
        "uniformly.",
    )
