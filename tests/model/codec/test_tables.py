"""The table form of a model against the forward pass of the network."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from spinlock.initialization.joint_codes import fit_joint_codes
from spinlock.model import CategoricalVQVAE, JointVQVAE, build_network
from spinlock.model.codec import make_codec
from spinlock.model.codec.tables import TokenTables
from tests.model.specs import each_category, random_rows, small_model


def with_beam_width(model: CategoricalVQVAE, beam_width: int) -> CategoricalVQVAE:
    other = build_network(replace(model.spec, beam_width=beam_width))
    other.load_state_dict(model.state_dict())
    return other


def distances(model: CategoricalVQVAE, rows: Tensor, tokens: Tensor) -> Tensor:
    """Squared distances |e - sum of U q|^2 [B, C] of tokens [B, C, 3]."""
    summed = model.lookup(tokens)
    return (model(rows).embeddings - summed).square().sum(-1).t()


def test_a_beam_with_all_prefixes_finds_the_nearest_sum_of_projected_codes_except_near_ties() -> None:
    model, rows = with_beam_width(small_model(branches=True), 10_000), random_rows(400)
    tokens, embeddings = TokenTables(model).encode(rows), model(rows).embeddings
    differing = torch.zeros(len(rows), dtype=torch.bool)
    for c, sizes in enumerate(model.spec.num_codes):
        triples = torch.cartesian_prod(*map(torch.arange, sizes))
        every = torch.zeros(len(triples), model.spec.num_categories, 3, dtype=torch.int64)
        every[:, c] = triples
        nearest = torch.cdist(embeddings[c], model.lookup(every)[c]).argmin(1)
        differing |= (tokens.indices[:, c] != triples[nearest]).any(1)
    assert not (differing & ~tokens.near_tie).any()
    assert tokens.near_tie.float().mean() < 0.05


def test_a_beam_of_width_one_selects_the_nearest_code_of_each_level() -> None:
    model, rows = with_beam_width(small_model(branches=True), 1), random_rows(400)
    tokens = TokenTables(model).encode(rows).indices
    for c, bucket, i in each_category(model):
        residual = model(rows).embeddings[c]
        for level_number, level in enumerate(bucket.quantizer.each_level()):
            codes = level.projected_codes()[i, : model.spec.num_codes[c][level_number]]
            indices = torch.cdist(residual, codes).argmin(1)
            assert (indices == tokens[:, c, level_number]).float().mean() > 0.99
            residual = residual - codes[tokens[:, c, level_number]]


def test_beam_search_finds_nearer_codes_than_the_greedy_search() -> None:
    model, rows = small_model(branches=True), random_rows(400)
    wide = distances(model, rows, TokenTables(model).encode(rows).indices)
    greedy = distances(model, rows, model.encode(rows))
    assert wide.mean() < greedy.mean()
    assert (wide <= greedy + 1e-4).float().mean() > 0.99
    every = distances(model, rows, TokenTables(with_beam_width(model, 10_000)).encode(rows).indices)
    assert (every <= greedy + 1e-4).all()
    assert wide.mean() < every.mean() + 0.05 * (greedy.mean() - every.mean())


def test_every_prefix_is_decoded_as_by_the_network() -> None:
    model, rows = small_model(branches=True), random_rows(50)
    tokens = model.encode(rows)
    for levels in (1, 2, 3):
        expected = model.decode(tokens[..., :levels])
        torch.testing.assert_close(TokenTables(model).decode(tokens[..., :levels]), expected)


def test_two_equal_codes_are_a_near_tie() -> None:
    model = small_model()
    with torch.no_grad():
        for level in model.quantizer_levels():
            level.codes[:, 1] = level.codes[:, 0]
    tokens = TokenTables(model).encode(random_rows(200))
    affected = (tokens.indices <= 1).flatten(1).any(1)
    assert affected.any()
    assert (tokens.near_tie >= affected).all()


def fit_joint_model(local: CategoricalVQVAE, rows: Tensor) -> JointVQVAE:
    joint = local.with_joint_codes()
    fit_joint_codes(joint, rows)
    return joint


def test_joint_tokens_reconstruct_better_and_local_tokens_remain_available() -> None:
    local, rows = small_model(), random_rows(600)
    joint = fit_joint_model(local, rows)
    plain, codec = make_codec(local), make_codec(joint)
    errors = [(rows - c.decode(c.encode(rows).indices)).square().mean() for c in (plain, codec)]
    assert errors[1] < 0.9 * errors[0]
    tokens = plain.encode(rows).indices
    assert torch.equal(codec.encode_local(rows), tokens)
    torch.testing.assert_close(codec.decode_local(tokens), plain.decode(tokens))


def test_joint_tokens_of_a_row_do_not_depend_on_the_other_rows() -> None:
    rows = random_rows(300)
    codec = make_codec(fit_joint_model(small_model(), rows))
    together = codec.encode(rows)
    single = torch.cat([codec.encode(row[None]).indices for row in rows[:50]])
    differing = (single != together.indices[:50]).flatten(1).any(1)
    assert not (differing & ~together.near_tie[:50]).any()
