"""The training loop: epochs, the best model, early stopping, resets, and the ends of a run."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from spinlock.checkpoint.history import History
from spinlock.errors import RunError
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.model.codec import make_codec
from spinlock.model.network.quantizer import NEVER_RESET, CodeStatistics, LevelResult, QuantizerLevel
from spinlock.preprocessing.split import subsample
from spinlock.training import steps
from spinlock.training.best_epoch import checkpoint_score
from spinlock.training.losses.objective import LossTerms, commitment_loss, informativeness_loss
from spinlock.training.optimization.schedule import code_decay, learning_rate, resets_due
from spinlock.training.run import Run
from spinlock.training.trainer import Trainer
from spinlock.training.validation import ValidationResult, Validator
from tests.training.runs import Recorder, config, new_run, stop_at, train_in_memory, write_table_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_table_in(tmp_path)
    return tmp_path


def script_validations(
    monkeypatch: pytest.MonkeyPatch, losses: list[float], qualities: list[float] | None = None
) -> None:
    """Let successive validations of a run report these losses and qualities; later ones are bad.

    By default the quality is 0.5 in epoch 0 and 0.6 later.
    """
    results = iter(zip(losses, qualities or [0.5] + [0.6] * (len(losses) - 1), strict=True))
    real = Validator.__call__

    def scripted_call(self: Validator, model: Any) -> ValidationResult:
        loss, quality = next(results, (math.inf, 0.0))
        return replace(real(self, model), loss=loss, quality=quality)

    monkeypatch.setattr(Validator, "__call__", scripted_call)


class TestEpochs:
    def test_each_epoch_reports_its_steps_and_records_its_losses(self, folder: Path) -> None:
        run, recorder = new_run(config(folder, epochs=3, val_every_n_epochs=2)), Recorder()
        train_in_memory(run, recorder)
        assert not run.stopped
        steps_seen = [(report.epoch, report.step, report.steps) for report in recorder.steps]
        assert steps_seen == [(epoch, step, 4) for epoch in (1, 2, 3) for step in (1, 2, 3, 4)]
        progress, columns = run.state.progress, run.state.history.columns
        assert (progress.epoch, progress.step, progress.step_in_epoch) == (3, 12, 0)
        assert columns["epoch"] == [0, 1, 2, 3]
        assert [value is not None for value in columns["step_total"]] == [False, True, True, True]
        assert [value is not None for value in columns["train_total"]] == [False, False, True, True]
        assert [value is not None for value in columns["val_loss"]] == [True, False, True, True]
        assert columns["learning_rate"][1:] == [learning_rate(step, 12, 0.0007) for step in (3, 7, 11)]
        assert [report.epoch for report in recorder.epochs] == [0, 1, 2, 3]
        assert [report.validation is None for report in recorder.epochs] == [False, True, False, False]

    def test_the_recorded_total_loss_is_the_weighted_sum(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=1))
        train_in_memory(run)
        loss = {name.removeprefix("train_"): values[1] for name, values in run.state.history.columns.items()}
        weighted = 0.5 * loss["commitment"] + 0.1 * loss["orthogonality"] + 0.1 * loss["informativeness"]
        weighted += loss["reconstruction"] + 0.45 * loss["topographic"]
        assert loss["total"] == pytest.approx(weighted, rel=1e-5)
        assert loss["codebook"] == 0

    def test_the_training_losses_are_those_of_training_rows(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=2, random_seed=5))
        train_in_memory(run)
        data, model, columns = run.plan.data, run.state.averaged, run.state.history.columns
        rows = data.train[torch.from_numpy(subsample(np.arange(216), len(data.validation), 5))]
        with torch.no_grad():
            result = model(rows)
        latents = result.flat_latents.double().numpy()
        redundancy = latent_redundancy(result.latents)
        far = np.corrcoef(pdist(data.cleaner.to_z_scores(rows.numpy())), pdist(latents))[0, 1]
        expected = {
            "reconstruction": float((rows - result.reconstruction).square().mean()),
            "commitment": float(commitment_loss(model, result)),
            "informativeness": float(informativeness_loss(model, result)),
            "orthogonality": float(redundancy),
            "topographic": 1 - far,
            "codebook": 0.0,
        }
        assert {name: columns[f"train_{name}"][2] for name in expected} == pytest.approx(expected, rel=1e-4)
        assert columns["step_total"][2] != pytest.approx(columns["train_total"][2], rel=1e-4)

    def test_the_training_losses_of_joint_tokens_are_those_of_training_rows(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=2, assignment="joint"))
        train_in_memory(run)
        data, columns = run.plan.data, run.state.history.columns
        rows = data.train[torch.from_numpy(subsample(np.arange(216), len(data.validation), 42))]
        codec = make_codec(run.state.model)
        error = float((rows - codec.decode(codec.encode(rows).indices)).square().mean())
        assert columns["train_reconstruction"][2] == pytest.approx(error, rel=0.02)
        assert columns["train_total"][2] == columns["train_reconstruction"][2]
        assert columns["train_topographic"][2] == 0

    def test_zero_epochs_keep_the_closed_form_initialization(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=0))
        before = {name: tensor.clone() for name, tensor in run.state.model.state_dict().items()}
        recorder = Recorder()
        train_in_memory(run, recorder)
        assert run.end_reason is None
        assert recorder.saves == [(0, 0, True)]
        assert len(run.state.history) == 1
        for name, tensor in run.state.best_weights.items():
            assert torch.equal(tensor, before[name])

    @pytest.mark.parametrize(("every", "epochs"), [(None, [0, 2, 4, 5]), (3, [0, 3, 5]), (1, [0, 1, 2, 3, 4, 5])])
    def test_the_state_is_saved_at_validations_or_every_save_every_epochs(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, every: int | None, epochs: list[int]
    ) -> None:
        script_validations(monkeypatch, [1.0, 2.0, 3.0, 4.0])
        recorder = Recorder()
        train_in_memory(new_run(config(folder, epochs=5, save_every=every)), recorder)
        assert [epoch for epoch, _, _ in recorder.saves] == epochs
        assert [best for _, _, best in recorder.saves] == [True] + [False] * (len(epochs) - 1)


class TestBestModel:
    def test_the_epoch_with_the_lowest_score_is_the_best_and_its_weights_are_kept(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script_validations(monkeypatch, [5.0, 3.0, 4.0])
        run, recorder = new_run(config(folder, epochs=4)), Recorder()
        train_in_memory(run, recorder)
        progress = run.state.progress
        assert (progress.best_epoch, progress.best_loss) == (2, 3.0)
        assert run.state.best_validation is not None
        assert run.state.best_validation.loss == 3.0
        assert [report.is_best for report in recorder.epochs] == [True, False, True, False, False]
        assert recorder.saves == [(0, 0, True), (2, 0, True), (4, 0, False)]
        current = run.state.model.state_dict()
        assert any(not torch.equal(tensor, current[name]) for name, tensor in run.state.best_weights.items())

    def test_epoch_0_is_the_best_if_training_makes_the_model_worse(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=2, learning_rate=0.05, val_every_n_epochs=1))
        before = {name: tensor.clone() for name, tensor in run.state.model.state_dict().items()}
        train_in_memory(run)
        assert run.state.progress.best_epoch == 0
        for name, tensor in run.best_model().state_dict().items():
            assert torch.equal(tensor, before[name])

    @pytest.mark.parametrize("quality", [0.7, 0.803])
    def test_an_epoch_whose_quality_is_not_above_that_of_epoch_0_by_the_margin_is_never_the_best(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, quality: float
    ) -> None:
        """With 24 validation rows the margin is 0.02 / sqrt(24) = 0.0041."""
        script_validations(monkeypatch, [5.0, 1.0, 4.0], [0.8, quality, 0.805])
        run = new_run(config(folder, epochs=4))
        train_in_memory(run)
        assert run.state.progress.best_epoch == 4

    def test_after_random_initialization_an_epoch_with_a_lower_quality_can_be_the_best(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script_validations(monkeypatch, [5.0, 1.0, 4.0], [0.8, 0.7, 0.81])
        run = new_run(config(folder, epochs=4, warm_start=False))
        train_in_memory(run)
        assert run.state.progress.best_epoch == 2

    def test_the_checkpoint_score_is_the_weighted_sum_or_only_the_loss(self, folder: Path) -> None:
        result = ValidationResult(2.0, 0, 0, 0, 0, 0.2, 0, quality=0.9, utilization=1, topographic_correlation=0.8)
        assert checkpoint_score(result, config(folder)) == pytest.approx(2.0 + 0.5 * 0.2 + 0.5 * 0.1)
        weights = {"checkpoint_loss_weight": 3.0, "checkpoint_topo_weight": 7.0, "checkpoint_quality_weight": 11.0}
        assert checkpoint_score(result, config(folder, **weights)) == pytest.approx(6 + 1.4 + 1.1)
        assert checkpoint_score(result, config(folder, checkpoint_use_composite=False, **weights)) == 2.0


class TestEarlyStopping:
    def train_with_losses(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, losses: list[float], **settings: Any
    ) -> Run:
        script_validations(monkeypatch, losses)
        run = new_run(config(folder, **({"epochs": 30, "val_every_n_epochs": 1} | settings)))
        return train_in_memory(run)

    def test_patience_counts_epochs_without_a_better_score(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run = self.train_with_losses(folder, monkeypatch, [5, 4, 6, 6, 6, 6, 6], early_stopping_patience=3)
        assert run.state.progress.epoch == 4
        assert run.end_reason == "no better score for 3 epochs (early_stopping_patience)"
        assert run.state.progress.best_epoch == 1

    def test_early_stopping_occurs_only_at_a_validation(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = {"early_stopping_patience": 2, "val_every_n_epochs": 5}
        run = self.train_with_losses(folder, monkeypatch, [5, 4, 6, 6], **settings)
        assert run.state.progress.epoch == 10
        assert run.state.progress.best_epoch == 5

    def test_an_improvement_below_min_delta_is_the_best_but_does_not_restart_the_patience(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = {"early_stopping_patience": 3, "early_stopping_min_delta": 0.5}
        run = self.train_with_losses(folder, monkeypatch, [5, 4.8, 4.9, 4.7, 1, 1], **settings)
        assert run.state.progress.epoch == 3
        assert run.state.progress.best_epoch == 3

    def test_small_improvements_add_up_to_min_delta(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = {"early_stopping_patience": 3, "early_stopping_min_delta": 0.5}
        run = self.train_with_losses(folder, monkeypatch, [5, 4.7, 4.4, 4.4, 4.4, 4.4, 4.4], **settings)
        assert run.state.progress.epoch == 5

    def test_early_stopping_uses_the_checkpoint_score(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script_validations(monkeypatch, [1.0, 1.05, 1.1, 1.15, 1.2, 1.25], [0.1, 0.4, 0.7, 0.9, 0.95, 0.96])
        run = new_run(config(folder, epochs=5, val_every_n_epochs=1, early_stopping_patience=1))
        train_in_memory(run)
        assert run.end_reason == "no better score for 1 epochs (early_stopping_patience)"
        assert run.state.progress.epoch == 4


class TestEnds:
    def test_a_loss_that_is_not_finite_is_an_error(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run = new_run(config(folder, epochs=4))
        self.scale_loss(monkeypatch, after=6, value=math.nan)
        recorder = Recorder()
        with pytest.raises(RunError, match="no longer finite in epoch 2; lower learning_rate") as error:
            train_in_memory(run, recorder)
        assert "a checkpoint that was saved before is finite" in str(error.value)
        assert recorder.saves == [(0, 0, True)]

    @staticmethod
    def scale_loss(monkeypatch: pytest.MonkeyPatch, after: int, value: float) -> None:
        real, calls = steps.objective, []

        def scaled(*args: Any, **options: Any) -> Any:
            calls.append(1)
            terms = real(*args, **options)
            return replace(terms, total=terms.total * value) if len(calls) > after else terms

        monkeypatch.setattr(steps, "objective", scaled)

    def test_a_stop_does_not_save_a_state_that_is_not_finite(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run, recorder = new_run(config(folder, epochs=4)), stop_at(6)
        self.scale_loss(monkeypatch, after=4, value=math.inf)
        with pytest.raises(RunError, match="no longer finite in epoch 2"):
            train_in_memory(run, recorder)
        assert recorder.saves == [(0, 0, True)]

    def test_an_out_of_memory_error_suggests_a_batch_size_that_fits(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = steps.objective

        def small(model: Any, rows: torch.Tensor, *others: Any, **options: Any) -> LossTerms:
            if len(rows) > 20:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
            return real(model, rows, *others, **options)

        monkeypatch.setattr(steps, "objective", small)
        with pytest.raises(RunError) as error:
            train_in_memory(new_run(config(folder)))
        expected = "a batch of 54 rows does not fit into the memory of the device; start again with batch_size=13"
        assert str(error.value) == expected

    def test_an_out_of_memory_error_of_one_row_or_of_validation_has_its_own_message(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: Any, **kwargs: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

        monkeypatch.setattr(steps, "objective", full)
        with pytest.raises(RunError, match=r"a batch of 54 rows does not fit .*; use another device"):
            train_in_memory(new_run(config(folder)))
        for rows, remedy in ((16, "resume the run, or start again, with val_batch_size=4"), (1, "use another device")):
            run = new_run(config(folder, val_batch_size=rows))
            with monkeypatch.context() as patch:
                patch.setattr(Validator, "__call__", full)
                with pytest.raises(RunError, match=rf"validation of {rows} rows .*; {remedy}"):
                    train_in_memory(run)

    def test_an_out_of_memory_error_before_the_first_step_has_its_own_message(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: Any, **kwargs: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

        run = new_run(config(folder))
        monkeypatch.setattr(Trainer, "_make_batches", full)
        with pytest.raises(RunError, match="the model and the training rows do not fit into the memory of the device"):
            train_in_memory(run)

    def test_a_stop_within_an_epoch_finishes_the_step_and_saves(self, folder: Path) -> None:
        run, recorder = new_run(config(folder, epochs=4)), stop_at(6)
        train_in_memory(run, recorder)
        assert run.stopped
        assert run.end_reason == "asked"
        assert len(recorder.steps) == 6
        assert recorder.saves[-1] == (1, 2, False)
        assert len(run.state.history) == 2

    def test_a_stop_at_the_end_of_an_epoch_finishes_the_epoch(self, folder: Path) -> None:
        run, recorder = new_run(config(folder, epochs=4)), stop_at(8)
        train_in_memory(run, recorder)
        assert run.end_reason == "asked"
        assert recorder.saves[-1] == (2, 0, False)
        assert len(run.state.history) == 3

    def test_a_stop_in_the_last_step_has_no_effect(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=2))
        train_in_memory(run, stop_at(8))
        assert run.end_reason is None
        assert run.state.progress.epoch == 2


class TestResets:
    def test_resets_are_due_at_multiples_of_the_interval_in_the_first_four_fifths(self) -> None:
        assert [step for step in range(1, 101) if resets_due(step, 100, 25)] == [25, 50, 75]
        assert [step for step in range(1, 101) if resets_due(step, 100, 40)] == [40, 80]
        assert not any(resets_due(step, 100, 0) for step in range(1, 101))
        assert not any(resets_due(step, 100, 10) for step in range(81, 500))

    def test_resets_follow_the_moving_average_of_the_same_step(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[tuple[int, str]] = []
        run = new_run(config(folder, epochs=5, dead_code_reset_interval=7))
        real_update, real_reset = QuantizerLevel.update, steps.reset_dead_codes

        def update(level: QuantizerLevel, assigned: CodeStatistics, decay: float) -> None:
            calls.append((run.state.progress.step + 1, "update"))
            real_update(level, assigned, decay)

        def reset(level: QuantizerLevel, result: LevelResult, **options: Any) -> torch.Tensor:
            calls.append((run.state.progress.step + 1, "reset"))
            assert options["max_fraction"] == 0.5
            assert options["percentile"] == 10.0
            assert options["cool_down"] == round(1 / (1 - code_decay(run.state.progress.step, 20, 0.995)))
            return real_reset(level, result, **options)

        monkeypatch.setattr(QuantizerLevel, "update", update)
        monkeypatch.setattr(steps, "reset_dead_codes", reset)
        train_in_memory(run)
        levels = len(run.state.model.quantizer_levels())
        assert [call for call in calls if call[1] == "reset"] == [(7, "reset")] * levels + [(14, "reset")] * levels
        assert [kind for step, kind in calls if step == 7] == ["update", "reset"] * levels

    def test_replaced_codes_are_counted_and_consistent_with_the_moving_sums(self, folder: Path) -> None:
        factors = [{"latent_dim": 4, "num_codes": 24}] * 3
        settings = {"factors": factors, "ema_decay": 0.5, "dead_code_threshold": 50.0, "dead_code_reset_interval": 4}
        run = new_run(config(folder, epochs=5, **settings))
        train_in_memory(run)
        resets = run.state.history.columns["resets"]
        assert run.state.progress.resets_total == sum(resets) > 0
        assert resets[0] == resets[5] == 0
        for level in run.state.model.quantizer_levels():
            sums = level.smoothed_counts()[..., None] * level.codes
            torch.testing.assert_close(level.sums, sums, rtol=1e-4, atol=1e-4)


class TestStep:
    def test_codes_are_updated_after_the_rows_are_quantized(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = new_run(config(folder, epochs=1, batch_size=1024, ema_decay=0.9))
        level = run.state.model.quantizer_levels()[0]
        before = {name: getattr(level, name).clone() for name in ("codes", "counts", "sums")}
        seen: list[LevelResult] = []
        real = QuantizerLevel.forward

        def forward(self: QuantizerLevel, residual: torch.Tensor) -> LevelResult:
            result = real(self, residual)
            if self is level and torch.is_grad_enabled():
                assert torch.equal(self.codes, before["codes"])
                seen.append(result)
            return result

        monkeypatch.setattr(QuantizerLevel, "forward", forward)
        train_in_memory(run)
        (result,) = seen
        distances = torch.cdist(result.latents, before["codes"]).masked_fill(~level.mask[:, None], torch.inf)
        assert torch.equal(distances.argmin(-1), result.indices)
        counts = 0.9 * before["counts"] + 0.1 * result.one_hot.sum(1)
        torch.testing.assert_close(level.counts, counts)
        sums = 0.9 * before["sums"] + 0.1 * torch.bmm(result.one_hot.transpose(1, 2), result.latents)
        torch.testing.assert_close(level.sums, sums)
        torch.testing.assert_close(
            level.codes[level.mask], (sums / counts[..., None])[level.mask], rtol=1e-3, atol=1e-4
        )
        assert (level.age == NEVER_RESET + 1).all()

    def test_codes_without_a_moving_average_are_trained_by_gradient(self, folder: Path) -> None:
        run = new_run(config(folder, epochs=2, use_ema=False))
        before = [level.codes.clone() for level in run.state.model.quantizer_levels()]
        train_in_memory(run)
        columns = run.state.history.columns
        assert columns["train_codebook"][2] == pytest.approx(columns["train_commitment"][2])
        for level, codes in zip(run.state.model.quantizer_levels(), before, strict=True):
            assert level.codes.requires_grad
            assert not torch.equal(level.codes, codes)
            assert (level.codes - codes).abs().max() < 8 * 20 * 0.0007 * 1.1
            torch.testing.assert_close(level.sums, level.smoothed_counts()[..., None] * level.codes)

    def test_steps_do_not_depend_on_the_global_random_state(self, folder: Path) -> None:
        weights = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            run = new_run(config(folder, epochs=1))
            train_in_memory(run)
            weights.append(run.state.model.state_dict())
        for name, tensor in weights[0].items():
            assert torch.equal(tensor, weights[1][name])

    def test_each_step_sets_its_learning_rate(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run = new_run(config(folder, epochs=2, learning_rate=0.01))
        rates: list[list[float]] = []

        def record_rates(run: Run, step: int) -> None:
            rates.append([group["lr"] / group["lr_scale"] for group in run.state.optimizer.param_groups])

        train_in_memory(run, Recorder(record_rates))
        assert rates == [[pytest.approx(learning_rate(step, 8, 0.01))] for step in range(8)]


def test_training_appends_to_an_existing_history(folder: Path) -> None:
    run = new_run(config(folder, epochs=1))
    run.state.history = History({"epoch": [0]})
    train_in_memory(run)
    assert run.state.history.columns["epoch"] == [0, 1]
