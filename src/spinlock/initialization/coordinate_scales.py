"""Standard deviation of each embedding coordinate, by which the optimizer scales its steps.

Adam makes steps of about the same size in all weights. The trailing principal axes of a category have a small variance,
so that equal steps would soon fill their coordinates with noise, which then dominates the distances to the codes. The
optimizer therefore multiplies the steps of the weights of a coordinate by its relative standard deviation.

Letters: ``n`` rows, ``D`` columns, ``C`` categories of a bucket, ``E`` embedding width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spinlock.initialization.closed_form import fit_bases
from spinlock.model.spec import ModelSpec


@torch.no_grad()
def coordinate_scales(rows: Tensor, spec: ModelSpec) -> list[Tensor]:
    """Return the standard deviations along the principal axes of each category, relative to its first axis.

    Parameters
    ----------
    rows
        Training rows [n, D] in normalized units.
    spec
        Categories and sizes.

    Returns
    -------
    list of Tensor
        Numbers in [0, 1], [C, 1, E] for each bucket.
    """
    scales = []
    for basis in fit_bases(rows, spec):
        coordinates = torch.bmm(basis.layout.gather(rows), basis.axes)
        deviation = coordinates.square().mean(1, keepdim=True).sqrt()
        scales.append(deviation / deviation.amax(-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny))
    return scales
