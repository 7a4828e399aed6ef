"""The network: per-category encoders, three nested residual quantization levels, one shared and many partial decoders.

Torch only: no files, no HDF5, no configuration. Letters used for shapes throughout: ``B`` rows, ``D`` kept columns,
``C`` categories, ``M`` columns of the widest category, ``E`` embedding width, ``L`` levels (three), ``K`` codes of the
largest codebook of a level, ``d`` latent width of a level, ``H`` hidden width.
"""

from spinlock.model.network.vqvae import CategoricalVQVAE, ForwardResult, JointVQVAE, build_network
from spinlock.model.spec import LEVELS, ModelSpec, latent_dims

__all__ = [
    "LEVELS",
    "CategoricalVQVAE",
    "ForwardResult",
    "JointVQVAE",
    "ModelSpec",
    "build_network",
    "latent_dims",
]
