"""Format version 1: files frozen when it was first released."""

from pathlib import Path

import numpy as np
import pytest

from spinlock import Tokenizer
from spinlock.data.tokenfile import TokenFile

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def frozen() -> dict[str, np.ndarray]:
    with np.load(HERE / "features_v1.npz") as stored:
        return dict(stored)


def test_a_checkpoint_of_version_1_encodes_as_it_did(frozen: dict[str, np.ndarray]) -> None:
    tokenizer = Tokenizer.load(HERE / "checkpoint_v1.pt")
    assert np.array_equal(tokenizer.encode(frozen["features"]), frozen["tokens"])


def test_a_checkpoint_of_version_1_decodes_as_it_did(frozen: dict[str, np.ndarray]) -> None:
    tokenizer = Tokenizer.load(HERE / "checkpoint_v1.pt")
    np.testing.assert_allclose(tokenizer.decode(frozen["tokens"]), frozen["decoded"], rtol=1e-4, atol=1e-5)


def test_a_token_file_of_version_1_is_read(frozen: dict[str, np.ndarray]) -> None:
    with TokenFile.open(HERE / "tokens_v1.h5") as tokens:
        assert np.array_equal(tokens.indices, frozen["tokens"])
        assert tokens.attributes["model_sha256"] == Tokenizer.load(HERE / "checkpoint_v1.pt").sha256()
