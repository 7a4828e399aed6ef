"""Prototypes, usage and maps of codes, compared with independent computations."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spinlock.evaluation.codebooks.code_maps import make_code_maps
from spinlock.evaluation.codebooks.prototypes import MAX_FEATURES, MIN_EFFECT, NEAREST, PrototypeRows
from spinlock.evaluation.discriminability.attributes import Attribute, make_attribute
from spinlock.evaluation.rows import EvaluatedRows
from spinlock.model import LEVELS
from spinlock.model.codec import make_codec
from tests.evaluation.conftest import Case


def prototype_rows(rows: EvaluatedRows, fields: frozenset[int] = frozenset()) -> PrototypeRows:
    label = make_attribute("side", np.where(rows.z_scores[:, 0] > 0, "right", "left"))
    assert isinstance(label, Attribute)
    return PrototypeRows.of(rows, fields, label)


def test_effects_are_differences_of_means_of_decoded_rows(case: Case) -> None:
    rows = case.rows
    names = np.array(rows.coder.cleaner.kept_names)
    for c, group in enumerate(rows.spec.groups):
        for level in range(LEVELS):
            prototypes = prototype_rows(rows).codebook(c, level, rows.spec.num_codes[c][level])
            added = rows.decoded[level].astype(float) - (rows.decoded[level - 1] if level else 0.0)
            for code, prototype in enumerate(prototypes):
                has = rows.tokens[:, c, level] == code
                assert prototype.num_rows == has.sum()
                if not has.any():
                    assert prototype.nearest == ()
                    continue
                effect = dict(zip(names, added[has].mean(0) - added.mean(0), strict=True))
                for name, value in (*prototype.raised, *prototype.lowered):
                    assert value == pytest.approx(effect[name])
                own = sorted((effect[names[j]] for j in group), reverse=True)
                raised = [value for value in own if value >= MIN_EFFECT][:MAX_FEATURES]
                assert [value for _, value in prototype.raised] == pytest.approx(raised)


def test_nearest_rows_have_the_code_and_ascending_distances(case: Case) -> None:
    rows, columns = case.rows, list(case.rows.spec.groups[0])
    for code, prototype in enumerate(prototype_rows(rows).codebook(0, 0, rows.spec.num_codes[0][0])):
        has = np.flatnonzero(rows.tokens[:, 0, 0] == code)
        center = rows.decoded[0][has][:, columns].astype(float).mean(0)
        distances = np.sqrt(np.square(rows.z_scores[has][:, columns] - center).mean(1))
        expected = rows.positions[has[np.argsort(distances)[:NEAREST]]]
        assert [row.position for row in prototype.nearest] == expected.tolist()
        assert [row.distance for row in prototype.nearest] == pytest.approx(np.sort(distances)[:NEAREST])


def test_equal_rows_count_once_and_operators_with_fields_are_pictured(case: Case) -> None:
    twice = [0, 0, *range(len(case.rows))]
    fields = {
        name: getattr(case.rows, name)[twice]
        for name in ("positions", "operators", "raw", "clipped", "imputed", "z_scores", "tokens", "error")
    }
    rows = replace(case.rows, **fields, decoded=tuple(level[twice] for level in case.rows.decoded))
    code = int(rows.tokens[0, 0, 0])
    position = int(rows.positions[0])
    prototype = prototype_rows(rows, frozenset({position})).codebook(0, 0, rows.spec.num_codes[0][0])[code]
    copies = {row.position: row.copies for row in prototype.nearest}
    assert copies.get(position, 2) == 2
    assert all(count == 0 for place, count in copies.items() if place != position)
    assert prototype.pictured == (position,)


def test_the_majority_is_the_most_frequent_class(case: Case) -> None:
    rows = case.rows
    for code, prototype in enumerate(prototype_rows(rows).codebook(0, 0, rows.spec.num_codes[0][0])):
        right = (rows.z_scores[rows.tokens[:, 0, 0] == code, 0] > 0).mean()
        assert prototype.share == pytest.approx(max(right, 1 - right))
        assert right == 0.5 or prototype.majority == ("right" if right > 0.5 else "left")


def test_maps_have_all_codes_and_their_rows(case: Case) -> None:
    maps = list(make_code_maps(prototype_rows(case.rows)))
    assert [code_map.name for code_map in maps] == case.rows.spec.token_columns()
    for code_map, codes in zip(maps, case.rows.flat_tokens.T, strict=True):
        assert code_map.counts.tolist() == [(codes == code).sum() for code in range(code_map.size)]
        assert code_map.num_dead == (code_map.counts == 0).sum()
        assert code_map.coordinates.shape == (code_map.size, 2)
        assert 0 < code_map.explained <= 1 + 1e-9
        assert sorted(code_map.ranks.tolist()) == list(range(code_map.size))


def test_code_vectors_are_what_codes_add_to_a_decoded_row(case: Case) -> None:
    model = case.rows.coder.codec.model
    codec = make_codec(model)
    tokens = torch.from_numpy(case.rows.tokens[:1].repeat(2, axis=0))
    tokens[1, 0, 0] = (tokens[0, 0, 0] + 1) % model.spec.num_codes[0][0]
    vectors = codec.code_vectors()[0][0]
    output = model.joint.output if model.spec.assignment == "joint" else model.decoder.output
    saved = output.detach().clone()
    try:  # without the nonlinear part, decoding is a sum of the vectors
        output.data.zero_()
        decoded = make_codec(model).decode(tokens)
    finally:
        output.data.copy_(saved)
    expected = vectors[tokens[1, 0, 0]] - vectors[tokens[0, 0, 0]]
    torch.testing.assert_close(decoded[1] - decoded[0], expected, atol=1e-5, rtol=1e-4)
