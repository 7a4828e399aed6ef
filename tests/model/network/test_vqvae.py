"""The network: tokens and reconstruction, prefixes of the levels, gradients, locality of the tokens."""

from dataclasses import replace

import pytest
import torch

from spinlock.model import CategoricalVQVAE, JointVQVAE, ModelSpec, build_network
from spinlock.model.codec import BLOCK, make_codec
from spinlock.model.network.layout import flatten_categories
from spinlock.model.network.vqvae import apply_quantizer_dropout
from tests.model.specs import COLUMNS, GROUPS, NUM_CODES, each_category, random_rows, small_model, small_spec


@pytest.fixture
def model() -> CategoricalVQVAE:
    return small_model(branches=True)


def test_decoding_the_tokens_of_a_forward_pass_gives_its_reconstruction(model: CategoricalVQVAE) -> None:
    result = model(random_rows())
    torch.testing.assert_close(model.decode(result.indices), result.reconstruction)
    torch.testing.assert_close(model.lookup(result.indices), result.latents)
    assert torch.equal(model.encode(random_rows()), result.indices)


def test_tokens_stay_within_their_codebooks(model: CategoricalVQVAE) -> None:
    tokens = model.encode(random_rows(500))
    assert tokens.shape == (500, 4, 3)
    assert tokens.dtype == torch.int64
    assert tokens.min() >= 0
    assert (tokens.amax(0) < torch.tensor(NUM_CODES)).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_prefix_of_the_levels_is_decoded_as_in_the_forward_pass(model: CategoricalVQVAE, count: int) -> None:
    result = model(random_rows())
    prefix = [block.latents[count - 1] for block in result.buckets]
    torch.testing.assert_close(model.decode(result.indices[..., :count]), model.decoder(flatten_categories(prefix)))


def test_the_forward_pass_decodes_the_first_rows_from_fewer_levels(model: CategoricalVQVAE) -> None:
    result = model(random_rows(), dropout_ends=(7, 14))
    tokens = result.indices
    expected = torch.cat(
        [model.decode(tokens[:7, :, :1]), model.decode(tokens[7:14, :, :2]), model.decode(tokens[14:])]
    )
    torch.testing.assert_close(result.reconstruction, expected)


def test_quantizer_dropout_gives_the_first_rows_fewer_levels() -> None:
    prefixes = [[torch.full((2, 5, 2), float(level)), torch.full((1, 5, 3), level + 0.5)] for level in (1, 2, 3)]
    flat = flatten_categories(prefixes[2])
    assert flat[0].tolist() == [3, 3, 3, 3, 3.5, 3.5, 3.5]
    assert apply_quantizer_dropout(flat, prefixes, (0, 0)) is flat
    seen = apply_quantizer_dropout(flat, prefixes, (2, 4))
    assert seen[:, 0].tolist() == [1, 1, 2, 2, 3]
    assert seen[:, -1].tolist() == [1.5, 1.5, 2.5, 2.5, 3.5]


def test_category_decoders_read_the_prefix_of_their_level(model: CategoricalVQVAE) -> None:
    result = model(random_rows())
    for c, block, i in each_category(model):
        done = result.buckets[model.each_bucket().index(block)]
        width = len(GROUPS[c])
        torch.testing.assert_close(done.columns[i, :, :width], random_rows()[:, list(GROUPS[c])])
        for level in range(3):
            latent = sum(step.contribution[i] for step in done.levels[: level + 1])
            own = latent @ block.category_decoders.linear[level, i] + block.category_decoders.bias[level, i]
            torch.testing.assert_close(done.category_reconstructions[level][i, :, :width], own[:, :width])


def test_straight_through_gradients_equal_the_projection_on_the_directions_of_the_levels(
    model: CategoricalVQVAE,
) -> None:
    result = model(random_rows())
    for block, done in zip(model.each_bucket(), result.buckets, strict=True):
        for prefix in done.latents:
            (through,) = torch.autograd.grad(prefix[..., 0].sum(), done.embeddings, retain_graph=True)
            for i, gradient in enumerate(through):
                lost = torch.eye(6)
                for level in block.quantizer.each_level():
                    width = int(level.latent_mask[i].sum())
                    lost = lost @ (torch.eye(6) - level.project_in[i, :, :width] @ level.project_out[i, :width])
                torch.testing.assert_close(gradient, (torch.eye(6) - lost)[:, 0].expand(50, -1))


def test_a_direction_that_no_level_reads_has_no_gradient() -> None:
    model = small_model()
    with torch.no_grad():
        for level in model.quantizer_levels():
            level.project_in[:, 5] = 0.0
            level.project_out[:, :, 5] = 0.0
    result = model(random_rows())
    embeddings = [block.embeddings for block in result.buckets]
    for gradient in torch.autograd.grad(result.reconstruction.square().sum(), embeddings):
        assert not gradient[..., 5].any()
        assert gradient[..., :5].any()


def test_a_token_depends_only_on_the_columns_of_its_category(model: CategoricalVQVAE) -> None:
    rows = random_rows(200)
    tokens = model.encode(rows)
    for c, group in enumerate(GROUPS):
        changed = rows.clone()
        changed[:, list(group)] = 5 * random_rows(200, seed=9)[:, list(group)]
        different = (model.encode(changed) != tokens).any(-1).any(0)
        assert different.tolist() == [other == c for other in range(len(GROUPS))]


def test_the_tokens_of_a_row_do_not_depend_on_the_other_rows(model: CategoricalVQVAE) -> None:
    rows = random_rows(100)
    tokens = model.encode(rows)
    others = torch.cat([rows[:50], 100 * random_rows(50, seed=8)])
    assert torch.equal(model.encode(others)[:50], tokens[:50])
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.encode(rows[order]), tokens[order])


@pytest.mark.parametrize("count", [0, 1, 3, BLOCK, BLOCK + 1])
def test_the_codec_encodes_a_row_identically_in_any_batch(model: CategoricalVQVAE, count: int) -> None:
    rows = random_rows(2 * BLOCK)
    whole, part = make_codec(model).encode(rows), make_codec(model).encode(rows[:count])
    assert torch.equal(part.indices, whole.indices[:count])
    assert torch.equal(part.error, whole.error[:count])
    assert torch.equal(make_codec(model).decode(part.indices), make_codec(model).decode(whole.indices)[:count])
    assert part.indices.shape == (count, 4, 3)


def test_errors_and_latents_of_the_codec_equal_those_of_the_network(model: CategoricalVQVAE) -> None:
    rows = random_rows(40)
    encoded = make_codec(model).encode(rows)
    torch.testing.assert_close(encoded.error, (rows - model.decode(encoded.indices)).square().mean(1))
    tokens, result = model.encode(rows), model(rows)
    torch.testing.assert_close(make_codec(model).latents(tokens), torch.cat(list(result.latents), dim=-1))
    torch.testing.assert_close(
        make_codec(model).decode(encoded.indices[..., :1]), model.decode(encoded.indices[..., :1])
    )


def test_specification_and_weights_reproduce_the_tokens(model: CategoricalVQVAE) -> None:
    other = build_network(ModelSpec.from_state(model.spec.state()), seed=99)
    assert not torch.equal(other.encode(random_rows()), model.encode(random_rows()))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.encode(random_rows()), model.encode(random_rows()))
    torch.testing.assert_close(other(random_rows()).reconstruction, model(random_rows()).reconstruction)


def test_results_follow_the_order_of_the_categories(model: CategoricalVQVAE) -> None:
    result = model(random_rows())
    assert result.embeddings.shape == result.latents.shape == (4, 50, 6)
    assert result.indices.shape == (50, 4, 3)
    assert len(result.levels) == len(model.quantizer_levels()) == 6
    for level, done in zip(model.quantizer_levels(), result.levels, strict=True):
        assert done.one_hot.shape[-1] == level.codes.shape[1]


def test_codes_have_a_gradient_only_with_learned_codes() -> None:
    averaged, learned = small_model(), small_model(learned_codes=True)
    assert not any(level.codes.requires_grad for level in averaged.quantizer_levels())
    assert all(level.codes.requires_grad for level in learned.quantizer_levels())


def test_the_assignment_selects_the_class_of_the_network() -> None:
    spec = small_spec()
    local, joint = build_network(spec), build_network(replace(spec, assignment="joint"))
    assert type(local) is CategoricalVQVAE
    assert isinstance(joint, JointVQVAE)
    assert local.decoder.hidden.shape[1] == spec.decoder_dim
    assert joint.decoder.hidden.shape[1] == 0
    assert joint.joint.hidden.shape[1] == spec.decoder_dim
    with pytest.raises(AssertionError, match="build_network"):
        CategoricalVQVAE(joint.spec)


def test_the_reconstruction_has_every_column(model: CategoricalVQVAE) -> None:
    assert model(random_rows()).reconstruction.shape == (50, COLUMNS)
