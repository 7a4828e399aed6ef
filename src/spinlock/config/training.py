"""Settings of the optimization, the losses and the codebooks."""

from spinlock.config.section import MAX_COUNT, MAX_WEIGHT, Section, setting

MAX_EPOCHS = 100_000
"""Maximum number of epochs, each of which adds an entry to the history of every checkpoint."""


class OptimizationSettings(Section):
    """Epochs, batch sizes and learning rate."""

    epochs: int = setting(
        410,
        "Number of passes over the training rows. 0: the network is not trained after its initialization.",
        unit="epochs",
        ge=0,
        le=MAX_EPOCHS,
        identity=False,
    )
    batch_size: int = setting(
        1024, "Maximum number of training rows in an optimizer step.", unit="rows", ge=1, le=MAX_COUNT
    )
    val_batch_size: int = setting(
        1024,
        "Number of validation rows that are evaluated together. The metrics depend on it only by rounding errors.",
        unit="rows",
        ge=1,
        le=MAX_COUNT,
        identity=False,
    )
    learning_rate: float = setting(
        0.0007,
        "Maximum learning rate of the schedule (linear warm-up, then cosine decay). The network has 20 times this "
        "rate, and with joint codes the layer after their sum has 3 times this rate.",
        gt=0,
        le=1,
        identity=False,
    )
    val_every_n_epochs: int = setting(
        5,
        "Number of epochs between two validations. Only a validated epoch can become the best epoch.",
        unit="epochs",
        ge=1,
        le=MAX_COUNT,
    )


class LossSettings(Section):
    """Weights of the terms of the training loss; 0 switches a term off."""

    reconstruction_weight: float = setting(
        1.0, "Weight of the mean squared reconstruction error in normalized units.", ge=0, le=MAX_WEIGHT
    )
    commitment_cost: float = setting(
        0.5,
        "Weight of the commitment loss: squared distance between latents and their codes, relative to the energy of "
        "the embedding.",
        ge=0,
        le=MAX_WEIGHT,
    )
    orthogonality_weight: float = setting(
        0.1,
        "Weight of the orthogonality loss: mean squared correlation between latents of different categories. "
        "It does not change the categories.",
        ge=0,
        le=MAX_WEIGHT,
    )
    informativeness_weight: float = setting(
        0.1,
        "Weight of the informativeness loss: mean squared error of the category decoders, which reconstruct the "
        "columns of a category from its own tokens.",
        ge=0,
        le=MAX_WEIGHT,
    )
    topo_weight: float = setting(
        0.45,
        "Weight of the topographic loss: 1 - correlation between distances in feature space and in the quantized "
        "latent space.",
        ge=0,
        le=MAX_WEIGHT,
    )
    topo_samples: int = setting(
        1024,
        "Number of rows of a batch in the topographic loss. Distances are computed within blocks of at most 128 rows. "
        "If it is larger than the batch, all rows are used.",
        unit="rows",
        ge=3,
        le=MAX_COUNT,
    )


class CodebookSettings(Section):
    """Update of the codes, and replacement of dead codes."""

    use_ema: bool = setting(
        True,
        "Whether codes are exponential moving averages of their latents. false: they are trained by a codebook loss.",
    )
    ema_decay: float = setting(
        0.995,
        "Decay of the exponential moving average at the end of training. In earlier steps, in which the learning rate "
        "is higher, the decay is smaller, but at least 0.9 unless this value is smaller.",
        ge=0,
        lt=1,
    )
    dead_code_reset_interval: int = setting(
        10000,
        "Number of optimizer steps between two replacements of dead codes. 0: dead codes are never replaced. They are "
        "also not replaced in the last fifth of the planned steps.",
        unit="optimizer steps",
        ge=0,
        le=MAX_COUNT,
    )
    dead_code_threshold: float = setting(
        10.0,
        "A code is dead if its usage is at most this percentile of the usage in its codebook, and below a tenth of the "
        "mean usage. With a lower percentile fewer codes are replaced.",
        unit="percentile",
        ge=0,
        le=100,
    )
    dead_code_max_reset_fraction: float = setting(
        0.5,
        "Maximum fraction of the codes of a codebook that are replaced at the same time.",
        unit="fraction of codes",
        ge=0,
        le=1,
    )
