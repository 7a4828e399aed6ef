"""Codebook sizes: limits, fixed factors, and expected metrics against unseen rows."""

import math

import numpy as np
import pytest
import torch

from spinlock.config import ModelSettings
from spinlock.config.model import LevelFactors
from spinlock.errors import DataError
from spinlock.initialization.network import initialize_closed_form
from spinlock.initialization.ridge import RIDGE_GRID
from spinlock.metrics import correlation
from spinlock.metrics.codebook import codebook_use
from spinlock.metrics.gaussian_reference import GaussianReference
from spinlock.model import CategoricalVQVAE, ModelSpec, build_network, latent_dims
from spinlock.preprocessing.holdout import split_holdout
from spinlock.sizing.assignment.joint import MAX_JOINT_PARTITIONS
from spinlock.sizing.search import MAX_CODEBOOK_SIZE, ROWS_PER_CODE, CodebookSizeSearch
from spinlock.sizing.trials import SizeTrial
from tests.training.specs import GROUPS, planted_rows

NAMES = ("a", "b", "c")


def factors(*levels: tuple[int | None, int | None]) -> tuple[LevelFactors, LevelFactors, LevelFactors]:
    first, second, third = (LevelFactors(latent_dim=dim, num_codes=codes) for dim, codes in levels)
    return first, second, third


def search(rows: torch.Tensor | None = None, validation_rows: int = 120, **settings: object) -> CodebookSizeSearch:
    rows = planted_rows(1200) if rows is None else rows
    model = ModelSettings.model_validate({"embedding_dim": 12} | settings)
    reference = GaussianReference.from_rows(rows.numpy(), rows.numpy())
    holdout = split_holdout(np.arange(len(rows)), 0)
    return CodebookSizeSearch(
        rows, holdout, model, reference, validation_rows=validation_rows, seed=0, to_z_scores=lambda rows: rows
    )


def chosen_spec(trial: SizeTrial) -> ModelSpec:
    return ModelSpec(NAMES, GROUPS, 12, 1, trial.latent_dims, trial.num_codes)


@pytest.mark.parametrize(("rows", "cap"), [(30, 2), (600, 30), (1200, 60), (20 * 513, MAX_CODEBOOK_SIZE)])
def test_a_code_has_at_least_twenty_training_rows(rows: int, cap: int) -> None:
    assert search(torch.zeros(rows, 24), validation_rows=10_000).cap == cap
    assert ROWS_PER_CODE == 20


@pytest.mark.parametrize(("rows", "cap"), [(9, 2), (120, 24), (300, 60), (301, 60)])
def test_a_code_has_at_least_five_validation_rows(rows: int, cap: int) -> None:
    assert search(torch.zeros(1200, 24), validation_rows=rows).cap == cap


def test_sizes_are_between_two_and_the_cap() -> None:
    sizes = search().choose(GROUPS, NAMES)
    assert len(sizes.num_codes) == len(sizes.latent_dims) == 3
    assert all(2 <= size <= 24 for triple in sizes.num_codes for size in triple)
    assert sizes.ridge in RIDGE_GRID
    assert sizes.bits == pytest.approx(sum(math.log2(size) for triple in sizes.num_codes for size in triple))


def test_a_category_with_less_information_has_fewer_codes() -> None:
    rows = planted_rows(3000)
    rows[:, 19:24] = rows[:, [19]] + 0.02 * rows[:, 19:24]  # the columns of the last category are nearly equal
    sizes = search(rows, validation_rows=2000).choose(GROUPS, NAMES)
    assert sizes.num_codes[2][0] < sizes.num_codes[0][0]


def test_few_validation_rows_lead_to_small_codebooks() -> None:
    many, few = (search(planted_rows(3000), validation_rows=n).choose(GROUPS, NAMES) for n in (3000, 6))
    assert few.bits < many.bits
    assert few.num_codes < many.num_codes


def test_latent_widths_follow_the_compression_ratios() -> None:
    sizes = search(compression_ratios="0.25:0.5:1").choose(GROUPS, NAMES)
    assert sizes.latent_dims == tuple(latent_dims(len(group), 12, (0.25, 0.5, 1.0)) for group in GROUPS)


def test_fixed_factors_are_not_changed() -> None:
    sizes = search(factors=factors((5, 7), (6, 9), (7, 11))).choose(GROUPS, NAMES)
    assert sizes.num_codes == ((7, 9, 11),) * 3
    assert sizes.latent_dims == ((5, 6, 7),) * 3


def test_missing_factors_are_computed() -> None:
    automatic = search().choose(GROUPS, NAMES)
    sizes = search(factors=factors((None, 7), (6, None), (None, None))).choose(GROUPS, NAMES)
    assert all(triple[0] == 7 for triple in sizes.num_codes)
    assert all(2 <= size <= 24 for triple in sizes.num_codes for size in triple[1:])
    for dims, own in zip(sizes.latent_dims, automatic.latent_dims, strict=True):
        assert dims == (own[0], 6, own[2])


@pytest.mark.parametrize("codes", [None, 9], ids=["some sizes automatic", "all sizes fixed"])
def test_category_factors_replace_the_factors_of_one_category_only(codes: int | None) -> None:
    settings = {"factors": factors((None, codes), (None, codes), (None, codes))} if codes else {}
    own = factors((3, 3), (4, 4), (5, 5))
    sizes = search(category_factors={"b": own}, **settings).choose(GROUPS, NAMES)
    assert sizes.num_codes[1] == (3, 4, 5)
    assert sizes.latent_dims[1] == (3, 4, 5)
    assert sizes.latent_dims[0] == latent_dims(12, 12, (0.5, 1.0, 1.5))
    assert sizes.num_codes[0] != (3, 4, 5)


def test_factors_of_an_unknown_category_are_an_error_that_names_the_categories() -> None:
    with pytest.raises(DataError, match="unknown categories: z; expected categories of this run: a, b, c"):
        search(category_factors={"z": factors((4, 4), (4, 4), (4, 4))}).choose(GROUPS, NAMES)


def test_more_codes_than_rows_are_an_error() -> None:
    with pytest.raises(DataError, match=r"1201 codes .* 1200 training rows; expected at most 1200, better at most 24"):
        search(factors=factors((4, 1201), (4, 4), (4, 4))).choose(GROUPS, NAMES)


def test_the_score_of_a_partition_does_not_depend_on_the_order_of_categories() -> None:
    labels = np.repeat([0, 1, 2], [len(group) for group in GROUPS])
    size_search = search()
    first, second = size_search.qualities([labels, 2 - labels])
    assert first == pytest.approx(second, abs=1e-6)


def test_the_planted_partition_has_a_higher_score_than_a_random_one(rng: np.random.Generator) -> None:
    labels = np.repeat([0, 1, 2], [len(group) for group in GROUPS])
    size_search = search()
    planted, random = size_search.qualities([labels, rng.permutation(labels)])
    assert planted > random + 0.02


def test_joint_codes_are_tried_on_the_best_partitions_only(rng: np.random.Generator) -> None:
    labels = np.repeat([0, 1, 2], [len(group) for group in GROUPS])
    others = [rng.permutation(labels) for _ in range(MAX_JOINT_PARTITIONS + 1)]
    local = search().qualities([*others, labels])
    joint = search(assignment="joint").qualities([*others, labels])
    assert [score is None for score in joint].count(False) == MAX_JOINT_PARTITIONS
    assert joint[-1] > local[-1]
    assert joint[int(np.argmin(local))] is None


def initialized_model(sizes: SizeTrial, rows: torch.Tensor) -> CategoricalVQVAE:
    spec = ModelSpec(NAMES, GROUPS, 12, 4, sizes.latent_dims, sizes.num_codes)
    model = build_network(spec)
    initialize_closed_form(model, rows, ridge=sizes.ridge, rows_per_batch=len(rows), seed=0)
    return model


def test_expected_quality_and_utilization_hold_on_unseen_rows() -> None:
    table = planted_rows(1320)
    rows, held_out = table[:1200], table[1200:]
    sizes = search(rows).choose(GROUPS, NAMES)
    model = initialized_model(sizes, rows)
    quality = 1 - (held_out - model(held_out).reconstruction).square().sum() / held_out.square().sum()
    assert sizes.quality == pytest.approx(quality.item(), abs=0.03)
    use = codebook_use(model.encode(held_out).flatten(1).numpy(), np.array(sizes.num_codes).ravel())
    assert sizes.utilization == pytest.approx(use.utilization, abs=0.05)


def test_local_sizes_leave_a_twentieth_of_the_error_to_training() -> None:
    assert search(target_quality=0.9).required_quality == pytest.approx(1 - 0.1 / 0.95)
    assert search(target_quality=1.0).required_quality == 1
    assert search(target_quality=0.9, assignment="joint").required_quality == 0.9


def test_the_choice_is_reproducible() -> None:
    assert search().choose(GROUPS, NAMES) == search().choose(GROUPS, NAMES)


@pytest.mark.parametrize("assignment", ["local", "joint"])
class TestTargetAndLimit:
    """Target quality and limit of the bits, for both assignments."""

    def test_a_higher_target_quality_needs_more_bits(self, assignment: str) -> None:
        low, high = (
            search(assignment=assignment, target_quality=target, validation_rows=3000).choose(GROUPS, NAMES)
            for target in (0.6, 0.85)
        )
        gain = 0.05 if assignment == "local" else 0  # the part of the error that is left to training
        assert low.quality >= 1 - 0.4 / (1 - gain)
        assert high.quality >= 1 - 0.15 / (1 - gain)
        assert low.bits < 0.8 * high.bits

    def test_fewer_bits_miss_the_target_quality(self, assignment: str) -> None:
        size_search = search(assignment=assignment, target_quality=0.8, validation_rows=3000)
        chosen = size_search.choose(GROUPS, NAMES)
        assert size_search.meets(chosen)
        fewer = size_search.trials.allocation(chosen_spec(chosen)).sizes(0.85 * chosen.bits, size_search.cap)
        settings = {"assignment": assignment, "target_quality": 0.8, "validation_rows": 3000}
        own = {
            name: tuple(LevelFactors(num_codes=size) for size in sizes)
            for name, sizes in zip(NAMES, fewer, strict=True)
        }
        assert search(category_factors=own, **settings).choose(GROUPS, NAMES).quality < (
            0.81 if assignment == "local" else 0.8
        )

    @pytest.mark.parametrize("limit", [12.0, 17.5])
    def test_sizes_stay_below_max_bits_and_use_most_of_them(self, assignment: str, limit: float) -> None:
        sizes = search(assignment=assignment, target_quality=1.0, max_bits=limit).choose(GROUPS, NAMES)
        assert 0.7 * limit <= sizes.bits <= limit

    def test_a_target_quality_of_one_selects_larger_codebooks(self, assignment: str) -> None:
        highest = search(assignment=assignment, target_quality=1.0, validation_rows=3000).choose(GROUPS, NAMES)
        usual = search(assignment=assignment, validation_rows=3000).choose(GROUPS, NAMES)
        assert highest.quality > usual.quality
        assert highest.bits > usual.bits


def test_fixed_sizes_count_in_max_bits() -> None:
    sizes = search(max_bits=30, target_quality=1.0, factors=factors((None, 16), (None, None), (None, None)))
    chosen = sizes.choose(GROUPS, NAMES)
    assert all(triple[0] == 16 for triple in chosen.num_codes)
    assert 24 <= chosen.bits <= 30
    assert chosen.automatic


def test_too_few_bits_for_the_categories_are_an_error() -> None:
    with pytest.raises(
        DataError, match=r"max_bits = 5, but 3 categories need at least 9 bits.*; raise max_bits, or set fewer"
    ):
        search(max_bits=5).choose(GROUPS, NAMES)


def test_partitions_that_need_more_than_max_bits_have_no_score() -> None:
    few, many = (np.arange(24) % count for count in (3, 6))
    scores = search(max_bits=10).qualities([few, many])
    assert scores[0] is not None
    assert scores[1] is None
    assert None not in search().qualities([few, many])


@pytest.mark.parametrize("target", [0.95, 1.0])
def test_fewer_bits_meet_the_utilization_if_the_quality_is_out_of_reach(target: float) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(400, 24, generator=generator)
    rows *= torch.exp(0.6 * torch.randn(400, 1, generator=generator))  # rare codes represent the large rows
    size_search = search(rows / rows.std(0), validation_rows=45, target_quality=target, max_bits=60.0)
    sizes = size_search.choose(GROUPS, NAMES)
    assert sizes.quality < 0.9
    assert (sizes.utilization > 0.8) == (target < 1), "a target of 1 uses all bits that max_bits allows"


def test_fixed_sizes_are_not_automatic() -> None:
    assert not search(factors=factors((4, 4), (4, 4), (4, 4))).choose(GROUPS, NAMES).automatic


def test_a_wide_table_allocates_the_variances_along_the_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModelSpec(NAMES, GROUPS, 12, 1, ((12, 12, 12), (8, 8, 8), (8, 8, 8)), ((8, 8, 8),) * 3)
    narrow = search().trials.allocation(spec).sizes(40.0, 60)
    monkeypatch.setattr(correlation, "MAX_MATRIX_COLUMNS", 10)
    wide = search().trials.allocation(spec).sizes(40.0, 60)
    assert np.abs(np.array(wide) - np.array(narrow)).max() <= 1  # a tenth of the rows is held out
    assert sum(spectrum.size for spectrum in search().trials.allocation(spec).spectra) <= 3 * 12
