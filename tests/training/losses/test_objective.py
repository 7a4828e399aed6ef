"""Each loss against its definition, and the parameters that its gradient reaches."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from spinlock.config import LossSettings
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.model import CategoricalVQVAE, ForwardResult, ModelSpec, build_network
from spinlock.training.losses.objective import (
    codebook_loss,
    commitment_loss,
    informativeness_loss,
    objective,
    orthogonality_loss,
    reconstruction_loss,
    squared_norm,
)
from spinlock.training.losses.topographic import TOPO_BLOCK, topographic_loss
from tests.model.specs import GROUPS, each_category, random_rows, small_model


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def projection(model: CategoricalVQVAE, width: int = 16) -> torch.Tensor:
    spec = model.spec
    return torch.randn(spec.num_categories, spec.embedding_dim, width, generator=seeded(7))


def parameters_with_gradient(loss: torch.Tensor, model: CategoricalVQVAE) -> set[str]:
    """Short names of the parameters that receive a gradient from a loss."""
    model.zero_grad()
    torch.autograd.backward(loss)
    moved = [name for name, value in model.named_parameters() if value.grad is not None and value.grad.any()]
    return {".".join(name.split(".")[-2:]) if "encoder" in name else name.split(".")[-1] for name in moved}


class TestCommitment:
    """The commitment loss trains the encoders. The codebook loss trains the codes."""

    @pytest.mark.parametrize("learned", [False, True])
    def test_commitment_reaches_encoders_only(self, learned: bool) -> None:
        model = small_model(learned_codes=learned, branches=True)
        moved = parameters_with_gradient(commitment_loss(model, model(random_rows())), model)
        assert moved == {"encoder.linear", "encoder.hidden", "encoder.hidden_bias", "encoder.output"}

    def test_codebook_loss_reaches_codes_only(self) -> None:
        model = small_model(learned_codes=True, branches=True)
        assert parameters_with_gradient(codebook_loss(model, model(random_rows())), model) == {"codes"}

    def test_codebook_loss_is_zero_with_the_moving_average(self) -> None:
        model = small_model()
        loss = codebook_loss(model, model(random_rows()))
        assert loss.item() == 0.0
        assert not loss.requires_grad

    def test_commitment_and_codebook_losses_are_the_mean_relative_error_over_categories_and_levels(self) -> None:
        model = small_model(learned_codes=True)
        result = model(random_rows())
        shares = []
        for _, block, i in each_category(model):
            done = result.buckets[model.each_bucket().index(block)]
            for level, quantized in zip(block.quantizer.each_level(), done.levels, strict=True):
                latents, nearest = quantized.latents[i], level.codes[i][quantized.indices[i]]
                energy = (done.embeddings[i] ** 2).sum().item()
                shares.append(((latents - nearest) ** 2).sum().item() / energy)
        assert len(shares) == 12
        assert commitment_loss(model, result).item() == pytest.approx(np.mean(shares), rel=1e-5)
        assert codebook_loss(model, result).item() == pytest.approx(np.mean(shares), rel=1e-5)

    def test_commitment_loss_does_not_grow_with_the_number_of_categories(self) -> None:
        one = build_network(ModelSpec(("a",), ((0, 1, 2),), 4, 5, ((4, 4, 4),), ((3, 4, 5),)), seed=1)
        groups = tuple((3 * c, 3 * c + 1, 3 * c + 2) for c in range(6))
        spec = ModelSpec(tuple("abcdef"), groups, 4, 5, ((4, 4, 4),) * 6, ((3, 4, 5),) * 6)
        six = build_network(spec, seed=2)
        single = one.state_dict()
        six.load_state_dict(
            {
                name: single[name].repeat_interleave(6, int("category_decoders" in name))
                if name.startswith("buckets")
                else value
                for name, value in six.state_dict().items()
            }
        )
        rows = torch.randn(40, 3, generator=seeded())
        expected = commitment_loss(one, one(rows))
        torch.testing.assert_close(commitment_loss(six, six(rows.repeat(1, 6))), expected)

    def test_commitment_loss_does_not_depend_on_the_scale_of_the_latents(self) -> None:
        model, rows = small_model(), random_rows()
        expected = commitment_loss(model, model(rows)).item()
        with torch.no_grad():
            for level in model.quantizer_levels():
                level.codes.mul_(100.0)
        assert commitment_loss(model, model(100 * rows)).item() == pytest.approx(expected, rel=1e-4)

    def test_commitment_loss_of_zero_latents_is_finite(self) -> None:
        model = small_model()
        with torch.no_grad():
            for level in model.quantizer_levels():
                level.codes.zero_()
        assert commitment_loss(model, model(torch.zeros(8, 51))).item() == 0.0


class TestReconstruction:
    """Errors of the shared decoder and of the category decoders."""

    def test_reconstruction_is_the_mean_squared_error(self) -> None:
        model, rows = small_model(branches=True), random_rows()
        result = model(rows)
        expected = ((rows - result.reconstruction).detach().numpy() ** 2).mean()
        assert reconstruction_loss(rows, result).item() == pytest.approx(expected)

    def test_reconstruction_loss_reaches_the_encoders_through_the_quantizer(self) -> None:
        model, rows = small_model(branches=True), random_rows()
        moved = parameters_with_gradient(reconstruction_loss(rows, model(rows)), model)
        assert {"encoder.linear", "linear", "output"} <= moved
        assert "codes" not in moved

    def test_informativeness_weights_categories_equally_and_ignores_padding(self) -> None:
        model, rows = small_model(branches=True), random_rows()
        result = model(rows)
        errors = []
        for c, block, i in each_category(model):
            done, width = result.buckets[model.each_bucket().index(block)], len(GROUPS[c])
            for partial in done.category_reconstructions:
                errors.append((partial[i, :, :width] - rows[:, list(GROUPS[c])]).square().mean().item())
        assert informativeness_loss(model, result).item() == pytest.approx(np.mean(errors), rel=1e-5)


class TestOrthogonality:
    """Redundancy between the embeddings of different categories, with a gradient."""

    def test_orthogonality_loss_is_the_redundancy_of_the_projected_embeddings(self) -> None:
        model = small_model()
        result, draw = model(random_rows()), projection(small_model())
        expected = latent_redundancy(torch.stack([e @ p for e, p in zip(result.embeddings, draw, strict=True)]))
        torch.testing.assert_close(orthogonality_loss(result, draw), expected)

    def test_orthogonality_loss_reaches_the_encoders_only(self) -> None:
        model = small_model(branches=True)
        loss = orthogonality_loss(model(random_rows()), projection(model))
        assert loss.item() > 0
        moved = parameters_with_gradient(loss, model)
        assert moved == {"encoder.linear", "encoder.hidden", "encoder.hidden_bias", "encoder.output"}

    def test_gradient_descent_lowers_the_orthogonality_loss(self) -> None:
        model, rows = small_model(), random_rows(200)
        rows = rows + 2 * rows[:, :1]  # all columns are correlated
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        losses = []
        for _ in range(20):
            loss = orthogonality_loss(model(rows), projection(model))
            losses.append(loss.item())
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        assert losses[-1] < 0.7 * losses[0]

    def test_orthogonality_loss_acts_between_categories_only(self) -> None:
        # Equal components within a category have no cost if the categories are independent.
        independent = torch.randn(2, 4000, 1, generator=seeded()).expand(2, 4000, 6)
        shared = independent[:1].expand(2, 4000, 6)
        model = small_model()
        draws = projection(model)[:2]
        losses = []
        for embeddings in (independent, shared):
            block = model(random_rows(2)).buckets[0]
            result = ForwardResult(
                torch.zeros(()), torch.zeros(()), [type(block)(**(block.__dict__ | {"embeddings": embeddings}))], 6
            )
            losses.append(orthogonality_loss(result, draws).item())
        assert losses[0] < 0.01
        assert losses[1] == pytest.approx(1.0, abs=1e-4)


def test_squared_norm_and_its_gradient_are_exact() -> None:
    x = torch.randn(2, 3, 4, 5, generator=seeded(), dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(squared_norm(x), x.square().sum((-2, -1)))
    assert torch.autograd.gradcheck(squared_norm, x)
    assert torch.autograd.gradcheck(squared_norm, torch.zeros(3, 2, dtype=torch.float64, requires_grad=True))


class TestTopographic:
    """1 - Pearson r of the distances of all pairs of rows."""

    def latents(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.randn(len(rows), 12, generator=seeded(2)) + rows[:, :12]

    @pytest.mark.parametrize("count", [3, 60, TOPO_BLOCK])
    def test_topographic_loss_of_one_block_is_one_minus_the_correlation(self, count: int) -> None:
        rows = random_rows(count)
        latents = self.latents(rows)
        expected = 1 - np.corrcoef(pdist(rows.double().numpy()), pdist(latents.double().numpy()))[0, 1]
        assert topographic_loss(rows, latents).item() == pytest.approx(expected, abs=1e-4)

    def test_topographic_loss_of_several_blocks_compares_pairs_within_each_block(self) -> None:
        rows = random_rows(2 * TOPO_BLOCK + 30)
        latents = self.latents(rows)
        block = len(rows) // 3
        halves = [slice(i * block, (i + 1) * block) for i in range(3)]
        near = np.concatenate([pdist(rows[half].double().numpy()) for half in halves])
        far = np.concatenate([pdist(latents[half].double().numpy()) for half in halves])
        assert topographic_loss(rows, latents).item() == pytest.approx(1 - np.corrcoef(near, far)[0, 1], abs=1e-4)

    def test_topographic_loss_of_a_scaled_copy_is_zero(self) -> None:
        rows = random_rows(50)
        assert topographic_loss(rows, 3 * rows).item() == pytest.approx(0.0, abs=1e-5)

    def test_two_equal_latents_have_a_finite_gradient(self) -> None:
        latents = torch.randn(20, 6, generator=seeded())
        latents[1] = latents[0]
        latents.requires_grad_()
        torch.autograd.backward(topographic_loss(random_rows(20), latents))
        assert latents.grad is not None
        assert latents.grad.isfinite().all()
        assert latents.grad.any()

    def test_all_equal_latents_have_a_finite_gradient(self) -> None:
        latents = torch.ones(20, 6, requires_grad=True)
        loss = topographic_loss(random_rows(20), latents)
        torch.autograd.backward(loss)
        assert loss.item() == pytest.approx(1.0, abs=1e-3)
        assert latents.grad is not None
        assert latents.grad.isfinite().all()

    def test_the_gradient_equals_that_of_the_definition(self) -> None:
        rows, latents = random_rows(12), self.latents(random_rows(12))
        (gradient,) = torch.autograd.grad(topographic_loss(rows, latents.requires_grad_()), latents)
        exact = latents.detach().double().requires_grad_()
        near, far = torch.pdist(rows.double()), torch.pdist(exact)
        correlation = torch.corrcoef(torch.stack([near, far]))[0, 1]
        (expected,) = torch.autograd.grad(1 - correlation, exact)
        torch.testing.assert_close(gradient.double(), expected, rtol=1e-3, atol=1e-5)

    def test_the_gradient_over_several_blocks_equals_finite_differences(self) -> None:
        rows = random_rows(2 * TOPO_BLOCK + 9).double()
        latents = self.latents(rows.float()).double()[:, :2].requires_grad_()
        (gradient,) = torch.autograd.grad(topographic_loss(rows, latents), latents)
        step = torch.zeros_like(latents)
        for row, column in ((0, 0), (TOPO_BLOCK - 1, 1), (2 * TOPO_BLOCK, 0)):
            step[row, column] = 1e-5
            higher, lower = topographic_loss(rows, latents + step), topographic_loss(rows, latents - step)
            assert gradient[row, column].item() == pytest.approx((higher - lower).item() / 2e-5, rel=1e-4, abs=1e-9)
            step.zero_()

    def test_topographic_loss_of_two_rows_is_zero(self) -> None:
        latents = torch.randn(2, 6, generator=seeded(), requires_grad=True)
        loss = topographic_loss(random_rows(2), latents)
        torch.autograd.backward(loss)
        assert loss.item() == 0.0
        assert latents.grad is not None
        assert not latents.grad.any()


class TestTotal:
    """The total is the weighted sum of all losses."""

    weights = LossSettings(
        reconstruction_weight=0.7,
        commitment_cost=0.2,
        orthogonality_weight=0.3,
        informativeness_weight=0.4,
        topo_weight=0.6,
    )

    def terms(self, settings: LossSettings, learned: bool = True) -> dict[str, float]:
        model, rows = small_model(learned_codes=learned, branches=True), random_rows()
        losses = objective(model, rows, model(rows), projection(model), settings)
        return {name: value.item() for name, value in losses.named().items()}

    def test_total_is_the_weighted_sum(self) -> None:
        terms = self.terms(self.weights)
        expected = (
            0.7 * terms["reconstruction"]
            + 0.2 * terms["commitment"]
            + 0.3 * terms["orthogonality"]
            + 0.4 * terms["informativeness"]
            + 0.6 * terms["topographic"]
            + terms["codebook"]
        )
        assert terms["total"] == pytest.approx(expected, rel=1e-5)
        assert terms["codebook"] > 0

    def test_weights_do_not_change_the_terms_themselves(self) -> None:
        first, second = self.terms(self.weights), self.terms(LossSettings())
        first.pop("total"), second.pop("total")
        assert first == second

    def test_total_is_zero_if_all_weights_are_zero(self) -> None:
        none = LossSettings(**dict.fromkeys(LossSettings.model_fields, 0.0) | {"topo_samples": 1024})
        assert self.terms(none, learned=False)["total"] == 0.0

    def test_topo_samples_limits_the_rows_compared(self) -> None:
        model, rows = small_model(), random_rows()
        result = model(rows)
        terms = objective(model, rows, result, projection(model), LossSettings(topo_samples=10))
        torch.testing.assert_close(terms.topographic, topographic_loss(rows[:10], result.flat_latents[:10]))

    def test_every_parameter_except_the_codes_has_a_gradient(self) -> None:
        model, rows = small_model(branches=True), random_rows()
        torch.autograd.backward(objective(model, rows, model(rows), projection(model), LossSettings()).total)
        without = {name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()}
        assert without == {name for name, _ in model.named_parameters() if name.endswith("codes")}
