"""Each loss weight changes its metric, and each configuration key changes the results of a run."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import spinlock as sl
from spinlock.config import CodebookSettings, LossSettings, VQVAEConfig
from spinlock.config.section import identity_keys
from spinlock.errors import SpinlockError
from spinlock.model.codec import make_codec
from spinlock.training import steps
from spinlock.training.callbacks import SaveCheckpoints
from spinlock.training.compilation import plan_compilation
from spinlock.training.fit import start, train
from spinlock.training.ineffective_keys import DISCOVERY_KEYS, EPOCH_KEYS, RESET_KEYS, SCORE_KEYS
from spinlock.training.losses.objective import LossTerms
from spinlock.training.messages import adaptation_messages
from spinlock.training.run import Run
from tests.tables import write_table
from tests.training.runs import (
    CPU,
    EAGER,
    Recorder,
    column_names,
    config,
    curved_table,
    mixed_table,
    new_run,
    plan_of,
    train_in_memory,
    write_table_in,
)

SIZES = {"max_bits": 60.0, "num_categories_auto": 6, "factors": [{"num_codes": codes} for codes in (16, 8, 8)]}


@cache
def last_validation(**weights: float) -> dict[str, float]:
    """Metrics of the last epoch of 100, with production values for all weights, rates and sizes of batches."""
    tokenizer = sl.Tokenizer.fit(mixed_table(800), SIZES | weights, epochs=100)
    return {name: values[-1] for name, values in tokenizer.checkpoint.history.columns.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "first", "second", "metric"),
    [
        ("commitment_cost", 0.5, 5.0, "val_commitment"),
        ("orthogonality_weight", 0.1, 1.0, "val_orthogonality"),
        ("informativeness_weight", 0.1, 1.0, "val_informativeness"),
        ("topo_weight", 0.45, 4.5, "val_topographic"),
        # At its production weight the reconstruction dominates the objective already. Ten times the weight hardly
        # changes the optimum, and it weakens the other losses, which limit overfitting. This case therefore compares
        # with the weight 0.
        ("reconstruction_weight", 0.0, 10.0, "val_reconstruction"),
    ],
    ids=["commitment", "orthogonality", "informativeness", "topographic", "reconstruction"],
)
def test_ten_times_the_loss_weight_improves_its_metric_by_five_percent(
    key: str, first: float, second: float, metric: str
) -> None:
    production = VQVAEConfig.model_fields[key].default
    assert second == pytest.approx(10 * production)
    before = last_validation() if first == production else last_validation(**{key: first})
    after = last_validation(**{key: second})
    assert after[metric] <= 0.95 * before[metric]
    assert after["val_topographic"] == pytest.approx(1 - after["val_topographic_correlation"])


GOLDEN = [
    0.320885,
    0.364306,
    0.335013,
    0.356086,
    0.382859,
    0.353223,
    0.333088,
    0.331285,
    0.326572,
    0.368437,
    0.302040,
    0.368185,
    0.323226,
    0.301204,
    0.421404,
    0.345704,
    0.317414,
    0.330062,
    0.333852,
    0.363236,
]


def test_the_first_twenty_losses_equal_the_recorded_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of the code that is not numerical reproduces these losses. A numerical change records new ones."""
    losses: list[float] = []
    real = steps.objective

    def recording(*args: Any, **options: Any) -> LossTerms:
        terms = real(*args, **options)
        losses.append(terms.total.item())
        return terms

    monkeypatch.setattr(steps, "objective", recording)
    write_table_in(tmp_path)
    train_in_memory(new_run(config(tmp_path, epochs=5)))
    assert losses == pytest.approx(GOLDEN, rel=1e-4)


TESTED_ELSEWHERE = {"verbose", "resume_from", "device"}
"""Keys whose effects other tests check."""

CODES = [{"latent_dim": 4, "num_codes": 24}] * 3
MANUAL = {"num_categories_auto": None, "category_assignment": "manual", "category_mapping_file": "halves.json"}
AUTOMATIC = {"num_categories_auto": None}
LOW_RATE = {"factors": None, "comparison_rate": 0.3}
EACH_EPOCH = {"val_every_n_epochs": 1}
COLD = EACH_EPOCH | {"warm_start": False, "epochs": 8, "learning_rate": 0.003}
"""A run whose topographic correlation is best in the middle, and whose loss and quality are best at the end."""
RESETS = COLD | {"dead_code_reset_interval": 2, "factors": CODES, "ema_decay": 0.5, "dead_code_threshold": 60.0}
TOPOGRAPHY = {"checkpoint_loss_weight": 0.0, "checkpoint_topo_weight": 1.0, "checkpoint_quality_weight": 0.0}

CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "input_path": ({}, "other.h5"),
    "output_dir": ({}, "elsewhere"),
    "feature_family": ({}, "second"),
    "feature_type": ({}, "per_trajectory"),
    "validation_fraction": ({}, 0.2),
    "split_seed": ({}, 43),
    "split_by": ({}, "labels/family"),
    "fit_rows": ({}, 150),
    "max_table_mb": (COLD, 0.02),
    "max_missing_fraction": ({}, 0.2),
    "max_constant_fraction": ({}, 0.85),
    "duplicate_correlation": ({}, 0.97),
    "clip_lower_percentile": ({}, 5.0),
    "clip_upper_percentile": ({}, 95.0),
    "normalization_method": ({}, "rank_gauss"),
    "category_assignment": ({"num_categories_auto": None}, "manual"),
    "category_mapping_file": (MANUAL, "thirds.json"),
    "num_categories_auto": ({}, 3),
    "orthogonality_target": (AUTOMATIC, 0.05),
    "min_features_per_category": (AUTOMATIC, 6),
    "max_clusters": (AUTOMATIC, 2),
    "embedding_dim": ({}, 12),
    "hidden_dim": ({}, 5),
    "compression_ratios": ({}, "0.5:0.5:0.5"),
    "factors": ({}, [{"latent_dim": 4, "num_codes": 5}] * 3),
    "category_factors": (MANUAL, {"first": [{"latent_dim": 4, "num_codes": 7}] * 3}),
    "assignment": ({}, "joint"),
    "comparison_rate": (AUTOMATIC | {"orthogonality_target": 0.6, "min_features_per_category": 1} | LOW_RATE, 4.0),
    "target_quality": ({"factors": None}, 0.5),
    "max_bits": ({"factors": None}, 12.0),
    "warm_start": ({}, False),
    "epochs": (COLD, 4),
    "batch_size": (COLD, 100),
    "val_batch_size": ({}, 7),
    "learning_rate": (COLD, 0.001),
    "val_every_n_epochs": (COLD | {"checkpoint_topo_weight": 1000.0}, 5),
    "reconstruction_weight": (COLD, 2.0),
    "commitment_cost": (COLD, 0.0),
    "orthogonality_weight": (COLD, 0.0),
    "informativeness_weight": (COLD, 0.0),
    "topo_weight": (COLD, 0.0),
    "topo_samples": (COLD, 10),
    "use_ema": (COLD, False),
    "ema_decay": (COLD, 0.9),
    "dead_code_reset_interval": (RESETS, 0),
    "dead_code_threshold": (RESETS, 5.0),
    "dead_code_max_reset_fraction": (RESETS, 0.05),
    "checkpoint_use_composite": (COLD | {"checkpoint_topo_weight": 1000.0}, False),
    "checkpoint_loss_weight": (COLD | TOPOGRAPHY, 1000.0),
    "checkpoint_topo_weight": (COLD, 1000.0),
    "checkpoint_quality_weight": (COLD | TOPOGRAPHY, 1000.0),
    "checkpoint_dir": ({}, "states"),
    "save_every": ({"val_every_n_epochs": 3}, 1),
    "early_stopping_patience": (COLD | {"early_stopping_min_delta": 100.0}, 1),
    "early_stopping_min_delta": (EACH_EPOCH | {"early_stopping_patience": 1, "warm_start": False}, 0.5),
    "use_torch_compile": ({}, False),
    "random_seed": ({}, 43),
}
"""{key: (settings under which the key has an effect, another value)}.

The baseline has these settings, those of ``config`` and ``outcome``, and production values for the other keys. A later
epoch than epoch 0 is the best one where a key changes only the training.
"""

CHANGED_TOGETHER = {"category_assignment": {"category_mapping_file": "thirds.json"}}
"""Other keys without which the value of a case is refused."""

PATHS = {"input_path", "output_dir", "category_mapping_file", "checkpoint_dir"}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Trains with some settings and returns the results, without the recorded configuration."""
    folder = tmp_path_factory.mktemp("effects")
    x = curved_table()
    x[np.random.default_rng(1).random(240) < 0.3, 5] = np.nan
    x[np.random.default_rng(2).random(240) < 0.9, 11] = 0.5
    x[:, 17] = x[:, 12] + 0.15 * x[:, 12].std() * np.random.default_rng(3).standard_normal(240)
    write_table_in(folder, x, labels={"family": np.arange(240) % 12})
    with h5py.File(folder / "table.h5", "a") as file:
        for group, rows in (("second/aggregated", x[::-1]), ("sdf/per_trajectory", x.reshape(120, 2, 24))):
            file.create_dataset(f"features/{group}/features", data=rows)
            file.create_dataset(f"features/{group}/feature_names", data=column_names())
    write_table(folder / "other.h5", curved_table(seed=5), column_names())
    for name, mapping in {
        "halves": {"first": list(range(12)), "second": list(range(12, 24))},
        "thirds": {"first": list(range(8)), "second": list(range(8, 16)), "third": list(range(16, 24))},
        "half": {"first": list(range(12))},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(mapping))

    @cache
    def cached(text: str, number: int) -> dict[str, Any]:
        place = folder / f"run{number}"
        settings = {"epochs": 3, "output_dir": "out"} | json.loads(text)
        for key in PATHS & settings.keys():
            home = place if key in ("output_dir", "checkpoint_dir") else folder
            settings[key] = str(home / settings[key])
        try:
            return run_results(config(folder, **settings), place)
        except SpinlockError as error:
            return {"message": str(error)}

    numbers: dict[str, int] = {}

    def results_of(settings: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(settings, sort_keys=True)
        return cached(text, numbers.setdefault(text, len(numbers)))

    return results_of


class SaveAtEnd(SaveCheckpoints):
    """Writes the files of a run once, at its end: the results are those of the run in memory."""

    def on_save(self, run: Run, is_best: bool) -> None:
        pass

    def on_end(self, run: Run) -> None:
        run.save(is_best=True)


EMA_STATISTICS = (".counts", ".sums", ".age")
"""Ends of the names of buffers of the moving averages, which do not change tokens."""


def run_results(chosen: VQVAEConfig, place: Path) -> dict[str, Any]:
    plan = plan_of(chosen)
    compile_plan = plan_compilation(plan.spec, batch=64, steps=12, device=CPU, enabled=chosen.use_torch_compile)
    run, recorder, seen = start(replace(plan, compile_plan=EAGER), command_line="test"), Recorder(), set[int]()
    handle = run.state.model.register_forward_pre_hook(lambda module, inputs: seen.add(len(inputs[0])))
    train(run, [SaveAtEnd(), recorder])
    handle.remove()
    history = {name: values for name, values in run.state.history.columns.items() if name != "seconds"}
    return {
        "weights": digest(run.state.model.state_dict()),
        "best": digest({k: v for k, v in run.state.best_weights.items() if not k.endswith(EMA_STATISTICS)}),
        "tokens": make_codec(run.best_model()).encode(run.plan.data.validation).indices.tolist(),
        "history": history,
        "statistics": hashlib.sha256(next(place.rglob("normalization_stats.npz")).read_bytes()).hexdigest(),
        "files": sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()),
        "saves": recorder.saves,
        "rows at once": sorted(seen),
        "notes": adaptation_messages(plan),
        "messages": [run.end_reason, compile_plan.reason, plan.data.cleaner.dropped, plan.selection.to_dict()],
    }


def digest(weights: dict[str, torch.Tensor]) -> str:
    hasher = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        hasher.update(f"{name}{tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    return hasher.hexdigest()


def test_every_configuration_key_has_a_case() -> None:
    assert CASES.keys() | TESTED_ELSEWHERE == VQVAEConfig.model_fields.keys()
    assert not CASES.keys() & TESTED_ELSEWHERE
    assert len(TESTED_ELSEWHERE) <= 4


def test_equal_settings_give_equal_results(outcome: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    first, again = outcome({}), outcome({"epochs": 3})
    assert "message" not in first
    assert first == again


LEARNED = ("best", "tokens")
"""Results that a key of the tokenizer changes: the weights of the best epoch, and the tokens."""

OTHER_PARTS = {
    "output_dir": {"files"},
    "checkpoint_dir": {"files"},
    "save_every": {"saves"},
    "use_torch_compile": {"messages"},
    "val_batch_size": {"rows at once", "history"},
}
"""Keys that change how or where a run is computed or saved, and the only results that they change."""


@pytest.mark.parametrize("key", CASES)
def test_every_configuration_key_changes_the_best_weights_or_the_tokens_of_a_trained_run(
    outcome: Callable[[dict[str, Any]], dict[str, Any]], key: str
) -> None:
    settings, value = CASES[key]
    before, after = outcome(settings), outcome(settings | {key: value} | CHANGED_TOGETHER.get(key, {}))
    assert before.keys() >= {"weights"}, before
    assert after.keys() >= {"weights"}, after
    if key in OTHER_PARTS:
        changed = {name for name in before if before[name] != after[name]}
        assert changed
        assert changed <= OTHER_PARTS[key]
    else:
        assert [before[name] for name in LEARNED] != [after[name] for name in LEARNED]


def test_only_keys_that_do_not_identify_a_tokenizer_change_other_parts() -> None:
    assert not OTHER_PARTS.keys() & identity_keys(VQVAEConfig)


TRAINING_KEYS = (*LossSettings.model_fields, *CodebookSettings.model_fields)
SIZE_KEYS = (*DISCOVERY_KEYS, "target_quality", "max_bits", "compression_ratios")
JOINT = COLD | {"assignment": "joint"}
EXPERIMENTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "joint": (JOINT, TRAINING_KEYS),
    "no epochs": ({"epochs": 0}, (*TRAINING_KEYS, *SCORE_KEYS, *EPOCH_KEYS)),
    "no topographic loss": ({"topo_weight": 0.0}, ("topo_samples",)),
    "no resets": ({"dead_code_reset_interval": 0}, RESET_KEYS),
    "no moving averages": (COLD | {"use_ema": False, "dead_code_reset_interval": 0}, ("ema_decay",)),
    "loss alone": (COLD | {"checkpoint_use_composite": False}, SCORE_KEYS),
    "no early stopping": ({"early_stopping_patience": 3}, ("early_stopping_min_delta",)),
    "manual": (MANUAL | {"factors": None}, SIZE_KEYS),
    "manual with all sizes": (MANUAL | {"factors": CODES}, SIZE_KEYS),
}
"""{name: (settings, keys that are changed)}: combinations in which some keys have no effect."""

STRONG = {"val_every_n_epochs": 7, "topo_weight": 1000.0, "early_stopping_min_delta": 0.5, "max_bits": 9.0}
"""Values that are used in the experiments instead of those of the cases, so that an effect becomes visible."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "key"),
    [pytest.param(s, key, id=f"{name}-{key}") for name, (s, keys) in EXPERIMENTS.items() for key in keys],
)
def test_the_plan_says_which_keys_change_neither_weights_nor_tokens(
    outcome: Callable[[dict[str, Any]], dict[str, Any]], settings: dict[str, Any], key: str
) -> None:
    base = CASES[key][0] | settings if key in CodebookSettings.model_fields else settings
    before, after = outcome(base), outcome(base | {key: STRONG.get(key, CASES[key][1])})
    changed = [before[name] for name in LEARNED] != [after[name] for name in LEARNED]
    said = [line for line in after["notes"] if line.startswith(f"{key} has no effect: ")]
    assert len(said) == (0 if changed else 1), after["notes"]


def test_the_decay_changes_weights_and_the_score_does_not(
    outcome: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    def changed(key: str) -> set[str]:
        settings, value = CASES[key]
        before, after = outcome(settings), outcome(settings | {key: value})
        return {name for name in before if before[name] != after[name]}

    assert "weights" not in changed("checkpoint_quality_weight")
    assert {"weights", "best", "history"} <= changed("ema_decay")
