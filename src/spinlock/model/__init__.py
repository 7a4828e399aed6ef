"""The model: per-category encoders, three levels of residual quantization, a shared decoder and category decoders.

``spec`` defines the sizes of a model, ``buckets`` the grouping of categories for batched matrix products, ``network``
the layers, and ``codec`` encoding and decoding with a trained network. The package depends neither on files nor on the
configuration.

Letters in shapes: ``B`` rows, ``D`` kept columns, ``C`` categories, ``M`` columns of the widest category, ``E``
embedding width, ``L`` levels (three), ``K`` codes of the largest codebook of a level, ``d`` latent width of a level,
``H`` hidden width.
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
