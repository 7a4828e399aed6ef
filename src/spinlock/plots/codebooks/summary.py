"""The top of the page: the numbers that a reader sees first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinlock.evaluation.codebooks.description import CodebookDescription
from spinlock.model import LEVELS
from spinlock.plots.view import number


@dataclass(frozen=True)
class Fact:
    """A number with its name and its meaning."""

    name: str
    value: str
    meaning: str


def verdict(result: CodebookDescription) -> str:
    """Return one sentence about the codes."""
    total, dead = result.num_codes, result.num_dead_codes
    return f"{total - dead:,} of {total:,} codes are in use" if dead else f"All {total:,} codes are in use"


def rows(result: CodebookDescription) -> str:
    """Return one sentence about the rows."""
    setup = result.setup
    which = "the table on which the model was trained" if setup.same_table else "a table on which it was not trained"
    count = f"a random sample of {setup.num_rows:,} of the" if setup.sampled else "all"
    return f"This page shows what the codes stand for, on {count} {setup.num_table_rows:,} rows of {which}."


def short_facts(result: CodebookDescription) -> list[str]:
    """Return short facts about the tokenizer."""
    setup = result.setup
    categories = "1 category" if setup.num_categories == 1 else f"{setup.num_categories} categories"
    return [f"{setup.num_columns} columns", categories, f"{LEVELS * setup.num_categories} codebooks"]


def main_facts(result: CodebookDescription) -> list[Fact]:
    """Return the numbers at the top of the page."""
    ratios = [code_map.perplexity / code_map.size for code_map in result.code_maps]
    even = Fact("Perplexity / number of codes", f"{np.mean(ratios):.2f}", "1 = equally frequent")
    clearest = result.clearest_token
    chosen, best, columns = result.selection.chosen, result.best_epoch, result.columns
    facts = [even]
    if clearest is not None:
        name = f"Same {clearest.name} among nearest rows"
        facts.append(Fact(name, f"{clearest.agreement:.0%}", f"{clearest.chance:.0%} by chance"))
    if len(columns.category_names) > 1:
        target = f"target < {result.selection.target:.2f}"
        between = f"{number(columns.between, 2)} between"
        facts.append(Fact("Mean |r| within categories", number(columns.within, 2), between))
        facts.append(Fact("Largest centroid cosine", f"{chosen.cosine:.2f}", target))
    facts.append(Fact(f"Selected epoch (of {best.num_epochs})", f"{best.epoch}", f"quality {best.quality:.2f}"))
    return facts
