"""The keys of a training configuration as keyword arguments, for completion and type check in editors.

scripts/write-derived writes this file from the sections of the configuration; do not edit it.
"""

from pathlib import Path
from typing import Any, Literal, TypedDict


class ConfigKeywords(TypedDict, total=False):
    """The keys of a training configuration; a key that is not given has its production value."""

    input_path: str | Path
    """HDF5 dataset of features to train on. It is opened read-only."""
    output_dir: str | Path
    """Directory that receives the best model, its normalization statistics, the history and config.yaml."""
    feature_family: str
    """Name of the group under /features of the dataset that holds the table."""
    feature_type: Literal["aggregated", "per_trajectory", "per_timestep"]
    """Kind of table: one row for each operator, for each realization, or for each time step. All rows of an operator
    are on the same side of the split.
    """
    validation_fraction: float
    """Fraction of the operators that form the validation set. The best epoch is chosen and the metrics are measured on
    these operators; nothing is fitted on them.
    """
    split_seed: int
    """Seed of the random split into training and validation operators."""
    split_by: str | None
    """Label (labels/<name>) that defines groups of operators: all operators of a group are on the same side of the
    split. null splits operators independently.
    """
    fit_rows: int
    """Maximum number of training rows on which quantiles, categories and k-means are fitted. A larger table is sampled
    with a fixed seed.
    """
    max_table_mb: float | None
    """Maximum size of a table, in 32-bit numbers, that is held in memory. Of a larger table only a sample is held, and
    each epoch reads the rows from the file. null: a fifth of the memory of the machine and of the device.
    """
    max_missing_fraction: float
    """Columns with a larger fraction of NaN and infinite values are dropped."""
    max_constant_fraction: float
    """Columns whose most common value occurs in this fraction of the rows or more are dropped. 1 drops constant
    columns only.
    """
    duplicate_correlation: float
    """Columns whose absolute Pearson correlation with an earlier column reaches this value are dropped."""
    clip_lower_percentile: float
    """Values below this percentile of their column are replaced by it."""
    clip_upper_percentile: float
    """Values above this percentile of their column are replaced by it."""
    normalization_method: Literal["standard", "robust", "rank_gauss"]
    """Scaling of each column: by mean and standard deviation (standard), by median and IQR / 1.349 (robust), or by
    mapping ranks to a Gaussian (rank_gauss).
    """
    category_assignment: Literal["auto", "manual", "hybrid"]
    """How categories are found: auto discovers all of them, manual reads all of them from a mapping file, and hybrid
    reads some and discovers the others.
    """
    category_mapping_file: str | Path | None
    """JSON file {category: [column names or indices]}. It is required for manual and hybrid, and null for auto."""
    num_categories_auto: int | None
    """Number of discovered categories. null chooses it by cross-validated quality."""
    orthogonality_target: float
    """Upper limit of the absolute cosine between the centroids of any two categories. A lower limit leads to fewer
    categories.
    """
    comparison_rate: float | None
    """Rate at which partitions are compared, in units of the rate that a Gaussian source needs for target_quality.
    null compares at 1, and also at 2 if the resulting codebook sizes are not expected to meet the targets.
    """
    min_features_per_category: int
    """Minimum number of columns of a category. A smaller category is merged into the nearest one; its columns are
    kept.
    """
    max_clusters: int
    """Maximum number of categories. Discovery starts with this number and merges them."""
    embedding_dim: int
    """Maximum width of a category's embedding. It is not wider than the number of columns of the category, rounded up
    to a multiple of 4.
    """
    hidden_dim: int | None
    """Width of the hidden layer of each encoder. The decoder's hidden layer is 2 times as wide, and 4 times with joint
    tokens. null: automatic, 16 to 128 by the number of training rows.
    """
    compression_ratios: str | list[Any]
    """Latent width of each level in units of embedding_dim, coarse to fine. Each width is rounded up to a multiple of
    4 and is not larger than the number of columns of the category, rounded up likewise.
    """
    factors: list[Any] | None
    """Latent width and codebook size of each level, for all categories. null: automatic."""
    category_factors: dict[str, Any] | None
    """Latent width and codebook size of each level for single categories, by name. It overrides factors."""
    assignment: Literal["local", "joint"]
    """How tokens are assigned. local: a token depends on the columns of its own category only. joint: all tokens of a
    row are chosen together, which gives a higher quality at the same bits.
    """
    target_quality: float
    """Reconstruction quality on held-out rows that the automatic codebook sizes should reach with the fewest bits. 1
    uses all bits that max_bits allows.
    """
    max_bits: float | None
    """Maximum bits per row of the automatic codebook sizes. null: no limit."""
    warm_start: bool
    """Whether the network is initialized in closed form (principal axes, residual k-means, ridge regression). false
    initializes it randomly.
    """
    epochs: int
    """Number of passes over the training rows. 0 keeps the initialized network as it is."""
    batch_size: int
    """Maximum number of training rows in an optimizer step."""
    val_batch_size: int
    """Number of validation rows that are evaluated together. It changes the use of memory, but not the metrics."""
    learning_rate: float
    """Maximum learning rate of the schedule (linear warm-up, then cosine decay)."""
    val_every_n_epochs: int
    """Number of epochs between two validations. Only a validated epoch can become the best model."""
    reconstruction_weight: float
    """Weight of the mean squared reconstruction error in normalized units."""
    commitment_cost: float
    """Weight of the commitment loss: squared distance between latents and their codes, relative to the energy of the
    embedding.
    """
    orthogonality_weight: float
    """Weight of the orthogonality loss: mean squared correlation between latents of different categories. It does not
    change the categories.
    """
    informativeness_weight: float
    """Weight of the informativeness loss: mean squared error of the category decoders, which reconstruct the columns
    of a category from its own tokens.
    """
    topo_weight: float
    """Weight of the topographic loss: 1 - correlation between distances in feature space and in the quantized latent
    space.
    """
    topo_samples: int
    """Number of rows of a batch whose distances the topographic loss compares. If it is larger than the batch, all
    rows are compared.
    """
    use_ema: bool
    """Whether codes follow an exponential moving average of their latents. false trains them by a codebook loss."""
    ema_decay: float
    """Decay of the exponential moving average in each step. A higher value makes codes change more slowly."""
    dead_code_reset_interval: int
    """Number of optimizer steps between two replacements of dead codes. 0: never. There are none in the last fifth of
    the planned steps.
    """
    dead_code_threshold: float
    """A code is dead if its usage is at or below this percentile of its codebook and below a tenth of even usage. A
    lower percentile replaces fewer codes.
    """
    dead_code_max_reset_fraction: float
    """Maximum fraction of a codebook that is replaced at once."""
    checkpoint_use_composite: bool
    """Whether epochs are compared by a composite score of validation loss, topographic correlation and quality. false
    compares them by validation loss only.
    """
    checkpoint_loss_weight: float
    """Weight of the validation loss in the composite score."""
    checkpoint_topo_weight: float
    """Weight of 1 - topographic correlation in the composite score."""
    checkpoint_quality_weight: float
    """Weight of 1 - reconstruction quality in the composite score."""
    checkpoint_dir: str | Path | None
    """Directory of last.pt. null: output_dir."""
    save_every: int | None
    """Number of epochs between two saves of last.pt. null: at each validation."""
    resume_from: str | Path | None
    """Run to resume: its best_model.pt, its last.pt, or its directory. null: a new run."""
    early_stopping_patience: int
    """Number of epochs without a better score after which training stops. If it is not smaller than epochs, training
    never stops early.
    """
    early_stopping_min_delta: float
    """Minimum decrease of the score that early stopping counts as an improvement."""
    use_torch_compile: bool
    """Whether the training step is compiled with torch.compile, if this is expected to save time and a compiler is
    installed.
    """
    device: str
    """Device of the computation. auto: the first CUDA device, or the CPU if there is none."""
    random_seed: int
    """Seed of all random numbers of a run except the split."""
    verbose: bool
    """Whether every dropped column, the schedule and a line for each validation are printed."""
