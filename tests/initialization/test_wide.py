"""Principal axes and ridge regression for more columns than rows, against the formulas for few columns."""

import pytest
import torch

from spinlock.initialization import principal_axes as axes_module
from spinlock.initialization import ridge as ridge_module
from spinlock.initialization.closed_form import fit_bases
from spinlock.initialization.principal_axes import principal_axes
from spinlock.initialization.ridge import (
    RIDGE_GRID,
    axis_variances,
    decode_locally,
    fit_decoders,
    held_out_reconstructions,
    local_decoder,
)
from spinlock.metrics import correlation as correlation_module
from tests.training.specs import planted_rows, planted_spec


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("rows", "width"), [(30, 8), (30, 40), (90, 12)])
@pytest.mark.parametrize("max_rows", [0, 1000])
def test_axes_of_many_columns_equal_those_of_the_covariance(
    monkeypatch: pytest.MonkeyPatch, rows: int, width: int, max_rows: int
) -> None:
    columns = torch.stack([normal(rows, 6, seed=s) @ (3 * normal(6, 50, seed=s + 9)) for s in range(2)])
    expected = principal_axes(columns, width)
    monkeypatch.setattr(axes_module, "MAX_COVARIANCE_COLUMNS", 10)
    monkeypatch.setattr(axes_module, "MAX_PRODUCT_ROWS", max_rows)
    axes = principal_axes(columns, width)
    assert axes.shape == expected.shape
    torch.testing.assert_close(axes[..., :6], expected[..., :6], atol=1e-4, rtol=1e-3)


def test_axis_variances_are_the_eigenvalues_of_the_covariance() -> None:
    rows, spec = planted_rows(), planted_spec()
    variances = axis_variances(rows, fit_bases(rows, spec))
    for group, values in zip(spec.groups, variances, strict=True):
        own = rows[:, list(group)].double()
        expected = torch.linalg.eigvalsh(own.t() @ own / len(own)).flip(0)
        kept = min(len(values), len(expected))
        torch.testing.assert_close(torch.from_numpy(values[:kept]), expected[:kept], atol=1e-5, rtol=1e-4)


def test_local_decoding_equals_the_local_decoder() -> None:
    rows, spec = planted_rows(), planted_spec()
    bases = fit_bases(rows, spec)
    latents = normal(7, sum(basis.axes.shape[0] * basis.axes.shape[2] for basis in bases))
    expected = latents @ local_decoder(bases, spec.num_columns)
    torch.testing.assert_close(decode_locally(bases, latents, spec.num_columns), expected)


def test_reconstructions_without_a_decoder_equal_those_of_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, spec = planted_rows(), planted_spec()
    bases = fit_bases(rows, spec)
    width = sum(basis.axes.shape[0] * basis.axes.shape[2] for basis in bases)
    fitted = rows[: width - 3]
    latents, held_out = normal(len(fitted), width), normal(5, width, seed=1)
    expected = list(held_out_reconstructions(latents, fitted, held_out, bases, RIDGE_GRID))
    monkeypatch.setattr(correlation_module, "MAX_MATRIX_COLUMNS", 10)
    reconstructions = list(held_out_reconstructions(latents, fitted, held_out, bases, RIDGE_GRID))
    for one, other in zip(reconstructions, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("width", [12, 700])
def test_decoders_of_a_wide_table_are_those_of_a_narrow_one(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    rows = planted_rows()[:400]
    latents, prior = normal(400, width), normal(width, 24, seed=1)
    narrow = fit_decoders(latents, rows, prior, (0.03, 0.3))
    monkeypatch.setattr(correlation_module, "MAX_MATRIX_COLUMNS", 10)
    monkeypatch.setattr(ridge_module, "BLOCK_COLUMNS", 7)
    for one, other in zip(fit_decoders(latents, rows, prior, (0.03, 0.3)), narrow, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
