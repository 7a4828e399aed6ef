"""Messages about a plan, each one line: adaptations of the configuration to the table, and the schedule of the run."""

from __future__ import annotations

import math

from spinlock.categories.candidates import ALL_FIXED
from spinlock.metrics.targets import UTILIZATION
from spinlock.model import LEVELS
from spinlock.sizing.search import (
    MAX_CODEBOOK_SIZE,
    MAX_TARGET_QUALITY,
    NEAR_LIMIT,
    ROWS_PER_CODE,
    VALIDATION_ROWS_PER_CODE,
    max_codebook_size,
)
from spinlock.training.ineffective_keys import ineffective_key_messages
from spinlock.training.optimization.schedule import RESET_FRACTION
from spinlock.training.plan import Plan


def adaptation_messages(plan: Plan) -> list[str]:
    """Return messages about values that the table limits, and about targets that are not expected to be met."""
    data, config, batches, selection = plan.data, plan.config, plan.batch_plan, plan.selection
    rows, validation_rows = len(data.train), len(data.validation)
    messages = [*selection.notes]
    num_resets = _num_resets(config.dead_code_reset_interval, plan.total_steps)
    messages += ineffective_key_messages(plan.requested, num_resets=num_resets)
    if data.streamed:
        messages.append(_streaming_message(plan))
    if batches.batch < config.batch_size:
        messages.append(
            f"batch size {batches.batch} instead of {config.batch_size}: the "
            f"{batches.rows} training rows are divided into equal batches"
        )
    if min(config.topo_samples, batches.batch) < config.topo_samples:
        messages.append(f"topo_samples {batches.batch} instead of {config.topo_samples}: a batch has no more rows")
    fitted = min(rows, config.fit_rows)
    cap = max_codebook_size(fitted, validation_rows)
    if cap < MAX_CODEBOOK_SIZE and selection.automatic:
        messages.append(
            f"codebooks have at most {cap} codes: {fitted} training rows with at least {ROWS_PER_CODE} per code, and "
            f"{validation_rows} validation rows with at least {VALIDATION_ROWS_PER_CODE}"
        )
    bits, limit = plan.spec.bits_per_row, config.max_bits
    if not selection.automatic and limit is not None and bits > limit:
        messages.append(f"{bits:.0f} bits per row instead of max_bits {limit:g}: all codebook sizes are configured")
    if selection.expected_quality < plan.assignment.required_quality(config.target_quality):
        messages.append(unmet_quality(plan))
    if selection.expected_utilization < UTILIZATION:
        codes = "codes that the quality requires" if selection.automatic else "configured codes"
        messages.append(
            f"expected utilization {selection.expected_utilization:.3f}: {validation_rows} validation rows are too few "
            f"to use {UTILIZATION:g} of the {codes}"
        )
    if not selection.meets_target:
        messages.append(unmet_orthogonality(plan))
    return messages


def unmet_quality(plan: Plan) -> str:
    """Return a message about the reason why the expected quality is below its target, in bits per row."""
    config, selection, categories = plan.config, plan.selection, plan.spec.num_categories
    fitted = min(len(plan.data.train), config.fit_rows)
    cap = plan.assignment.max_codes(max_codebook_size(fitted, len(plan.data.validation)), categories)
    required = plan.data.gaussian_reference.held_out_bits(min(MAX_TARGET_QUALITY, config.target_quality))
    capacity = LEVELS * categories * math.log2(cap)
    bits = plan.spec.bits_per_row
    message = (
        f"the expected quality before training, {selection.expected_quality:.3f}, is too low for target_quality "
        f"{config.target_quality:g} at {bits:.0f} bits per row; the Gaussian reference needs "
        f"{required:.0f} bits for it"
    )
    if not selection.automatic:
        return f"{message}; all codebook sizes are configured"
    if config.max_bits is not None and bits > NEAR_LIMIT * config.max_bits:
        return f"{message}; max_bits allows {config.max_bits:g}"
    if capacity <= required:
        return (
            f"{message}; {categories} categories x {LEVELS} codebooks x log2 {cap} are at most {capacity:.0f} bits: "
            "more rows, or more categories (a higher orthogonality_target), allow more"
        )
    return (
        f"{message}; {categories} categories allow up to {capacity:.0f} bits, but no trial was better, because larger "
        f"codebooks overfit the {fitted} training rows. More rows{plan.assignment.improvement_hint} "
        "would help"
    )


def unmet_orthogonality(plan: Plan) -> str:
    """Return a message about the reason why the categories miss the orthogonality target."""
    selection, chosen = plan.selection, plan.selection.chosen
    if chosen.num_categories < 2:
        return "one category only: the columns are too few or too similar for a second one"
    if chosen.distance == ALL_FIXED:
        return (
            f"the largest centroid cosine of the categories in the mapping file is {chosen.cosine:.3f}, not below "
            f"orthogonality_target {selection.target:g}"
        )
    if chosen.adjustable_cosine < selection.target:
        return (
            f"two categories in the mapping file have a centroid cosine of {chosen.cosine:.3f}, not below "
            f"orthogonality_target {selection.target:g}; the other pairs are below it"
        )
    return (
        f"no partition was found below orthogonality_target {selection.target:g}: the largest centroid cosine is "
        f"{chosen.cosine:.3f}"
    )


def schedule_messages(plan: Plan) -> list[str]:
    """Return messages about the number of steps, validations and dead-code resets, and about early stopping."""
    config, total = plan.config, plan.total_steps
    validations = 1 + math.ceil(config.epochs / config.val_every_n_epochs)  # including epoch 0 and the last epoch
    messages = [
        f"epochs: {config.epochs}, steps per epoch: {plan.batch_plan.steps}, optimizer steps: {total}",
        f"validation every {config.val_every_n_epochs} epochs: {validations} times",
    ]
    messages += plan.assignment.training_note(config.reconstruction_weight)
    if plan.assignment.trains_network:
        messages.append(_reset_message(config.dead_code_reset_interval, total))
    patience = config.early_stopping_patience
    messages.append(
        f"early stopping after {patience} epochs without a better score"
        if patience < config.epochs
        else f"early stopping never occurs: patience {patience} is not below {config.epochs} epochs"
    )
    return messages


def _reset_message(interval: int, total: int) -> str:
    """Return a message about the dead-code resets of ``total`` steps."""
    last, count = int(RESET_FRACTION * total), _num_resets(interval, total)
    if count:
        return f"dead-code resets every {interval} steps: {count} times (none in the last fifth)"
    if interval and last >= 1:
        return (
            f"dead-code resets never occur: dead_code_reset_interval is {interval} steps, and resets end at step "
            f"{last}; an interval of {max(1, last // 4)} would reset four times"
        )
    return "dead-code resets: off"


def _num_resets(interval: int, total: int) -> int:
    """Return the number of dead-code resets of ``total`` steps."""
    return int(RESET_FRACTION * total) // interval if interval else 0


def _streaming_message(plan: Plan) -> str:
    """Return a message about the rows of a streamed table that are in memory, and those that epochs use."""
    data = plan.data
    epochs = (
        f"each epoch reads all {len(data.split.train)} training rows"
        if plan.streams_batches
        else "joint codes are fitted and trained on these rows"
    )
    return (
        f"the table is streamed from its file (max_table_mb): {len(data.train)} training and {len(data.validation)} "
        f"validation rows are in memory for fitting and metrics; {epochs}"
    )
