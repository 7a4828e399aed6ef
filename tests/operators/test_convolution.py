"""Periodic convolutions by all methods against SciPy in float64."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from spinlock.operators import convolution
from spinlock.operators.convolution import periodic_convolution, relative_cost, spectrum_bytes

GRIDS = [(16, 16), (15, 18), (9, 21)]
SHAPES = [(3, 2, 3, 3), (3, 2, 5, 5), (4, 3, 7, 7), (2, 2, 9, 9), (1, 3, 5, 5), (1, 3, 9, 9), (3, 1, 7, 7)]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("limit", [0, convolution.MAX_SPECTRUM_BYTES], ids=["no spectra", "spectra"])
def test_every_method_equals_scipy(
    shape: tuple[int, int, int, int], grid: tuple[int, int], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "MAX_SPECTRUM_BYTES", limit)
    rng = np.random.default_rng(0)
    kernels = rng.normal(size=(2, *shape)) / np.sqrt(np.prod(shape[1:]))
    fields = rng.normal(size=(3, 2, shape[1], *grid))
    convolve = periodic_convolution(torch.from_numpy(kernels).float(), grid)
    result = convolve(torch.from_numpy(fields).float()).double().numpy()
    for run, operator in np.ndindex(3, 2):
        expected = [
            sum(correlate(field, kernel, mode="wrap") for field, kernel in zip(fields[run, operator], row, strict=True))
            for row in kernels[operator]
        ]
        np.testing.assert_allclose(result[run, operator], expected, atol=5e-6)


def test_spectra_are_used_for_large_kernels_with_many_channels_up_to_a_size() -> None:
    grid = (64, 64)
    assert spectrum_bytes((32, 32, 7, 7), grid) == 8 * 64 * 33 * 32 * 32
    assert spectrum_bytes((32, 32, 3, 3), grid) == spectrum_bytes((1, 32, 7, 7), grid) == 0
    assert spectrum_bytes((32, 32, 7, 7), (128, 128)) == 0


def test_the_cost_depends_on_the_kernel_size_of_a_direct_convolution_only() -> None:
    grid = (64, 64)
    assert relative_cost((8, 8, 7, 7), grid) == relative_cost((8, 8, 5, 5), grid) > relative_cost((8, 8, 3, 3), grid)
    assert relative_cost((64, 64, 7, 7), grid) > relative_cost((64, 64, 5, 5), grid)
