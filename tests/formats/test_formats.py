"""Files that an earlier version wrote give the tokens that they gave then; ``freeze`` wrote them."""

from pathlib import Path

import numpy as np
import pytest

from spinlock import Tokenizer

HERE = Path(__file__).parent
FROZEN = sorted(path.stem.removeprefix("checkpoint_") for path in HERE.glob("checkpoint_*.pt"))


def test_both_assignments_of_format_1_are_frozen() -> None:
    assert {"joint_v1", "local_v1"} <= set(FROZEN)


@pytest.mark.parametrize("stem", FROZEN)
def test_a_frozen_checkpoint_encodes_and_decodes_as_it_did(stem: str) -> None:
    tokenizer = Tokenizer.load(HERE / f"checkpoint_{stem}.pt")
    expected = np.load(HERE / f"expected_{stem}.npz")
    tokens = tokenizer.encode(expected["x"])
    assert len(np.unique(tokens, axis=0)) > 20
    np.testing.assert_array_equal(tokens, expected["tokens"])
    np.testing.assert_allclose(tokenizer.decode(tokens), expected["decoded"], rtol=1e-5, atol=1e-5)
