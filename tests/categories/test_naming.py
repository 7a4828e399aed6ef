"""Names of categories: from words of the column names, distinct, valid as keys and file names."""

import re

import numpy as np

from spinlock.categories.naming import name_categories, name_words

NAMES = [f"{field}_{what}_{i}" for field in ("velocity", "pressure") for what in ("mean", "spectrum") for i in range(4)]


def test_name_words_have_no_bare_numbers() -> None:
    assert name_words("q0_ux_rms.17 (log)") == {"q0", "ux", "rms", "log"}
    assert name_words("17") == frozenset()


def test_one_shared_word_names_a_category() -> None:
    labels = np.repeat([0, 1], 8)
    assert name_categories(labels, NAMES) == ("velocity", "pressure")


def test_two_words_name_a_category_if_one_word_is_ambiguous() -> None:
    names = name_categories(np.repeat([0, 1, 2, 3], 4), NAMES)
    assert [set(name.split("_")) for name in names] == [
        {"velocity", "mean"},
        {"velocity", "spectrum"},
        {"pressure", "mean"},
        {"pressure", "spectrum"},
    ]


def test_categories_without_a_distinctive_word_are_numbered() -> None:
    labels = np.repeat([0, 1], 3)
    assert name_categories(labels, [f"feature_{i}" for i in range(6)]) == ("category_0", "category_1")
    assert name_categories(labels, [str(i) for i in range(6)]) == ("category_0", "category_1")
    assert name_categories(labels, ["", "λ", "??", "-", " ", "_"]) == ("category_0", "category_1")
    assert name_categories(labels, [*["vélocité.x"] * 3, *["énergie.y"] * 3]) == ("velocite", "energie")


def test_category_names_are_distinct() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    names = name_categories(labels, ["a_x", "a_y", "a_x", "a_y", "b_z", "b_w", "c_p", "c_q"])
    assert len(set(names)) == 4
    assert names[1].startswith(names[0])


def test_category_names_are_valid_in_keys_and_mapping_files(rng: np.random.Generator) -> None:
    words = ["ux/rms", "κ spectrum", "a.b", "..", "2d energy", "x" * 40, "Δt", "p%q"]
    names = [f"{words[i % 8]} {words[(i * 3) % 8]}_{i}" for i in range(40)]
    for name in name_categories(rng.integers(6, size=40), names):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_\-]*", name)


def test_fixed_names_are_kept_and_not_used_twice() -> None:
    labels = np.repeat([0, 1, 2], [4, 4, 8])
    names = name_categories(labels, NAMES, fixed_names=["pressure", "mine"])
    assert names == ("pressure", "mine", "pressure_2")


def test_names_do_not_depend_on_the_order_of_the_columns(rng: np.random.Generator) -> None:
    labels = np.repeat([0, 1, 2, 3], 4)
    order = rng.permutation(16)
    assert name_categories(labels[order], [NAMES[i] for i in order]) == name_categories(labels, NAMES)
