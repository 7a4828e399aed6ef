"""Tokens in fixed blocks: no dependence on the batch, nor on the precision that a calling program chose."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from spinlock.model.codec import BLOCK, make_codec
from tests.model.specs import random_rows, small_model


@pytest.fixture(params=["highest", "medium"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


def test_the_precision_of_the_calling_program_moves_nothing_and_stays(precision: str) -> None:
    model, rows = small_model(branches=True), random_rows()
    found = make_codec(model).encode(rows)
    decoded, latents = make_codec(model).decode(found.indices), make_codec(model).latents(found.indices)
    assert torch.get_float32_matmul_precision() == precision
    torch.set_float32_matmul_precision("highest")
    again = make_codec(model).encode(rows)
    assert torch.equal(found.indices, again.indices)
    assert torch.equal(found.error, again.error)
    assert torch.equal(decoded, make_codec(model).decode(found.indices))
    assert torch.equal(latents, make_codec(model).latents(found.indices))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_of_the_calling_program_moves_nothing(dtype: torch.dtype) -> None:
    model, rows = small_model(branches=True), random_rows()
    expected = make_codec(model).encode(rows)
    decoded, latents = make_codec(model).decode(expected.indices), make_codec(model).latents(expected.indices)
    with torch.autocast("cpu", dtype=dtype):
        found = make_codec(model).encode(rows)
        assert torch.equal(make_codec(model).decode(found.indices), decoded)
        assert torch.equal(make_codec(model).latents(found.indices), latents)
    assert torch.equal(found.indices, expected.indices)
    assert torch.equal(found.error, expected.error)


BACKENDS = """
import torch
from spinlock.runtime.precision import full_precision
{setting} = "{value}"
b = torch.backends
def now():
    return [b.fp32_precision, b.cuda.matmul.fp32_precision, b.mkldnn.matmul.fp32_precision]
before = now()
with full_precision():
    assert now()[1:] == ["ieee", "ieee"], now()
assert now() == before, (before, now())
"""


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("torch.backends.cuda.matmul.fp32_precision", "tf32"),
        ("torch.backends.fp32_precision", "tf32"),
        ("torch.backends.mkldnn.matmul.fp32_precision", "bf16"),
    ],
)
def test_a_precision_set_for_one_backend_is_put_aside_and_restored(setting: str, value: str) -> None:
    # In a process of its own: torch remembers for good that this way of setting it was used.
    script = BACKENDS.format(setting=setting, value=value)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_row_alone_has_the_tokens_it_has_among_others() -> None:
    model, rows = small_model(branches=True), random_rows().repeat(30, 1)
    assert len(rows) > BLOCK
    whole = make_codec(model).encode(rows)
    for row in (0, 7, BLOCK, len(rows) - 1):
        alone = make_codec(model).encode(rows[row : row + 1])
        assert torch.equal(alone.indices[0], whole.indices[row])
        assert torch.equal(alone.error[0], whole.error[row])


def test_no_rows_are_no_tokens() -> None:
    model, rows = small_model(), random_rows()[:0]
    found = make_codec(model).encode(rows)
    assert found.indices.shape == (0, 4, 3)
    assert make_codec(model).decode(found.indices).shape == (0, rows.shape[1])
