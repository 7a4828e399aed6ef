"""Partial differential equations, one family per file."""

from spinlock.operators.family import Family
from spinlock.operators.pde.advection_diffusion import AdvectionDiffusion
from spinlock.operators.pde.allen_cahn import AllenCahn
from spinlock.operators.pde.burgers import Burgers
from spinlock.operators.pde.cahn_hilliard import CahnHilliard
from spinlock.operators.pde.complex_ginzburg_landau import ComplexGinzburgLandau
from spinlock.operators.pde.fitzhugh_nagumo import FitzHughNagumo
from spinlock.operators.pde.gray_scott import GrayScott
from spinlock.operators.pde.kuramoto_sivashinsky import KuramotoSivashinsky
from spinlock.operators.pde.navier_stokes import NavierStokes
from spinlock.operators.pde.swift_hohenberg import SwiftHohenberg
from spinlock.operators.pde.wave import Wave

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        AdvectionDiffusion(),
        Burgers(),
        AllenCahn(),
        CahnHilliard(),
        SwiftHohenberg(),
        KuramotoSivashinsky(),
        GrayScott(),
        FitzHughNagumo(),
        ComplexGinzburgLandau(),
        NavierStokes(),
        Wave(),
    )
}
"""One operator of each family, by name. Batched computations pass the parameters to its methods as a tensor."""

__all__ = [
    "FAMILIES",
    "AdvectionDiffusion",
    "AllenCahn",
    "Burgers",
    "CahnHilliard",
    "ComplexGinzburgLandau",
    "FitzHughNagumo",
    "GrayScott",
    "KuramotoSivashinsky",
    "NavierStokes",
    "SwiftHohenberg",
    "Wave",
]
