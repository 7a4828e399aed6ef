"""The keys of a training configuration as keyword arguments, for completion and type check in editors.

scripts/write-derived writes this file from the sections of the configuration; do not edit it.
"""

from pathlib import Path
from typing import Any, Literal, TypedDict


class ConfigKeywords(TypedDict, total=False):
    """The keys of a training configuration; a key that is not given has its production value."""

    input_path: str | Path
    """Feature dataset (HDF5) to train on; opened read-only."""
    output_dir: str | Path
    """Directory for the best model, its statistics, history and config.yaml."""
    feature_family: str
    """Family of features: the group of that name under /features in the dataset."""
    feature_type: Literal["aggregated", "per_trajectory", "per_timestep"]
    """Table of that family: a row per operator, realization or time step; the split is by operator."""
    validation_fraction: float
    """Share of the operators that picks the checkpoint and reports the metrics; nothing is fitted on it."""
    split_seed: int
    """Seed of the split into training and validation operators."""
    split_by: str | None
    """Label whose groups stay on one side of the split (labels/<name>); null splits operator by operator."""
    fit_rows: int
    """Largest number of training rows that quantiles, categories and k-means are fitted on; a larger table is sampled,
    seeded.
    """
    max_table_mb: float | None
    """Largest table, as 32-bit numbers, that is held in memory; of a larger one a sample is held, and each epoch reads
    it from the file; null = a fifth of the memory of the machine and of the device.
    """
    max_missing_fraction: float
    """A column with a larger share of NaN and inf than this is dropped."""
    max_constant_fraction: float
    """A column whose commonest value fills this share or more is dropped; 1 = wholly constant ones only."""
    duplicate_correlation: float
    """A column whose |Pearson r| with an earlier one reaches this is dropped as its duplicate."""
    clip_lower_percentile: float
    """Values below this percentile of their column are raised to it."""
    clip_upper_percentile: float
    """Values above this percentile of their column are lowered to it."""
    normalization_method: Literal["standard", "robust", "rank_gauss"]
    """Scaling of each column: mean and standard deviation; median and IQR / 1.349; ranks to a Gaussian."""
    category_assignment: Literal["auto", "manual", "hybrid"]
    """auto discovers the categories, manual reads all of them from a mapping file, hybrid reads some and discovers the
    rest.
    """
    category_mapping_file: str | Path | None
    """JSON file {category: [column names or indices]} for manual and hybrid; null for auto."""
    num_categories_auto: int | None
    """Number of discovered categories; null lets cross-validated quality decide."""
    orthogonality_target: float
    """Largest |cosine| allowed between two categories' centroids; lower leaves fewer categories."""
    comparison_rate: float | None
    """Bits at which partitions are compared, over those a Gaussian source needs for target_quality; null = 1, then 1.5
    and 2 while no codebook sizes are expected to meet the targets.
    """
    min_features_per_category: int
    """A smaller category is merged into its nearest; no column is dropped for it."""
    max_clusters: int
    """Categories that discovery starts from, before it merges."""
    embedding_dim: int
    """Width of a category's embedding, at most its columns rounded up to a multiple of 4."""
    hidden_dim: int | None
    """Width of the encoders' hidden layers, half the decoder's (a quarter with joint tokens); null = auto."""
    compression_ratios: str | list[Any]
    """Latent width of each level over embedding_dim, coarse to fine; rounded up to a multiple of 4, at most the
    category's columns rounded up likewise.
    """
    factors: list[Any] | None
    """Latent width and codebook size of each level, for every category; null = auto."""
    category_factors: dict[str, Any] | None
    """The same for single categories, by name; it wins over factors."""
    assignment: Literal["local", "joint"]
    """local: a token depends on its own category's columns alone; joint: all tokens of a row are chosen together, at
    higher quality.
    """
    target_quality: float
    """Held-out quality that automatic codebook sizes aim at, with the fewest bits; 1 = as much as max_bits allows."""
    max_bits: float | None
    """Most bits that automatic codebook sizes may spend on a row; null = no limit."""
    warm_start: bool
    """Start from the closed form (PCA, k-means, ridge) at epoch 0; false = random initialization."""
    epochs: int
    """Passes over the training rows; 0 keeps the warm start as it is."""
    batch_size: int
    """Training rows in an optimizer step."""
    val_batch_size: int
    """Validation rows evaluated at once; changes memory, not metrics."""
    learning_rate: float
    """Step size of the optimizer at the start of its schedule."""
    val_every_n_epochs: int
    """Epochs from one validation to the next; only validated epochs can become the best model."""
    reconstruction_weight: float
    """Squared error of the reconstruction, in normalized units."""
    commitment_cost: float
    """Distance of the latents from their codes, over the embedding's energy."""
    orthogonality_weight: float
    """Redundancy between different categories' latents; it does not change the categories themselves."""
    informativeness_weight: float
    """Error of the partial decoders, which read one category up to one level."""
    topo_weight: float
    """Mismatch between distances in feature space and in the quantized latent space."""
    topo_samples: int
    """Rows of a step whose distances are compared; more than a batch has means all of it."""
    use_ema: bool
    """Codes follow a moving average of their latents; false trains them by a codebook loss."""
    ema_decay: float
    """Share of the moving average that a step keeps; higher is slower and steadier."""
    dead_code_reset_interval: int
    """Optimizer steps from one search for dead codes to the next; 0 = never."""
    dead_code_threshold: float
    """A code is dead at or below this percentile of usage and below a tenth of its fair share; lower resets fewer
    codes.
    """
    dead_code_max_reset_fraction: float
    """Largest share of a codebook that one reset may move."""
    checkpoint_use_composite: bool
    """Score epochs by the composite of loss, topography and quality; false = by validation loss alone."""
    checkpoint_loss_weight: float
    """Weight of the validation loss in the score."""
    checkpoint_topo_weight: float
    """Weight of 1 - topographic correlation in the score."""
    checkpoint_quality_weight: float
    """Weight of 1 - reconstruction quality in the score."""
    checkpoint_dir: str | Path | None
    """Directory of last.pt; null = output_dir."""
    save_every: int | None
    """Epochs from one last.pt to the next; null = at each validation."""
    resume_from: str | Path | None
    """best_model.pt, last.pt or a directory that holds one, to go on from; null = a new run."""
    early_stopping_patience: int
    """Epochs without a better score after which training stops; at least epochs = never."""
    early_stopping_min_delta: float
    """Smallest drop of the score that counts as better for early stopping."""
    use_torch_compile: bool
    """Compile with torch.compile where that is expected to pay and a compiler is found."""
    device: str
    """Device to run on; auto = the first CUDA device, else the CPU."""
    random_seed: int
    """Seed of everything random in training, apart from the split."""
    verbose: bool
    """Print every dropped column, every key of the configuration and a line for each validation."""
