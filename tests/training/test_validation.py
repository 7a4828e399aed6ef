"""Validation against an independent computation. It does not change the model or depend on the block size."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.special import erf

from spinlock.model import CategoricalVQVAE
from spinlock.model.codec import make_codec
from spinlock.training.validation import ValidationResult, Validator
from tests.training.runs import config, curved_table, trained_run, write_table_in


def validator_and_model(folder: Path, **settings: Any) -> tuple[Validator, CategoricalVQVAE]:
    write_table_in(folder, curved_table(300))
    chosen = {"normalization_method": "standard"} | settings
    run = trained_run(config(folder, validation_fraction=0.3, epochs=2, **chosen))
    data, settings = run.plan.data, run.plan.config
    return Validator(data.validation, data.cleaner, settings, block=settings.val_batch_size), run.state.model


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Validator, CategoricalVQVAE]:
    return validator_and_model(tmp_path_factory.mktemp("validation"))


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def reference_validation(model: CategoricalVQVAE, rows: np.ndarray) -> dict[str, Any]:
    """Validation with loops over categories and levels, from the state dict, in float64.

    Losses use the forward pass of the network, level by level. Quality, utilization and distances use the encoded
    tokens.
    """
    tokens = make_codec(model).encode(torch.from_numpy(rows.astype(np.float32))).indices.numpy()
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    spec = model.spec
    commitment, informativeness, used, latents, greedy = [], [], [], [], []
    for b, block in enumerate(model.each_bucket()):
        for i, c in enumerate(range(spec.num_categories)[block.members]):
            w = {key.removeprefix(f"buckets.{b}."): value for key, value in weights.items()}
            x = rows[:, list(spec.groups[c])]
            m = x.shape[1]
            hidden = gelu(x @ w["encoder.hidden"][i][:m] + w["encoder.hidden_bias"][i])
            e = x @ w["encoder.linear"][i][:m] + hidden @ w["encoder.output"][i]
            residual, z, exported = e.copy(), np.zeros_like(e), np.zeros_like(e)
            for level in range(3):
                d, k = spec.latent_dims[c][level], spec.num_codes[c][level]
                q = {key.removeprefix(f"quantizer.levels.{level}."): value for key, value in w.items()}
                y, codes = residual @ q["project_in"][i][:, :d], q["codes"][i][:k, :d]
                index = ((y[:, None] - codes) ** 2).sum(-1).argmin(1)
                commitment.append(((y - codes[index]) ** 2).sum() / (e**2).sum())
                used.append(len(set(tokens[:, c, level].tolist())) / k)
                exported += codes[tokens[:, c, level]] @ q["project_out"][i][:d]
                step = codes[index] @ q["project_out"][i][:d]
                residual, z = residual - step, z + step
                linear, bias = w["category_decoders.linear"][level, i], w["category_decoders.bias"][level, i]
                informativeness.append(((z @ linear + bias)[:, :m] - x).__pow__(2).mean())
            greedy.append(z)
            latents.append(exported)
    flat = np.concatenate(latents, axis=1)
    passed, restored = (reference_decoder(weights, np.concatenate(parts, axis=1)) for parts in (greedy, latents))
    shares = []
    for c in range(len(latents)):
        for other in range(c):
            first, second = latents[c] - latents[c].mean(0), latents[other] - latents[other].mean(0)
            cross = first.T @ second / len(rows)
            shares.append((cross**2).sum() / (first.var(0).sum() * second.var(0).sum()))
    return {
        "reconstruction": ((rows - passed) ** 2).mean(),
        "commitment": np.mean(commitment),
        "informativeness": np.mean(informativeness),
        "orthogonality": np.mean(shares),
        "topographic_correlation": np.corrcoef(pdist(rows), pdist(flat))[0, 1],
        "quality": 1 - ((rows - restored) ** 2).sum() / (rows**2).sum(),
        "utilization": np.mean(used),
    }


def reference_decoder(weights: dict[str, np.ndarray], latents: np.ndarray) -> np.ndarray:
    hidden = gelu(latents @ weights["decoder.hidden"] + weights["decoder.hidden_bias"])
    return latents @ weights["decoder.linear"] + weights["decoder.bias"] + hidden @ weights["decoder.output"]


def test_every_value_equals_the_reference_implementation(validation: tuple[Validator, CategoricalVQVAE]) -> None:
    validator, model = validation
    result = asdict(validator(model))
    expected = reference_validation(model, validator.rows.double().numpy())
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, rel=1e-4), name
    assert result["topographic"] == pytest.approx(1 - expected["topographic_correlation"], rel=1e-4)
    total = (
        1.0 * expected["reconstruction"]
        + 0.5 * expected["commitment"]
        + 0.1 * expected["orthogonality"]
        + 0.1 * expected["informativeness"]
        + 0.45 * (1 - expected["topographic_correlation"])
    )
    assert result["loss"] == pytest.approx(total, rel=1e-4)
    assert result["codebook"] == 0.0


def test_validation_does_not_change_the_model(validation: tuple[Validator, CategoricalVQVAE]) -> None:
    validator, model = validation
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, second = validator(model), validator(model)
    assert first == second
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("block", [1, 7, 89, 5000])
def test_the_block_size_does_not_change_the_values(validation: tuple[Validator, CategoricalVQVAE], block: int) -> None:
    validator, model = validation
    other = Validator(validator.rows, validator.cleaner, validator.settings, block=block)
    for name, value in asdict(other(model)).items():
        assert value == pytest.approx(getattr(validator(model), name), rel=1e-5), name


def test_the_model_receives_one_block_at_a_time(
    validation: tuple[Validator, CategoricalVQVAE], monkeypatch: pytest.MonkeyPatch
) -> None:
    validator, model = validation
    seen = []
    handle = model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    Validator(validator.rows, validator.cleaner, validator.settings, block=40)(model)
    handle.remove()
    assert seen == [40, 40, 10]


def test_learned_codebooks_have_a_codebook_loss(tmp_path: Path) -> None:
    validator, model = validator_and_model(tmp_path, use_ema=False)
    result = validator(model)
    assert result.codebook == pytest.approx(result.commitment)
    weighted = (
        result.reconstruction + 0.5 * result.commitment + 0.1 * result.orthogonality + 0.1 * result.informativeness
    )
    assert result.loss == pytest.approx(weighted + 0.45 * result.topographic + result.codebook)


def test_quality_is_in_z_scored_units_for_any_normalization(tmp_path: Path) -> None:
    validator, model = validator_and_model(tmp_path, normalization_method="robust")
    with torch.no_grad():
        decoded = make_codec(model).decode(make_codec(model).encode(validator.rows).indices)
        restored = validator.cleaner.to_z_scores(decoded.numpy()).astype(np.float64)
    standard = validator.cleaner.to_z_scores(validator.rows.numpy()).astype(np.float64)
    assert abs(standard.std(0).mean() - 1) < 0.1
    expected = 1 - ((standard - restored) ** 2).sum() / (standard**2).sum()
    assert validator(model).quality == pytest.approx(expected, rel=1e-5)


def test_quality_of_joint_tokens_uses_the_joint_decoder(tmp_path: Path) -> None:
    validator, model = validator_and_model(tmp_path, assignment="joint")
    result = validator(model)
    with torch.no_grad():
        local = model(validator.rows).reconstruction
    rows = validator.rows
    assert result.quality > 1 - ((rows - local) ** 2).sum().item() / (rows**2).sum().item()


def test_history_values_have_the_names_of_the_history() -> None:
    names = ValidationResult(*range(10)).history_values()
    assert names["val_loss"] == 0
    assert names["val_topographic_correlation"] == 9
    assert len(names) == 10


def test_the_topographic_correlation_uses_fixed_rows(validation: tuple[Validator, CategoricalVQVAE]) -> None:
    validator, _ = validation
    assert validator.fixed.tolist() == list(range(90))
    many = Validator(validator.rows.repeat(30, 1), validator.cleaner, validator.settings, block=1024)
    again = Validator(validator.rows.repeat(30, 1), validator.cleaner, validator.settings, block=1024)
    assert len(many.fixed) == 2000
    assert np.array_equal(many.fixed, again.fixed)
