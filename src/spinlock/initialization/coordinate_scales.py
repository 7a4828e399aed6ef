"""Scale of the optimizer's steps for the encoder weights of each embedding coordinate.

    s = sigma_e / sigma_1 * min(1, 16 / M)

sigma_e is the standard deviation along principal axis e of a category of M columns. Adam makes steps of about the same
size in all weights. Two properties of a category make steps of one size wrong:

- The trailing principal axes have a small variance. Equal steps would soon fill their coordinates with noise, which
  then dominates the distances to the codes.
- A step of all M weights of a coordinate changes it by up to the sum of their changes. Steps are therefore inversely
  proportional to the number of inputs, as in the maximal update parametrization (Yang et al., 2022).

Letters: ``n`` rows, ``D`` columns, ``C`` categories of a bucket, ``E`` embedding width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spinlock.initialization.closed_form import fit_bases
from spinlock.model.spec import ModelSpec

FULL_STEP_COLUMNS = 16
"""Number of columns of a category up to which its encoder has steps of the full size."""


@torch.no_grad()
def coordinate_scales(rows: Tensor, spec: ModelSpec) -> list[Tensor]:
    """Return the scales of the steps.

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
        relative = deviation / deviation.amax(-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        columns = basis.layout.mask.sum(-1).view(-1, 1, 1)
        scales.append(relative * (FULL_STEP_COLUMNS / columns).clamp(max=1.0))
    return scales
