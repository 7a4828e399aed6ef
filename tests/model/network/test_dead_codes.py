"""Replacement of dead codes: which codes are replaced, how many, when, and by which rows."""

import numpy as np
import pytest
import torch

from spinlock.model.network.dead_codes import reset_dead_codes
from spinlock.model.network.quantizer import LevelResult, QuantizerLevel
from tests.model.network.test_quantizer import assert_consistent, seeded

ROWS = 64


def level_with_usage(counts: list[list[float]]) -> QuantizerLevel:
    """A level whose codebooks have these usages [C, K] and are old enough for a reset."""
    sizes = tuple(len(usage) for usage in counts)
    level = QuantizerLevel((3,) * len(sizes), sizes, 3, learned_codes=False, generator=seeded())
    padded = torch.tensor([usage + [0.0] * (max(sizes) - len(usage)) for usage in counts])
    level.set_codes(level.codes.detach().clone(), padded)
    level.age.fill_(1000)
    return level


def quantize_random_rows(level: QuantizerLevel, seed: int = 1) -> LevelResult:
    return level(3 * torch.randn(len(level.counts), ROWS, 3, generator=seeded(seed)))


def reset(level: QuantizerLevel, result: LevelResult, seed: int = 2, **changes: float) -> int:
    settings = {"percentile": 50.0, "max_fraction": 1.0, "cool_down": 100} | changes
    noise = torch.rand(len(level.counts), ROWS, generator=seeded(seed))
    return int(reset_dead_codes(level, result, noise=noise, **settings))


def snapshot(level: QuantizerLevel) -> list[torch.Tensor]:
    return [tensor.detach().clone() for tensor in (level.codes, level.counts, level.sums, level.age)]


def test_a_codebook_without_dead_codes_does_not_change() -> None:
    # The usage is uneven, but no code is below a tenth of the mean. The percentile alone would reset half of them.
    level = level_with_usage([[2.0, 10.0, 9.0, 11.0, 12.0, 16.0], [10.0, 10.0, 10.0]])
    before, result = snapshot(level), quantize_random_rows(level)
    assert reset(level, result, percentile=100.0) == 0
    for tensor, same in zip(snapshot(level), before, strict=True):
        torch.testing.assert_close(tensor, same)


def test_codes_that_are_not_replaced_stay_bit_for_bit() -> None:
    level = level_with_usage([[0.0, 0.0, 0.0, 40.0, 24.0], [20.0, 20.0, 24.0]])
    before, result = level.codes.detach().clone(), quantize_random_rows(level)
    assert reset(level, result, max_fraction=0.2) == 1, "one of the three unused codes"
    same = (level.codes == before).all(-1)
    assert same.tolist() == [[False, True, True, True, True], [True] * 5]
    assert_consistent(level)


def test_the_padding_of_a_smaller_codebook_is_not_dead() -> None:
    level = level_with_usage([[10.0] * 6, [10.0, 10.0]])
    assert reset(level, quantize_random_rows(level), percentile=100.0) == 0
    assert not level.codes[1, 2:].any()
    assert not level.counts[1, 2:].any()


def test_a_dead_code_is_replaced_by_a_row_in_codes_counts_and_sums() -> None:
    level = level_with_usage([[0.0, 30.0, 34.0], [20.0, 20.0, 24.0]])
    before, result = snapshot(level), quantize_random_rows(level)
    assert reset(level, result) == 1
    assert (result.latents[0] == level.codes[0, 0]).all(-1).any()
    assert level.counts[0, 0].item() == pytest.approx(64 / 3)
    assert_consistent(level)
    assert level.age[0].tolist() == [0, 1000, 1000]
    torch.testing.assert_close(level.codes[0, 1:], before[0][0, 1:])
    torch.testing.assert_close(level.codes[1], before[0][1])
    torch.testing.assert_close(level.counts[0, 1:], before[1][0, 1:])


def test_a_replaced_code_survives_the_next_update() -> None:
    level = level_with_usage([[0.0, 30.0, 34.0]])
    result = quantize_random_rows(level)
    level.update(result.code_statistics(), 0.99)
    reset(level, result)
    replaced = level.codes[0, 0].clone()
    next_result = quantize_random_rows(level, seed=7)
    level.update(next_result.code_statistics(), 0.99)
    assert (level.codes[0, 0] - replaced).norm() < 0.05 * replaced.norm()
    assert level.counts[0, 0] > 0.9 * 64 / 3
    assert reset(level, next_result, cool_down=0) == 0


@pytest.mark.parametrize(("usage", "dead"), [(0.70, 0), (0.68, 1)])
def test_a_code_below_a_tenth_of_the_mean_usage_is_dead(usage: float, dead: int) -> None:
    # With three other codes of usage 9 the limit is 0.1 (27 + x) / 4 = x, that is 2.7 / 3.9 = 0.692.
    level = level_with_usage([[usage, 9.0, 9.0, 9.0]])
    assert reset(level, quantize_random_rows(level)) == dead


def test_the_percentile_limits_the_codes_that_are_replaced() -> None:
    usage = [0.0, 0.1, 0.2, 0.3, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0]
    for percentile, dead in ((0.0, 1), (10.0, 2), (20.0, 3), (100.0, 4)):
        level = level_with_usage([usage])
        assert reset(level, quantize_random_rows(level), percentile=percentile) == dead


@pytest.mark.parametrize(("fraction", "dead"), [(0.0, 0), (0.1, 1), (0.25, 2), (0.5, 4), (1.0, 6)])
def test_at_most_a_fraction_of_the_codes_is_replaced_and_the_least_used_first(fraction: float, dead: int) -> None:
    level = level_with_usage([[0.5, 0.1, 0.4, 0.2, 0.3, 0.0, 100.0, 100.0]])
    assert reset(level, quantize_random_rows(level), percentile=100.0, max_fraction=fraction) == dead
    order = [5, 1, 3, 4, 2, 0]
    assert sorted(np.flatnonzero(level.age[0].numpy() == 0).tolist()) == sorted(order[:dead])


def test_a_code_is_not_replaced_during_its_cool_down() -> None:
    level = level_with_usage([[0.0, 30.0, 34.0]])
    level.age.fill_(99)
    assert reset(level, quantize_random_rows(level), cool_down=100) == 0
    level.age += 1
    assert reset(level, quantize_random_rows(level), cool_down=100) == 1


def test_replacements_are_distinct_rows() -> None:
    level = level_with_usage([[0.0, 0.0, 0.0, 0.0, 0.0, 100.0]])
    result = quantize_random_rows(level)
    assert reset(level, result, percentile=100.0) == 5
    assert len(torch.unique(level.codes[0, :5], dim=0)) == 5


def test_rows_are_drawn_in_proportion_to_their_squared_error() -> None:
    # Half of the rows have a squared error of 9, the others of 1, so 0.9 of the draws select the first kind.
    level = level_with_usage([[0.0, 64.0]])
    level.set_codes(torch.zeros(1, 2, 3), level.counts.clone())
    level.age.fill_(1000)
    latents = torch.zeros(1, ROWS, 3)
    latents[0, ::2, 0], latents[0, 1::2, 0] = 3.0, 1.0
    one_hot = torch.zeros(1, ROWS, 2)
    one_hot[..., 1] = 1.0
    result = LevelResult(latents, one_hot, torch.ones(1, ROWS, dtype=torch.int64), torch.zeros(1, 2, 3), latents)
    start, far = snapshot(level), 0
    for seed in range(1000):
        for tensor, value in zip((level.codes, level.counts, level.sums, level.age), start, strict=True):
            tensor.data.copy_(value)
        assert reset(level, result, seed=seed) == 1
        far += level.codes[0, 0, 0].item() == 3.0
    assert far / 1000 == pytest.approx(0.9, abs=0.03)


def test_more_dead_codes_than_rows_are_all_replaced() -> None:
    level = level_with_usage([[0.0] * 30 + [1000.0]])
    latents = torch.randn(1, 4, 3, generator=seeded())
    result = level(latents)
    noise = torch.rand(1, 4, generator=seeded())
    replaced = reset_dead_codes(level, result, percentile=100.0, max_fraction=1.0, cool_down=0, noise=noise)
    assert int(replaced) == 30
    assert_consistent(level)
