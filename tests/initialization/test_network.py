"""Closed-form and random initialization of a network."""

import pytest
import torch

from spinlock.initialization.network import initialize_closed_form, initialize_random
from spinlock.model import build_network
from tests.model.network.test_quantizer import assert_consistent
from tests.training.specs import GROUPS, planted_rows, planted_spec


@pytest.mark.parametrize("embedding_dim", [4, 8, 16], ids=["narrower", "equal", "wider"])
def test_the_network_reproduces_the_closed_form(embedding_dim: int) -> None:
    rows, model = planted_rows(), build_network(planted_spec(embedding_dim), seed=1)
    form = initialize_closed_form(model, rows, ridge=0.01, rows_per_batch=64, seed=0)
    held_out = planted_rows(100, seed=5)
    prefixes = [form.quantize(held_out, levels) for levels in (1, 2, 3)]
    result = model(held_out)
    torch.testing.assert_close(result.reconstruction, prefixes[-1] @ form.decoder, rtol=0, atol=1e-4)
    for level in range(3):
        latents = torch.cat([block.latents[level] for block in result.buckets])
        torch.testing.assert_close(latents.transpose(0, 1).flatten(1), prefixes[level], rtol=0, atol=1e-4)


def test_category_decoders_are_initialized_with_the_axes_of_the_category() -> None:
    model = build_network(planted_spec(), seed=1)
    form = initialize_closed_form(model, planted_rows(), ridge=0.01, rows_per_batch=64, seed=0)
    result = model(planted_rows(50, seed=5))
    for level in range(3):
        expected = torch.bmm(result.buckets[0].latents[level], form.buckets[0].axes.transpose(1, 2))
        torch.testing.assert_close(result.buckets[0].category_reconstructions[level], expected)


def test_counts_sum_to_the_rows_per_batch_and_are_consistent_with_the_codes() -> None:
    model = build_network(planted_spec(), seed=1)
    initialize_closed_form(model, planted_rows(), ridge=0.01, rows_per_batch=64, seed=0)
    for level in model.quantizer_levels():
        torch.testing.assert_close(level.counts.sum(-1), torch.full((3,), 64.0))
        assert_consistent(level)


def test_the_next_update_does_not_move_converged_codes() -> None:
    rows, model = planted_rows(), build_network(planted_spec(), seed=1)
    initialize_closed_form(model, rows, ridge=0.01, rows_per_batch=len(rows), seed=0)
    before = [level.codes.clone() for level in model.quantizer_levels()]
    for level, result in zip(model.quantizer_levels(), model(rows).levels, strict=True):
        level.update(result.code_statistics(), 0.99)
    for level, codes in zip(model.quantizer_levels(), before, strict=True):
        torch.testing.assert_close(level.codes, codes, rtol=0, atol=0.01)


def test_the_seed_determines_the_initialization() -> None:
    def tokens(seed: int) -> torch.Tensor:
        model = build_network(planted_spec(), seed=1)
        initialize_closed_form(model, planted_rows(), ridge=0.01, rows_per_batch=64, seed=seed)
        return model.encode(planted_rows())

    assert torch.equal(tokens(0), tokens(0))
    assert not torch.equal(tokens(0), tokens(1))


def test_random_initialization_keeps_the_weights_and_differs_from_the_closed_form() -> None:
    rows, model = planted_rows(), build_network(planted_spec(), seed=1)
    before = {name: value.clone() for name, value in model.named_parameters() if not name.endswith("codes")}
    initialize_random(model, rows, rows_per_batch=64, seed=0)
    for name, value in model.named_parameters():
        if not name.endswith("codes"):
            assert torch.equal(value, before[name])
    closed_form = build_network(planted_spec(), seed=1)
    initialize_closed_form(closed_form, rows, ridge=0.01, rows_per_batch=64, seed=0)
    errors = [(rows - m(rows).reconstruction).square().mean().item() for m in (model, closed_form)]
    assert errors[1] < 0.3 < 0.9 < errors[0]


def test_random_codes_are_latents_of_different_rows() -> None:
    rows, model = planted_rows(20), build_network(planted_spec(num_codes=(20, 15, 10)), seed=1)
    initialize_random(model, rows, rows_per_batch=20, seed=0)
    result = model(rows)
    coarse = model.quantizer_levels()[0]
    for c in range(len(GROUPS)):
        assert len(torch.unique(coarse.codes[c], dim=0)) == 20
        assert sorted(result.levels[0].indices[c].tolist()) == list(range(20))
    for level in model.quantizer_levels():
        assert_consistent(level)
        torch.testing.assert_close(level.counts.sum(-1), torch.full((3,), 20.0))


def test_random_initialization_with_more_codes_than_rows_is_finite() -> None:
    model = build_network(planted_spec(num_codes=(12, 4, 4)), seed=1)
    initialize_random(model, planted_rows(5), rows_per_batch=5, seed=0)
    assert all(level.codes.isfinite().all() for level in model.quantizer_levels())
