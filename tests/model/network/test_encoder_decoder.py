"""Batched encoders and decoders against a separate computation for each category."""

import pytest
import torch
from torch.nn import functional as F

from tests.model.specs import GROUPS, each_category, random_rows, small_model


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_batched_encoders_equal_an_encoder_for_each_category() -> None:
    model, rows = small_model(branches=True), random_rows()
    for c, block, i in each_category(model):
        embeddings = block.encoder(block.layout.gather(rows))
        own, width, weights = rows[:, list(GROUPS[c])], len(GROUPS[c]), block.encoder
        hidden = F.gelu(own @ weights.hidden[i, :width] + weights.hidden_bias[i])
        torch.testing.assert_close(embeddings[i], own @ weights.linear[i, :width] + hidden @ weights.output[i])


def test_an_encoder_is_linear_at_initialization() -> None:
    block = small_model().each_bucket()[0]
    columns = block.layout.gather(random_rows())
    torch.testing.assert_close(block.encoder(2 * columns), 2 * torch.bmm(columns, block.encoder.linear))


def test_the_shared_decoder_equals_its_formula_and_reads_every_category() -> None:
    weights = small_model(branches=True).decoder
    flat = torch.randn(8, 24, generator=seeded(), requires_grad=True)
    hidden = F.gelu(flat @ weights.hidden + weights.hidden_bias)
    expected = flat @ weights.linear + weights.bias + hidden @ weights.output
    torch.testing.assert_close(weights(flat), expected)
    (gradient,) = torch.autograd.grad(weights(flat)[:, 0].sum(), flat)
    assert (gradient.abs().sum(0) > 0).all()


@pytest.mark.parametrize("rows", [50, 7])
def test_category_decoders_equal_a_linear_map_for_each_category_and_level_and_are_zero_in_the_padding(
    rows: int,
) -> None:
    model = small_model(branches=True)
    result = model(random_rows(), category_rows=rows)
    for c, block, i in each_category(model):
        done, decoders, width = (
            result.buckets[model.each_bucket().index(block)],
            block.category_decoders,
            len(GROUPS[c]),
        )
        for level, columns in enumerate(done.category_reconstructions):
            expected = done.latents[level][i] @ decoders.linear[level, i] + decoders.bias[level, i]
            torch.testing.assert_close(columns[i, :, :width], expected[:rows, :width])
            assert not columns[i, :, width:].any()


def test_the_gradient_of_category_decoders_equals_automatic_differentiation() -> None:
    model = small_model(branches=True)
    result = model(random_rows(), category_rows=7)
    for block, done in zip(model.each_bucket(), result.buckets, strict=True):
        inputs = [done.embeddings]
        for level, columns in enumerate(done.category_reconstructions):
            weights = torch.randn(columns.shape, generator=seeded(level))
            linear, bias = block.category_decoders.linear[level], block.category_decoders.bias[level]
            plain = (torch.baddbmm(bias, done.latents[level], linear) * block.category_decoders.mask)[:, :7]
            options = {"retain_graph": True, "allow_unused": True}
            for actual, expected in zip(
                torch.autograd.grad((columns * weights).sum(), [*inputs, block.category_decoders.linear], **options),
                torch.autograd.grad((plain * weights).sum(), [*inputs, block.category_decoders.linear], **options),
                strict=True,
            ):
                assert actual is not None
                torch.testing.assert_close(actual, torch.zeros_like(actual) if expected is None else expected)


def test_equal_seeds_give_equal_weights() -> None:
    first, second = small_model().state_dict(), small_model().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
