"""One level of quantization, its moving average, and the nested levels."""

import numpy as np
import pytest
import torch

from spinlock.model.network.quantizer import NEVER_RESET, QuantizerLevel, ResidualQuantizer
from tests.model.specs import LATENT_DIMS, NUM_CODES

DECAY = 0.9


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def level_of(num_codes: tuple[int, ...] = (5, 3), dims: tuple[int, ...] = (4, 2)) -> QuantizerLevel:
    return QuantizerLevel(dims, num_codes, 4, learned_codes=False, generator=seeded())


def with_random_codes(level: QuantizerLevel) -> QuantizerLevel:
    """The level with random codes and counts."""
    codes = torch.randn(level.codes.shape, generator=seeded(1)) * level.mask[..., None] * level.latent_mask
    level.set_codes(codes, 10 * torch.rand(level.counts.shape, generator=seeded(2)) + 1)
    return level


def residuals(rows: int = 40, seed: int = 3) -> torch.Tensor:
    return torch.randn(2, rows, 4, generator=seeded(seed))


def assert_consistent(level: QuantizerLevel) -> None:
    """e = S / n~, where n~ are the smoothed counts."""
    for c in range(len(level.counts)):
        counts = level.counts[c][level.mask[c]].double()
        smoothed = (counts + 1e-5) / (counts.sum() + len(counts) * 1e-5) * counts.sum()
        expected = level.sums[c][level.mask[c]].double() / smoothed[:, None]
        torch.testing.assert_close(level.codes[c][level.mask[c]].double(), expected, rtol=1e-4, atol=1e-6)
        assert not level.counts[c][~level.mask[c]].any()
        assert not level.codes[c][~level.mask[c]].any()


class TestMovingAverage:
    """Counts n, sums S and codes e are always consistent."""

    def test_moving_averages_are_consistent_at_initialization(self) -> None:
        assert_consistent(level_of())

    def test_moving_averages_are_consistent_after_the_codes_are_set(self) -> None:
        level = with_random_codes(level_of())
        assert_consistent(level)
        assert (level.age == NEVER_RESET).all(), "no code was ever replaced"

    @pytest.mark.parametrize("steps", [1, 50])
    def test_moving_averages_are_consistent_after_updates(self, steps: int) -> None:
        level = with_random_codes(level_of())
        for step in range(steps):
            level.update(level(residuals(seed=step)).code_statistics(), DECAY)
        assert_consistent(level)

    def test_an_update_equals_its_formula(self) -> None:
        level = with_random_codes(level_of())
        counts, sums = level.counts.clone(), level.sums.clone()
        result = level(residuals())
        level.update(result.code_statistics(), DECAY)
        for c in range(2):
            for k in range(level.num_codes[c]):
                assigned = result.latents[c][result.indices[c] == k]
                torch.testing.assert_close(level.counts[c, k], DECAY * counts[c, k] + (1 - DECAY) * len(assigned))
                torch.testing.assert_close(level.sums[c, k], DECAY * sums[c, k] + (1 - DECAY) * assigned.sum(0))

    def test_smoothing_is_not_written_back(self) -> None:
        # Without rows the counts only decay. Accumulated smoothing would increase the counts of unused codes.
        level = with_random_codes(level_of())
        before = level.counts.clone()
        result = level(residuals(rows=0))
        for _ in range(200):
            level.update(result.code_statistics(), 0.99)
        torch.testing.assert_close(level.counts, before * 0.99**200, rtol=1e-4, atol=0)

    def test_the_codes_converge_to_the_means_of_their_rows(self) -> None:
        level = with_random_codes(level_of())
        rows = residuals(400)
        errors = []
        for _ in range(60):
            result = level(rows)
            errors.append((result.latents - torch.bmm(result.one_hot, level.codes)).square().sum().item())
            level.update(result.code_statistics(), DECAY)
        assert errors[-1] < 0.9 * errors[0]
        result = level(rows)
        for k in range(3):
            assigned = result.latents[1][result.indices[1] == k]
            torch.testing.assert_close(level.codes[1, k], assigned.mean(0), rtol=0.05, atol=0.05)

    def test_the_sum_of_counts_converges_to_the_rows_of_a_batch(self) -> None:
        level, rows = with_random_codes(level_of()), residuals(100)
        for _ in range(200):
            level.update(level(rows).code_statistics(), DECAY)
        torch.testing.assert_close(level.counts.sum(-1), torch.full((2,), 100.0))

    @pytest.mark.parametrize("steps", [1, 2000])
    def test_an_unused_code_does_not_move(self, steps: int) -> None:
        level = with_random_codes(level_of())
        with torch.no_grad():
            level.codes[0, 0] = 50.0
            level.sums.copy_(level.smoothed_counts()[..., None] * level.codes)
        before = level.codes.clone()
        for step in range(steps):
            level.update(level(residuals(seed=step % 7)).code_statistics(), DECAY)
        assert torch.equal(level.codes[0, 0], before[0, 0])
        assert not torch.equal(level.codes[0, 1:], before[0, 1:])
        assert_consistent(level)

    def test_a_code_that_is_used_again_continues_from_its_place(self) -> None:
        level = with_random_codes(level_of(num_codes=(2,), dims=(4,)))
        level.set_codes(torch.tensor([[[50.0] * 4, [0.0] * 4]]), torch.tensor([[4.0, 4.0]]))
        near, far = torch.zeros(1, 8, 4), torch.full((1, 8, 4), 50.0)
        for _ in range(400):
            level.update(level(near).code_statistics(), DECAY)
        level.update(level(far + 2).code_statistics(), DECAY)
        # Its count is about zero, so that its rows determine the code.
        torch.testing.assert_close(level.codes[0, 0], torch.full((4,), 52.0), rtol=1e-3, atol=0)
        assert_consistent(level)

    def test_learned_codes_are_only_counted(self) -> None:
        level = QuantizerLevel((4, 2), (5, 3), 4, learned_codes=True, generator=seeded())
        codes = level.codes.detach().clone()
        level.track_usage(level(residuals()).code_statistics(), DECAY)
        assert torch.equal(level.codes, codes)
        assert level.codes.requires_grad
        assert_consistent(level)


class TestLevel:
    """A level selects the nearest code of each category."""

    def test_rows_are_quantized_with_the_codes_before_the_update(self) -> None:
        level, rows = with_random_codes(level_of()), residuals()
        codes = level.codes.clone()
        result = level(rows)
        level.update(result.code_statistics(), 0.0)
        assert not torch.equal(level.codes, codes)
        for c in range(2):
            used = codes[c, : level.num_codes[c]]
            nearest = torch.cdist(result.latents[c], used).argmin(-1)
            assert torch.equal(result.indices[c], nearest)
            torch.testing.assert_close(result.contribution[c], (used @ level.project_out[c])[nearest])

    def test_padding_codes_of_a_category_are_never_selected(self) -> None:
        # The padding codes are zero and would be the nearest to these rows.
        level = with_random_codes(level_of(num_codes=(9, 2)))
        result = level(1e-3 * residuals(500))
        assert result.indices[1].max() <= 1
        assert not result.one_hot[1, :, 2:].any()

    def test_latents_beyond_the_width_of_a_category_are_zero(self) -> None:
        level = with_random_codes(level_of())
        assert not level(residuals()).latents[1, :, 2:].any()


class TestResidualLevels:
    """Each level quantizes the residual of the coarser levels."""

    @pytest.fixture
    def quantizer(self) -> ResidualQuantizer:
        return ResidualQuantizer(LATENT_DIMS[1:], NUM_CODES[1:], 6, learned_codes=False, generator=seeded())

    @pytest.fixture
    def embeddings(self) -> torch.Tensor:
        return torch.randn(3, 30, 6, generator=seeded(5))

    def test_the_quantizer_equals_a_loop_over_categories_and_levels(
        self, quantizer: ResidualQuantizer, embeddings: torch.Tensor
    ) -> None:
        results = quantizer(embeddings)
        for c in range(3):
            residual = embeddings[c].double().numpy()
            for level_number, level in enumerate(quantizer.each_level()):
                width, size = LATENT_DIMS[c + 1][level_number], NUM_CODES[c + 1][level_number]
                project_in = level.project_in[c, :, :width].detach().double().numpy()
                project_out = level.project_out[c, :width].detach().double().numpy()
                codes = level.codes[c, :size, :width].double().numpy()
                indices = []
                for row in residual:
                    indices.append(int(np.argmin([((row @ project_in - code) ** 2).sum() for code in codes])))
                residual = residual - codes[indices] @ project_out
                assert results[level_number].indices[c].tolist() == indices
                remaining = embeddings[c] - sum(result.contribution[c] for result in results[: level_number + 1])
                np.testing.assert_allclose(remaining.detach().numpy(), residual, atol=1e-4)

    def test_lookup_gives_the_quantized_latents_of_every_prefix(
        self, quantizer: ResidualQuantizer, embeddings: torch.Tensor
    ) -> None:
        results = quantizer(embeddings)
        tokens = torch.stack([result.indices for result in results], dim=-1).transpose(0, 1)
        for count in (1, 2, 3):
            expected = torch.stack([result.contribution for result in results[:count]]).sum(0)
            torch.testing.assert_close(quantizer.lookup(tokens[..., :count]), expected)

    def test_a_finer_level_sends_no_gradient_to_the_coarser_ones(
        self, quantizer: ResidualQuantizer, embeddings: torch.Tensor
    ) -> None:
        results = quantizer(embeddings.requires_grad_())
        (gradient,) = torch.autograd.grad(results[1].latents.square().sum(), embeddings)
        expected = torch.zeros_like(embeddings)
        expected[..., : results[1].latents.shape[-1]] = 2 * results[1].latents[..., : embeddings.shape[-1]]
        torch.testing.assert_close(gradient, expected)

    def test_autocast_does_not_change_the_nearest_codes(
        self, quantizer: ResidualQuantizer, embeddings: torch.Tensor
    ) -> None:
        expected = quantizer(embeddings)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            results = quantizer(embeddings)
            coarse = quantizer(embeddings.bfloat16())
        for result, same in zip(results, expected, strict=True):
            assert torch.equal(result.indices, same.indices)
            assert result.latents.dtype == torch.float32
        assert coarse[0].contribution.dtype == torch.float32
