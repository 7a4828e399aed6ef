"""Selection of categories and codebook sizes: the rates at which partitions are compared, and the summary."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from spinlock.categories.proposal import Proposal, propose
from spinlock.config import config_from_mapping
from spinlock.metrics.gaussian_reference import GaussianReference
from spinlock.preprocessing.holdout import split_holdout
from spinlock.sizing.search import CodebookSizeSearch
from spinlock.sizing.selection import Selection, SelectionSummary, select
from tests.training.specs import planted_rows


def correlated_rows() -> torch.Tensor:
    """Rows [469, 35] of eight common factors and noise. The first comparison rate misses the targets for them."""
    rng = np.random.default_rng(15)
    factors = rng.standard_normal((469, 8)) @ rng.standard_normal((8, 35))
    table = factors + 0.7 * rng.standard_normal(factors.shape)
    return torch.from_numpy((table - table.mean(0)) / table.std(0)).float()


def proposal_and_search(rows: torch.Tensor, **settings: Any) -> tuple[Proposal, CodebookSizeSearch]:
    config = config_from_mapping({"embedding_dim": 12} | settings, where="test")
    columns = list(range(rows.shape[1]))
    names = [f"feature_{column}" for column in columns]
    proposal = propose(config, rows.double().numpy(), columns, names)
    holdout = split_holdout(np.arange(len(rows)), 0)
    reference = GaussianReference.from_rows(rows.numpy(), rows.numpy())
    search = CodebookSizeSearch(
        rows,
        holdout,
        config,
        reference,
        validation_rows=len(rows) // 9,
        seed=0,
        to_z_scores=lambda values: values,
    )
    return proposal, search


@pytest.fixture(scope="module")
def selection() -> Selection:
    return select(*proposal_and_search(planted_rows(1200)))


def test_sizes_belong_to_the_selected_categories(selection: Selection) -> None:
    proposal, search = proposal_and_search(planted_rows(1200))
    assert len(selection.category_names) == len(selection.groups) == selection.summary.chosen.num_categories
    trial = search.choose(selection.groups, selection.category_names)
    assert (trial.num_codes, trial.latent_dims) == (selection.num_codes, selection.latent_dims)
    assert trial.bits == selection.bits
    assert trial.ridge == selection.summary.ridge
    assert trial.quality == selection.summary.expected_quality
    assert trial.rank_quality == selection.summary.expected_rank_quality
    assert trial.utilization == selection.summary.expected_utilization
    assert len(selection.summary.candidates) == len(proposal.candidates)


def test_labels_and_groups_are_the_same_partition(selection: Selection) -> None:
    groups = [tuple(np.flatnonzero(selection.labels == c).tolist()) for c in range(len(selection.groups))]
    assert groups == [tuple(sorted(group)) for group in selection.groups]


def test_the_first_rate_is_used_if_it_meets_the_targets(selection: Selection) -> None:
    assert selection.summary.comparison_rate == 1.0
    assert selection.summary.automatic
    assert select(*proposal_and_search(planted_rows(1200)), comparison_rate=1.0) == selection


def test_a_higher_rate_is_used_if_the_first_misses_the_targets() -> None:
    rows = correlated_rows()
    chosen = select(*proposal_and_search(rows, target_quality=0.95))
    first = select(*proposal_and_search(rows, target_quality=0.95), comparison_rate=1.0)
    assert chosen.summary.comparison_rate == 2.0
    assert chosen.groups != first.groups
    assert chosen.summary.expected_quality > first.summary.expected_quality


def test_the_selected_partition_has_all_categories_of_category_factors() -> None:
    """Only the partition of the higher rate has the named category. It is selected although its rate is the second."""
    rows = correlated_rows()
    free = select(*proposal_and_search(rows, target_quality=0.95))
    first = select(*proposal_and_search(rows, target_quality=0.95), comparison_rate=1.0)
    name = next(name for name in free.category_names if name not in first.category_names)
    levels = [{"latent_dim": 4, "num_codes": 4}] * 3
    chosen = select(*proposal_and_search(rows, target_quality=0.95, category_factors={name: levels}))
    assert chosen.groups == free.groups
    assert chosen.num_codes[chosen.category_names.index(name)] == (4, 4, 4)


def test_the_summary_survives_a_json_round_trip(selection: Selection) -> None:
    summary = replace(selection.summary, notes=("category a: 1 of 3 columns were dropped by the cleaning",))
    assert SelectionSummary.from_dict(json.loads(json.dumps(summary.to_dict()))) == summary


def test_rounded_scores_have_four_decimals(selection: Selection) -> None:
    chosen = selection.summary.chosen
    assert chosen.rounded()["cosine"] == round(chosen.cosine, 4)
    assert chosen.rounded()["distance"] == chosen.distance
