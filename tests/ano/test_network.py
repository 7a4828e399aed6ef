"""The closed-form initialization of the network: decoded features, ridge regression and Fourier features."""

import numpy as np
import pytest
import torch
from scipy.special import erf
from sklearn.linear_model import Ridge

from spinlock.ano.network.correspondence import correspondence_positions
from spinlock.ano.network.decoded_features import DecodedFeatures, decode, principal_decoder
from spinlock.ano.network.fourier_features import fit_fourier
from spinlock.ano.network.regression import PENALTIES, ridge
from spinlock.io.token_decoder import TokenDecoder


def test_the_scores_of_the_rows_have_mean_zero_and_unit_covariance(rng: np.random.Generator) -> None:
    codes = np.stack([rng.integers(0, 5, 400), 5 + rng.integers(0, 3, 400)], axis=1)
    positions, center = correspondence_positions(codes, 8, 6)
    scores = positions[codes].sum(axis=1) - center
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(scores.T, bias=True), np.eye(6), atol=1e-6)


def test_the_first_axis_is_what_the_columns_have_in_common(rng: np.random.Generator) -> None:
    hidden = rng.integers(0, 4, 500)
    columns = [np.where(rng.random(500) < 0.9, hidden, rng.integers(0, 4, 500)) + 4 * j for j in range(6)]
    codes = np.stack(columns, axis=1)
    positions, _ = correspondence_positions(codes, 24, 3)
    by_column = positions.reshape(6, 4, 3)
    np.testing.assert_allclose(by_column, by_column.mean(axis=0) * np.ones((6, 1, 1)), atol=0.15)


def test_axes_beyond_the_rank_are_zero() -> None:
    codes = np.array([[0, 2], [1, 3], [0, 2], [1, 3]])
    positions, _ = correspondence_positions(codes, 4, 3)
    assert np.count_nonzero(np.abs(positions).max(axis=0) > 1e-6) == 1


def test_ridge_has_the_penalty_with_the_smallest_leave_one_out_error(rng: np.random.Generator) -> None:
    x = rng.standard_normal((25, 6))
    y = x[:, :2] @ np.array([[1.0], [-0.5]]) + 0.5 * rng.standard_normal((25, 1)) + 3
    errors, left_out = [], []
    for penalty in PENALTIES:
        left_out.append(
            [Ridge(alpha=penalty).fit(np.delete(x, i, 0), np.delete(y[:, 0], i)).predict(x[[i]])[0] for i in range(25)]
        )
        errors.append(np.mean(np.square(y[:, 0] - left_out[-1])))
    index = int(np.argmin(errors))
    best = Ridge(alpha=PENALTIES[index]).fit(x, y[:, 0])
    found = ridge(x, y)
    np.testing.assert_allclose(found.weights[:, 0], best.coef_, atol=1e-8)
    assert found.bias[0] == pytest.approx(best.intercept_)
    assert found.deviation[0] == pytest.approx(np.sqrt(min(errors)), rel=1e-6)
    np.testing.assert_allclose(found.left_out[:, 0], left_out[index], atol=1e-8)


def test_an_output_with_too_few_rows_has_the_prior() -> None:
    y = np.full((40, 1), np.nan)
    y[:5] = 2.0
    found = ridge(np.random.default_rng(0).standard_normal((40, 3)), y)
    assert (np.abs(found.weights).max(), found.bias[0], found.deviation[0]) == (0, 0, 1)
    assert not found.left_out.any()


@pytest.fixture
def decoder(rng: np.random.Generator) -> TokenDecoder:
    """A decoder of three columns of four codes, with five axes and six hidden units."""
    axes = np.array([3, 2, 1, 0.5, 0.1])
    return TokenDecoder(
        rng.standard_normal((12, 5)) * axes,
        rng.standard_normal((12, 6)),
        rng.standard_normal(6),
        rng.standard_normal((6, 5)) * axes,
    )


def decoded_by_hand(codes: np.ndarray, decoder: TokenDecoder) -> np.ndarray:
    rows = []
    for row in codes:
        hidden = decoder.hidden_bias + sum(decoder.hidden[code] for code in row)
        gelu = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
        rows.append(sum(decoder.linear[code] for code in row) + gelu @ decoder.output)
    return np.array(rows)


def test_decoded_axes_are_uncorrelated_and_have_mean_variance_one(
    rng: np.random.Generator, decoder: TokenDecoder
) -> None:
    codes = rng.integers(0, 4, (300, 3)) + np.array([0, 4, 8])
    np.testing.assert_allclose(decode(codes, decoder), decoded_by_hand(codes, decoder), atol=1e-12)
    rotated, center = principal_decoder(codes, decoder, 4)
    rows = decode(codes, rotated) - center
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
    covariance = rows.T @ rows / len(rows)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-11)
    assert np.trace(covariance) == pytest.approx(4)
    assert (np.diff(np.diag(covariance)) < 0).all()


def test_all_axes_have_the_distances_of_the_decoded_rows(rng: np.random.Generator, decoder: TokenDecoder) -> None:
    codes = rng.integers(0, 4, (40, 3)) + np.array([0, 4, 8])
    wide, center = principal_decoder(codes, decoder, 7)
    module = DecodedFeatures((4, 4, 4), 6, 7)
    module.set_decoder(wide, center)
    tokens = torch.from_numpy(codes - np.array([0, 4, 8]))
    rows = module(module.to_codes(tokens)).numpy()
    np.testing.assert_allclose(rows, decode(codes, wide) - center, atol=1e-5)
    assert not rows[:, 5:].any()
    expected, found = (
        np.linalg.norm(points[:, None] - points, axis=2) for points in (decoded_by_hand(codes, decoder), rows)
    )
    ratio = found.max() / expected.max()
    np.testing.assert_allclose(found, ratio * expected, atol=1e-5)


def test_equal_decoded_rows_give_axes_of_zeros() -> None:
    codes = np.array([[0, 1], [1, 0], [0, 0], [1, 1]])
    rotated, center = principal_decoder(codes, TokenDecoder.without_hidden_units(np.full((2, 3), 0.1)), 4)
    assert not rotated.linear.any()
    assert not center.any()


def test_fourier_features_approximate_the_gaussian_kernel_and_fit_what_a_line_cannot() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    y = np.stack([np.cos(2 * x[:, 0]), x[:, 1]], axis=1) + 0.05 * rng.standard_normal((200, 2))
    fourier = fit_fourier(x, y, 4000, rng)
    features = fourier.amplitude * np.cos(x @ fourier.frequencies + fourier.phases)
    scale = float(np.square(features).sum(axis=1).mean())
    length = 1 / fourier.frequencies.std()
    expected = np.exp(-np.square(x[:, None] - x).sum(axis=2) / (2 * length**2))
    np.testing.assert_allclose(features @ features.T / scale, expected, atol=0.1)
    assert fourier.fit.deviation[0] < 0.5 * ridge(x, y).deviation[0]
