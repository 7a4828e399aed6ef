"""Settings of the optimization, the losses and the codebooks."""

from spinlock.config.section import Section, setting


class OptimizationSettings(Section):
    """Epochs, batch sizes and learning rate."""

    epochs: int = setting(
        410,
        "Number of passes over the training rows. 0 keeps the initialized network as it is.",
        unit="epochs",
        ge=0,
        identity=False,
    )
    batch_size: int = setting(1024, "Maximum number of training rows in an optimizer step.", unit="rows", ge=1)
    val_batch_size: int = setting(
        1024,
        "Number of validation rows that are evaluated together. It changes the use of memory, but not the metrics.",
        unit="rows",
        ge=1,
    )
    learning_rate: float = setting(
        0.0007, "Maximum learning rate of the schedule (linear warm-up, then cosine decay).", gt=0, le=1, identity=False
    )
    val_every_n_epochs: int = setting(
        5,
        "Number of epochs between two validations. Only a validated epoch can become the best model.",
        unit="epochs",
        ge=1,
    )


class LossSettings(Section):
    """Weights of the terms of the training loss; 0 switches a term off."""

    reconstruction_weight: float = setting(
        1.0, "Weight of the mean squared reconstruction error in normalized units.", ge=0
    )
    commitment_cost: float = setting(
        0.5,
        "Weight of the commitment loss: squared distance between latents and their codes, relative to the energy of "
        "the embedding.",
        ge=0,
    )
    orthogonality_weight: float = setting(
        0.1,
        "Weight of the orthogonality loss: mean squared correlation between latents of different categories. "
        "It does not change the categories.",
        ge=0,
    )
    informativeness_weight: float = setting(
        0.1,
        "Weight of the informativeness loss: mean squared error of the category decoders, which reconstruct the "
        "columns of a category from its own tokens.",
        ge=0,
    )
    topo_weight: float = setting(
        0.45,
        "Weight of the topographic loss: 1 - correlation between distances in feature space and in the quantized "
        "latent space.",
        ge=0,
    )
    topo_samples: int = setting(
        1024,
        "Number of rows of a batch whose distances the topographic loss compares. "
        "If it is larger than the batch, all rows are compared.",
        unit="rows",
        ge=3,
    )


class CodebookSettings(Section):
    """How codes are updated, and when unused codes are replaced."""

    use_ema: bool = setting(
        True,
        "Whether codes follow an exponential moving average of their latents. false trains them by a codebook loss.",
    )
    ema_decay: float = setting(
        0.995,
        "Decay of the exponential moving average in each step. A higher value makes codes change more slowly.",
        ge=0,
        lt=1,
    )
    dead_code_reset_interval: int = setting(
        10000,
        "Number of optimizer steps between two replacements of dead codes. 0: never. There are none in the last fifth "
        "of the planned steps.",
        unit="optimizer steps",
        ge=0,
    )
    dead_code_threshold: float = setting(
        10.0,
        "A code is dead if its usage is at or below this percentile of its codebook and below a tenth of even usage. "
        "A lower percentile replaces fewer codes.",
        unit="percentile",
        ge=0,
        le=100,
    )
    dead_code_max_reset_fraction: float = setting(
        0.5,
        "Maximum fraction of a codebook that is replaced at once.",
        unit="fraction of codes",
        ge=0,
        le=1,
    )
