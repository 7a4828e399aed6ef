"""Operators: PDE families and random neural operators, their initial conditions, and rollouts.

An instance of a class is one operator with fixed parameters::

    burgers = Burgers(viscosity=0.01)
    frames = burgers.rollout(burgers.initial(seed=1), steps=64)  # [64, 2, 64, 64]
"""

from spinlock.operators.neural import NeuralOperator
from spinlock.operators.operator import Operator
from spinlock.operators.pde import (
    AdvectionDiffusion,
    AllenCahn,
    Burgers,
    CahnHilliard,
    ComplexGinzburgLandau,
    FitzHughNagumo,
    GrayScott,
    KuramotoSivashinsky,
    NavierStokes,
    SwiftHohenberg,
    Wave,
)

__all__ = [
    "AdvectionDiffusion",
    "AllenCahn",
    "Burgers",
    "CahnHilliard",
    "ComplexGinzburgLandau",
    "FitzHughNagumo",
    "GrayScott",
    "KuramotoSivashinsky",
    "NavierStokes",
    "NeuralOperator",
    "Operator",
    "SwiftHohenberg",
    "Wave",
]
