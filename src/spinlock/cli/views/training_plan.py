"""What ``--dry-run`` tells of a run: a new one, or one to go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spinlock.cli.terminal import duration, out, size, table
from spinlock.config import dump_config
from spinlock.metrics.rate_distortion import gaussian_quality
from spinlock.model import CategoricalVQVAE
from spinlock.training.plan import callbacks, estimate

if TYPE_CHECKING:
    import torch

    from spinlock.config import VQVAEConfig
    from spinlock.training.compilation import CompilePlan
    from spinlock.training.prepare import Prepared
    from spinlock.training.run import Run


def tell_plan(prepared: Prepared, settings: VQVAEConfig, compile_plan: CompilePlan, device: torch.device) -> None:
    """What ``--dry-run`` prints: configuration, categories, sizes, prediction, callbacks, time and memory."""
    console, spec, sizes = out(), prepared.spec, prepared.sizes
    console.print(dump_config(settings), markup=False)
    rows = [
        (name, str(len(group)), "/".join(map(str, dims)), "/".join(map(str, codes)))
        for name, group, dims, codes in zip(
            spec.category_names, spec.groups, spec.latent_dims, spec.num_codes, strict=True
        )
    ]
    console.print(table(("category", "columns", "latent dims", "codes per level"), rows, title="Categories"))
    parameters = sum(parameter.numel() for parameter in CategoricalVQVAE(spec).parameters())
    spectrum = np.asarray(np.linalg.eigvalsh(prepared.correlation), dtype=np.float64)
    bound = gaussian_quality(spectrum, spec.bits_per_row)
    expected = estimate(prepared, settings, device)
    console.print(f"parameters: {parameters}")
    console.print(f"bits per row: {spec.bits_per_row:.1f} in {3 * spec.num_categories} tokens")
    console.print(
        f"expected on held-out rows {'before training' if settings.warm_start else 'of a warm start, which is off'}: "
        f"quality {sizes.quality:.3f}, utilization {sizes.utilization:.3f}; rate-distortion bound of a Gaussian source "
        f"at these bits: {bound:.3f}"
    )
    for line in callbacks(prepared.data, settings):
        console.print(line)
    console.print(compile_plan.reason)
    console.print(
        f"estimate: {duration(expected.seconds)} of training on {device}, {size(expected.memory)} of memory "
        "beside the program itself"
    )
    console.print("dry run: nothing was written")


def tell_resumed(run: Run) -> None:
    """The configuration, and what remains to be done."""
    console, progress, config = out(), run.state.progress, run.fixed.config
    console.print(dump_config(config), markup=False)
    left = max(0, config.epochs - progress.epoch)
    console.print(f"would go on after epoch {progress.epoch}: {left} epochs remain; dry run: nothing was written")
