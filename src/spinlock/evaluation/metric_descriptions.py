"""Descriptions of the final metrics, for ``metrics.json``, its schema and its documentation."""

from __future__ import annotations

from typing import Any

METRIC_DESCRIPTIONS = {
    "reconstruction_quality": "Fraction of variance explained, 1 - sum (x - x^)^2 / sum x^2.",
    "quality_by_level": "The quality from the tokens of one, two and three levels.",
    "quality_by_category": "The quality of the columns of each category.",
    "quality_by_feature": "The quality of each column that the model uses; null if the column is constant.",
    "quality_macro": "Mean of the qualities of the columns.",
    "quality_all_columns": "The quality of all columns that vary, including those that cleaning dropped.",
    "rank_quality": "The quality after each column is replaced by its rank among the training rows.",
    "rank_quality_by_feature": "The rank quality of each column.",
    "extreme_rows": "The rows with the largest shares of the sum of squared z-scores.",
    "codebook_utilization": "Fraction of the codes that occur, mean over codebooks.",
    "utilization_minimum": "Smallest utilization of a codebook.",
    "utilization_expected": "Utilization that is expected if all codes are equally likely.",
    "utilization_limit": "Largest possible utilization for the number of rows.",
    "utilization_by_codebook": "Utilization of each codebook, in the order of the token columns.",
    "utilization_train": "Utilization on training rows.",
    "perplexity_ratio": "Perplexity divided by the number of codes, mean over codebooks.",
    "entropy_bits": "Sum over the codebooks of the empirical entropy, in bits per row.",
    "entropy_bits_train": "The same on training rows.",
    "latent_redundancy": "Mean squared correlation between the quantized latents of different categories.",
    "topographic_correlation": "Pearson's r between pairwise distances of features and of tokens.",
    "topographic_spearman": "Spearman's rank correlation between these distances.",
    "topographic_trustworthiness": "Trustworthiness of the 15 nearest rows; null if there are at most 30 rows.",
    "topographic_continuity": "Continuity of the 15 nearest rows; null if there are at most 30 rows.",
    "topographic_before_quantization": "The topographic correlation of the latents before quantization.",
    "quality_train": "The quality of the training rows.",
    "copied_validation_rows": "Fraction of the validation rows that equal a training row.",
    "inter_category_orthogonality": "Largest cosine between the centroids of two categories on training rows.",
    "orthogonality_clipped": "The same after the columns are clipped at their 0.5% and 99.5% quantiles.",
    "orthogonality_mean": "Mean cosine between the centroids of two categories.",
    "orthogonality_validation": "The largest cosine on validation rows, with its bootstrap interval.",
    "orthogonality_noise": "Standard error of a cosine on the validation rows, 1 / sqrt(m).",
    "largest_category_share": "Fraction of the columns that are in the largest category.",
    "quality_local": "The quality of local tokens with these codebook sizes.",
    "quality_joint": "The quality of joint tokens with these codebook sizes; null if they are not tried.",
    "share_of_equal_tokens": "Fraction of the joint tokens that equal the local ones.",
    "energy_within_category": "Fraction of the squared norm of a joint code in the columns of its category, mean over "
    "codes.",
    "bits_per_sample": "Bits per row, the sum of log2 K over the codebooks.",
    "rate_distortion_quality": "The quality of a Gaussian source at these bits: on training rows, held out, by "
    "category, and "
    "held out with a shrunk covariance.",
    "gap_db": "Distance of the error to that of the held-out Gaussian reference, in decibels; negative if it is "
    "smaller.",
}
"""{metric: description}, in the order of the documentation. "The quality" is ``reconstruction_quality``."""

MISSING_WITH_ONE_CATEGORY = ("orthogonality_mean", "orthogonality_validation", "orthogonality_noise")
"""Metrics that a run with one category does not have."""


def describe_metrics(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of ``metrics.json``: that of an ``Evaluation``, with the metrics and derived keys."""
    properties = schema["properties"]
    properties["format_version"] = {"description": "Version of the keys of this file.", "type": "integer"}
    schema["required"] = ["format_version", *schema["required"]]
    properties["metrics"] |= {
        "properties": {name: {"description": text} for name, text in METRIC_DESCRIPTIONS.items()},
        "required": [name for name in METRIC_DESCRIPTIONS if name not in MISSING_WITH_ONE_CATEGORY],
        "additionalProperties": False,
    }
    target = schema["$defs"]["Target"]
    target["properties"]["met"] = {"description": "Whether the value meets the threshold.", "type": "boolean"}
    target["required"] = [*target["required"], "met"]
    return schema


def list_metrics() -> str:
    """Return the section of the documentation that describes all metrics, in Markdown."""
    rows = [f"| `{name}` | {text} |" for name, text in METRIC_DESCRIPTIONS.items()]
    introduction = (
        '`metrics` contains these values. "The quality" is `reconstruction_quality`. A run with one category has no '
        "mean, "
        "no validation\nvalue and no noise of the orthogonality."
    )
    return "\n".join(["", "## All metrics", "", introduction, "", "| metric | meaning |", "|---|---|", *rows, ""])
