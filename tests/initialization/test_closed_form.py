"""The closed-form initialization against PCA and Ridge of scikit-learn, and its levels on planted tables."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from spinlock.initialization.closed_form import fit_closed_form
from spinlock.initialization.principal_axes import principal_axes
from spinlock.initialization.ridge import fit_decoders, local_decoder
from spinlock.model.network.layout import CategoryLayout, flatten_categories
from tests.training.specs import GROUPS, planted_rows, planted_spec


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quality(rows: torch.Tensor, reconstruction: torch.Tensor) -> float:
    return float(1 - (rows - reconstruction).square().sum() / rows.square().sum())


def test_principal_axes_equal_those_of_scikit_learn_up_to_sign() -> None:
    rows = planted_rows()
    axes = principal_axes(CategoryLayout(GROUPS, 24).gather(rows), 4)
    assert axes.shape == (3, 12, 4)
    for c, group in enumerate(GROUPS):
        components = PCA(4).fit(rows[:, list(group)].double().numpy()).components_
        overlap = components @ axes[c, : len(group)].double().numpy()
        np.testing.assert_allclose(np.abs(overlap), np.eye(4), atol=1e-5)
        assert not axes[c, len(group) :].any()


def test_the_largest_component_of_an_axis_is_positive() -> None:
    axes = principal_axes(CategoryLayout(GROUPS, 24).gather(planted_rows()), 4)
    peaks = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    assert (peaks > 0).all()


def test_axes_beyond_the_rank_of_a_category_are_zero() -> None:
    rows = planted_rows()
    rows[:, 20:24] = rows[:, [19]]  # five columns of rank one
    axes = principal_axes(CategoryLayout(GROUPS, 24).gather(rows), 8)
    assert axes[2, :, 0].norm() == pytest.approx(1.0)
    assert not axes[2, :, 1:].any()
    assert axes.isfinite().all()


@pytest.mark.parametrize("strength", [0.003, 0.3])
def test_the_decoder_is_ridge_regression_toward_its_prior(strength: float) -> None:
    rows, latents = planted_rows(200), torch.randn(200, 6, generator=seeded())
    base = torch.randn(6, 24, generator=seeded(1))
    (decoder,) = fit_decoders(latents, rows, base, (strength,))
    ridge = Ridge(alpha=strength * 200, fit_intercept=False)
    correction = ridge.fit(latents.double(), (rows - latents @ base).double()).coef_.T
    np.testing.assert_allclose((decoder - base).numpy(), correction, atol=1e-5)


def test_zero_latents_keep_the_prior_decoder() -> None:
    rows, latents = planted_rows(200), torch.randn(200, 6, generator=seeded())
    latents[:, 2] = 0.0
    base = torch.randn(6, 24, generator=seeded(1))
    for decoder in fit_decoders(latents, rows, base, (0.01, 0.1)):
        torch.testing.assert_close(decoder[2], base[2], rtol=0, atol=0)
        assert not torch.allclose(decoder[0], base[0])


def test_a_strong_ridge_gives_the_local_decoder() -> None:
    rows, spec = planted_rows(), planted_spec()
    form = fit_closed_form(rows, spec, ridge=1e9, generator=seeded())
    base = local_decoder(form.buckets, 24)
    torch.testing.assert_close(form.decoder, base, rtol=0, atol=1e-6)
    for c, group in enumerate(GROUPS):
        others = [j for j in range(24) if j not in group]
        assert not base[8 * c : 8 * (c + 1), others].any()


def test_local_decoder_inverts_the_axes() -> None:
    rows = planted_rows()
    form = fit_closed_form(rows, planted_spec(embedding_dim=12), ridge=0.01, generator=seeded())
    coordinates = [torch.bmm(bucket.layout.gather(rows), bucket.axes) for bucket in form.buckets]
    restored = flatten_categories(coordinates) @ local_decoder(form.buckets, 24)
    torch.testing.assert_close(restored, rows, rtol=0, atol=1e-5)


def test_local_decoder_inverts_the_axes_of_several_buckets() -> None:
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(rng.standard_normal((150, 44))).float()
    groups = (tuple(range(0, 40)), tuple(range(40, 44)))
    spec = planted_spec(embedding_dim=40)
    wide = type(spec)(("a", "b"), groups, 40, 4, spec.latent_dims[:2], spec.num_codes[:2], bucket_sizes=(1, 1))
    form = fit_closed_form(rows, wide, ridge=0.01, generator=seeded())
    assert len(form.buckets) == 2
    coordinates = [torch.bmm(bucket.layout.gather(rows), bucket.axes) for bucket in form.buckets]
    restored = flatten_categories(coordinates) @ local_decoder(form.buckets, 44)
    torch.testing.assert_close(restored, rows, rtol=0, atol=1e-4)


def test_quality_of_unseen_rows_increases_with_the_levels() -> None:
    table = planted_rows(1600)
    rows, held_out = table[:1200], table[1200:]
    form = fit_closed_form(rows, planted_spec(num_codes=(20, 20, 20)), ridge=0.01, generator=seeded())
    qualities = [quality(held_out, form.quantize(held_out, levels) @ form.decoder) for levels in (1, 2, 3)]
    assert 0.5 < qualities[0] < qualities[1] - 0.02 < qualities[2] - 0.04
    assert qualities[2] > 0.85


def test_levels_are_residual_k_means_with_means_of_their_rows() -> None:
    rows = planted_rows()
    form = fit_closed_form(rows, planted_spec(), ridge=0.01, generator=seeded(), iterations=100)
    block = form.buckets[0]
    coordinates = torch.bmm(block.layout.gather(rows), block.axes)
    prefixes = [block.quantize(rows, levels) for levels in (1, 2, 3)]
    before = torch.zeros_like(coordinates)
    for level, after in zip(block.levels, prefixes, strict=True):
        residual, step = coordinates - before, after - before
        width = level.codes.shape[-1]
        for c in range(3):
            nearest = torch.cdist(residual[c, :, :width], level.codes[c]).argmin(-1)
            torch.testing.assert_close(step[c, :, :width], level.codes[c][nearest], rtol=0, atol=1e-5)
            used, counts = nearest.unique(return_counts=True)
            assert counts.tolist() == level.counts[c][used].tolist()
            for k in used.tolist():
                mean = residual[c, nearest == k, :width].mean(0)
                torch.testing.assert_close(level.codes[c, k], mean, rtol=0, atol=1e-4)
        before = after


def test_narrow_levels_quantize_the_leading_coordinates_only() -> None:
    form = fit_closed_form(planted_rows(), planted_spec(), ridge=0.01, generator=seeded())
    prefixes = [form.buckets[0].quantize(planted_rows(), levels) for levels in (1, 2)]
    assert not prefixes[0][..., 4:].any()
    assert prefixes[1][..., 4:].any()


def test_the_ridge_decoder_has_a_higher_quality_than_the_local_decoder() -> None:
    rows = planted_rows()
    form = fit_closed_form(rows, planted_spec(), ridge=0.003, generator=seeded())
    latents = form.quantize(rows)
    together, alone = quality(rows, latents @ form.decoder), quality(rows, latents @ local_decoder(form.buckets, 24))
    assert together > alone
