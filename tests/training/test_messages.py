"""The messages of a plan: when each message appears, and its numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spinlock.categories.candidates import ALL_FIXED
from spinlock.config import config_from_mapping
from spinlock.training.messages import adaptation_messages, schedule_messages, unmet_orthogonality, unmet_quality
from spinlock.training.plan import Plan
from tests.training.runs import config, plan_of, write_table_in

SIZES = [{"latent_dim": 4, "num_codes": 8}] * 3


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A plan of 216 training rows in batches of 54, with fixed codebook sizes."""
    folder = tmp_path_factory.mktemp("messages")
    write_table_in(folder)
    return plan_of(config(folder, factors=SIZES))


def with_config(plan: Plan, **settings: Any) -> Plan:
    return replace(plan, config=config_from_mapping(plan.config.model_dump(mode="json") | settings, where="test"))


def with_selection(plan: Plan, **values: Any) -> Plan:
    chosen = {
        key: values.pop(key) for key in ("cosine", "adjustable_cosine", "num_categories", "distance") & values.keys()
    }
    selection = plan.selection
    return replace(plan, selection=replace(selection, chosen=replace(selection.chosen, **chosen), **values))


def meeting_all_targets(plan: Plan) -> Plan:
    """The plan with expected metrics that meet all targets."""
    return with_selection(plan, expected_quality=1.0, expected_utilization=1.0, meets_target=True, notes=())


def message_that_starts_with(messages: list[str], start: str) -> str:
    """The only message that starts with ``start``."""
    (message,) = [message for message in messages if message.startswith(start)]
    return message


class TestAdaptations:
    def test_no_message_for_a_table_that_fits_the_configuration(self, plan: Plan) -> None:
        assert adaptation_messages(meeting_all_targets(with_config(plan, batch_size=54, topo_samples=54))) == []

    def test_smaller_batches_are_reported(self, plan: Plan) -> None:
        messages = adaptation_messages(meeting_all_targets(plan))
        assert messages == [
            "batch size 54 instead of 64: the 216 training rows are divided into equal batches",
            "topo_samples 54 instead of 1024: a batch has no more rows",
        ]

    def test_notes_of_the_selection_come_first(self, plan: Plan) -> None:
        assert adaptation_messages(with_selection(plan, notes=("a note",)))[0] == "a note"

    def test_the_size_limit_of_automatic_codebooks_is_reported(self, plan: Plan) -> None:
        automatic = with_selection(meeting_all_targets(plan), automatic=True)
        message = message_that_starts_with(adaptation_messages(automatic), "codebooks have at most")
        assert message == (
            "codebooks have at most 4 codes: 216 training rows with at least 20 per code, and 24 validation rows with "
            "at least 5"
        )
        assert not any(each.startswith("codebooks") for each in adaptation_messages(meeting_all_targets(plan)))

    @pytest.mark.parametrize(
        ("automatic", "codes"), [(False, "configured codes"), (True, "codes that the quality requires")]
    )
    def test_too_few_validation_rows_for_the_codes_are_reported(self, plan: Plan, automatic: bool, codes: str) -> None:
        short = with_selection(meeting_all_targets(plan), expected_utilization=0.1234, automatic=automatic)
        message = message_that_starts_with(adaptation_messages(short), "expected utilization")
        assert message == f"expected utilization 0.123: 24 validation rows are too few to use 0.8 of the {codes}"

    def test_configured_codebook_sizes_that_exceed_max_bits_are_reported(self, plan: Plan) -> None:
        bits = plan.spec.bits_per_row
        limited = meeting_all_targets(with_config(plan, max_bits=10))
        assert message_that_starts_with(adaptation_messages(limited), f"{bits:.0f} bits per row") == (
            f"{bits:.0f} bits per row instead of max_bits 10: all codebook sizes are configured"
        )
        enough = adaptation_messages(meeting_all_targets(with_config(plan, max_bits=bits)))
        automatic = adaptation_messages(with_selection(limited, automatic=True))
        assert not any("max_bits" in message for message in (*enough, *automatic))

    def test_a_streamed_table_is_reported(self, tmp_path: Path) -> None:
        write_table_in(tmp_path)
        for assignment, epochs in (
            ("local", "each epoch reads all 216 training rows"),
            ("joint", "joint codes are fitted and trained on these rows"),
        ):
            settings = config(tmp_path, factors=SIZES, max_table_mb=0.02, fit_rows=100, assignment=assignment)
            message = message_that_starts_with(adaptation_messages(plan_of(settings)), "the table is streamed")
            rows = "100 training and 24 validation rows are in memory for fitting and metrics"
            assert message == f"the table is streamed from its file (max_table_mb): {rows}; {epochs}"

    def test_unmet_targets_are_reported(self, plan: Plan) -> None:
        unmet = {"expected_quality": 0.5, "meets_target": False, "cosine": 0.4, "adjustable_cosine": 0.4}
        short = with_selection(meeting_all_targets(plan), **unmet)
        messages = adaptation_messages(short)
        assert unmet_quality(short) in messages
        assert unmet_orthogonality(short) in messages


class TestUnmetQuality:
    def test_fixed_sizes_are_reported(self, plan: Plan) -> None:
        short = with_selection(plan, expected_quality=0.5)
        required = plan.data.gaussian_reference.held_out_bits(plan.config.target_quality)
        assert unmet_quality(short) == (
            "the expected quality before training, 0.500, is too low for target_quality "
            f"{plan.config.target_quality:g} at {plan.spec.bits_per_row:.0f} bits per row; the Gaussian reference "
            f"needs {required:.0f} bits for it; all codebook sizes are configured"
        )

    def test_a_limit_on_the_bits_is_reported(self, plan: Plan) -> None:
        limited = with_config(with_selection(plan, expected_quality=0.5, automatic=True), max_bits=30.0)
        assert unmet_quality(limited).endswith("; max_bits allows 30")

    def test_more_rows_are_suggested_if_they_limit_the_bits(self, plan: Plan) -> None:
        high = with_config(with_selection(plan, expected_quality=0.5, automatic=True), target_quality=0.999)
        assert "more rows, or more categories (a higher orthogonality_target), allow more" in unmet_quality(high)

    def test_more_rows_are_suggested_if_larger_codebooks_overfit(self, plan: Plan) -> None:
        low = with_config(with_selection(plan, expected_quality=0.1, automatic=True), target_quality=0.2)
        message = unmet_quality(low)
        assert "larger codebooks overfit the 216 training rows. More rows" in message
        assert message.endswith("would help")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_categories": 1}, "one category only: the columns are too few or too similar for a second one"),
        (
            {"distance": ALL_FIXED},
            "the largest centroid cosine of the categories in the mapping file is 0.400, not below "
            "orthogonality_target 0.25",
        ),
        (
            {"adjustable_cosine": 0.1},
            "two categories in the mapping file have a centroid cosine of 0.400, not below orthogonality_target 0.25; "
            "the other pairs are below it",
        ),
        (
            {"adjustable_cosine": 0.4},
            "no partition was found below orthogonality_target 0.25: the largest centroid cosine is 0.400",
        ),
    ],
    ids=["one category", "all categories fixed", "two categories fixed", "no partition below the target"],
)
def test_unmet_orthogonality(plan: Plan, values: dict[str, Any], message: str) -> None:
    assert unmet_orthogonality(with_selection(plan, **({"cosine": 0.4} | values))) == message


class TestSchedule:
    def test_steps_validations_and_early_stopping_are_reported(self, plan: Plan) -> None:
        messages = schedule_messages(with_config(plan, epochs=7, val_every_n_epochs=2, early_stopping_patience=5))
        assert messages[:2] == [
            "epochs: 7, steps per epoch: 4, optimizer steps: 28",
            "validation every 2 epochs: 5 times",
        ]
        assert messages[-1] == "early stopping after 5 epochs without a better score"

    def test_a_patience_longer_than_the_run_is_reported(self, plan: Plan) -> None:
        messages = schedule_messages(with_config(plan, epochs=7, early_stopping_patience=7))
        assert messages[-1] == "early stopping never occurs: patience 7 is not below 7 epochs"

    @pytest.mark.parametrize(
        ("interval", "message"),
        [
            (5, "dead-code resets every 5 steps: 4 times (none in the last fifth)"),
            (
                100,
                "dead-code resets never occur: dead_code_reset_interval is 100 steps, and resets end at step 22; an "
                "interval of 5 would reset four times",
            ),
            (0, "dead-code resets: off"),
        ],
    )
    def test_dead_code_resets_are_reported(self, plan: Plan, interval: int, message: str) -> None:
        messages = schedule_messages(with_config(plan, epochs=7, dead_code_reset_interval=interval))
        assert message_that_starts_with(messages, "dead-code") == message

    def test_no_dead_code_resets_are_reported_for_joint_assignment(self, plan: Plan) -> None:
        joint = replace(plan, spec=replace(plan.spec, assignment="joint"))
        messages = schedule_messages(joint)
        assert not any("dead-code" in message for message in messages)
        assert joint.assignment.training_note(1.0)[0] in messages
