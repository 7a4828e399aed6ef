"""Encoding in fixed blocks does not depend on the batch or on the global precision settings."""

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


def test_tokens_do_not_depend_on_the_matmul_precision_which_is_restored(precision: str) -> None:
    model, rows = small_model(branches=True), random_rows()
    encoded = make_codec(model).encode(rows)
    decoded, latents = make_codec(model).decode(encoded.indices), make_codec(model).latents(encoded.indices)
    assert torch.get_float32_matmul_precision() == precision
    torch.set_float32_matmul_precision("highest")
    again = make_codec(model).encode(rows)
    assert torch.equal(encoded.indices, again.indices)
    assert torch.equal(encoded.error, again.error)
    assert torch.equal(decoded, make_codec(model).decode(encoded.indices))
    assert torch.equal(latents, make_codec(model).latents(encoded.indices))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_tokens_do_not_depend_on_autocast(dtype: torch.dtype) -> None:
    model, rows = small_model(branches=True), random_rows()
    expected = make_codec(model).encode(rows)
    decoded, latents = make_codec(model).decode(expected.indices), make_codec(model).latents(expected.indices)
    with torch.autocast("cpu", dtype=dtype):
        encoded = make_codec(model).encode(rows)
        assert torch.equal(make_codec(model).decode(encoded.indices), decoded)
        assert torch.equal(make_codec(model).latents(encoded.indices), latents)
    assert torch.equal(encoded.indices, expected.indices)
    assert torch.equal(encoded.error, expected.error)


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
def test_full_precision_overrides_and_restores_the_precision_of_a_backend(setting: str, value: str) -> None:
    # In a separate process, because torch cannot forget that this setting was used.
    script = BACKENDS.format(setting=setting, value=value)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_single_row_has_the_same_tokens_as_in_a_batch() -> None:
    model, rows = small_model(branches=True), random_rows().repeat(30, 1)
    assert len(rows) > BLOCK
    whole = make_codec(model).encode(rows)
    for row in (0, 7, BLOCK, len(rows) - 1):
        single = make_codec(model).encode(rows[row : row + 1])
        assert torch.equal(single.indices[0], whole.indices[row])
        assert torch.equal(single.error[0], whole.error[row])


def test_an_empty_batch_has_no_tokens() -> None:
    model, rows = small_model(), random_rows()[:0]
    encoded = make_codec(model).encode(rows)
    assert encoded.indices.shape == (0, 4, 3)
    assert make_codec(model).decode(encoded.indices).shape == (0, rows.shape[1])
