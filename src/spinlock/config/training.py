"""How long and how fast the network is trained, on which losses, and how its codebooks are kept alive."""

from spinlock.config.section import Section, setting


class OptimisationSettings(Section):
    """Epochs, batches and step size."""

    epochs: int = setting(
        410, "Passes over the training rows; 0 keeps the warm start as it is.", unit="epochs", ge=0, identity=False
    )
    batch_size: int = setting(1024, "Training rows in an optimizer step.", unit="rows", ge=1)
    val_batch_size: int = setting(
        1024, "Validation rows evaluated at once; changes memory, not metrics.", unit="rows", ge=1
    )
    learning_rate: float = setting(
        0.0007, "Step size of the optimizer at the start of its schedule.", gt=0, le=1, identity=False
    )
    val_every_n_epochs: int = setting(
        5,
        "Epochs from one validation to the next; only validated epochs can become the best model.",
        unit="epochs",
        ge=1,
    )


class LossSettings(Section):
    """The weight of each term of the training loss; 0 switches a term off."""

    reconstruction_weight: float = setting(1.0, "Squared error of the reconstruction, in normalized units.", ge=0)
    commitment_cost: float = setting(
        0.5, "Distance of the latents from their codes, over the embedding's energy.", ge=0
    )
    orthogonality_weight: float = setting(
        0.1,
        "Redundancy between different categories' latents; it does not change the categories themselves.",
        ge=0,
    )
    informativeness_weight: float = setting(
        0.1, "Error of the partial decoders, which read one category up to one level.", ge=0
    )
    topo_weight: float = setting(
        0.45,
        "Mismatch between distances in feature space and in the quantized latent space.",
        ge=0,
    )
    topo_samples: int = setting(
        1024,
        "Rows of a step whose distances are compared; more than a batch has means all of it.",
        unit="rows",
        ge=3,
    )


class CodebookSettings(Section):
    """How codes follow the data, and when one that nobody uses is moved."""

    use_ema: bool = setting(
        True, "Codes follow a moving average of their latents; false trains them by a codebook loss."
    )
    ema_decay: float = setting(
        0.995,
        "Share of the moving average that a step keeps; higher is slower and steadier.",
        ge=0,
        lt=1,
    )
    dead_code_reset_interval: int = setting(
        10000,
        "Optimizer steps from one search for dead codes to the next; 0 = never.",
        unit="optimizer steps",
        ge=0,
    )
    dead_code_threshold: float = setting(
        10.0,
        "A code is dead at or below this percentile of usage and below a tenth of its fair share; "
        "lower resets fewer codes.",
        unit="percentile",
        ge=0,
        le=100,
    )
    dead_code_max_reset_fraction: float = setting(
        0.5, "Largest share of a codebook that one reset may move.", unit="share of codes", ge=0, le=1
    )
