"""Older formats: files frozen when each was first written."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from spinlock import Tokenizer
from spinlock.checkpoint.file import FORMAT_VERSION, load_checkpoint
from spinlock.errors import CheckpointError
from spinlock.io.tokens import TokenFile

HERE = Path(__file__).parent


def stored(name: str) -> dict[str, np.ndarray]:
    with np.load(HERE / name) as file:
        return dict(file)


@pytest.fixture(scope="module")
def frozen() -> dict[str, np.ndarray]:
    return stored("features_v1.npz")


def test_a_checkpoint_of_version_1_encodes_as_it_did(frozen: dict[str, np.ndarray]) -> None:
    tokenizer = Tokenizer.load(HERE / "checkpoint_v1.pt")
    assert np.array_equal(tokenizer.encode(frozen["features"]), frozen["tokens"])


def test_a_checkpoint_of_version_1_has_the_keys_that_came_later() -> None:
    found = load_checkpoint(HERE / "checkpoint_v1.pt")
    assert found.content["format_version"] == FORMAT_VERSION == 3
    for name in ("config", "requested_config"):
        values = found.content[name]
        assert (values["target_quality"], values["max_bits"], values["comparison_rate"]) == (0.9, None, None)
    assert found.spec.beam_width == 1
    assert found.spec.gelu == "tanh"


def test_joint_codes_of_version_1_are_refused(tmp_path: Path) -> None:
    content = torch.load(HERE / "checkpoint_v1.pt", weights_only=True)
    content["model_spec"]["assignment"] = "joint"
    torch.save(content, tmp_path / "joint.pt")
    with pytest.raises(CheckpointError, match="joint codes of format version 1"):
        load_checkpoint(tmp_path / "joint.pt")


def test_a_checkpoint_of_version_1_decodes_as_it_did(frozen: dict[str, np.ndarray]) -> None:
    tokenizer = Tokenizer.load(HERE / "checkpoint_v1.pt")
    np.testing.assert_allclose(tokenizer.decode(frozen["tokens"]), frozen["decoded"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("assignment", ["local", "joint"])
def test_a_checkpoint_of_version_2_encodes_and_decodes_as_it_did(assignment: str) -> None:
    frozen = stored("features_v2.npz")
    tokenizer = Tokenizer.load(HERE / f"checkpoint_v2_{assignment}.pt")
    tokens = tokenizer.encode(frozen["features"])
    assert np.array_equal(tokens, frozen[f"tokens_{assignment}"])
    np.testing.assert_allclose(tokenizer.decode(tokens), frozen[f"decoded_{assignment}"], rtol=1e-5, atol=2e-6)


def test_a_token_file_of_version_1_is_read(frozen: dict[str, np.ndarray]) -> None:
    with TokenFile.open(HERE / "tokens_v1.h5") as tokens:
        assert np.array_equal(tokens.indices, frozen["tokens"])
        assert tokens.attributes["model_sha256"] == Tokenizer.load(HERE / "checkpoint_v1.pt").sha256()


@pytest.mark.parametrize("file", ["checkpoint_v1.pt", "checkpoint_v2_local.pt"])
@pytest.mark.parametrize("spec", [{}, [], {"groups": [1, 2]}, None], ids=str)
def test_a_damaged_spec_of_an_older_version_is_refused(file: str, spec: object, tmp_path: Path) -> None:
    content = torch.load(HERE / file, weights_only=True)
    content["model_spec"] = content["model_spec"] | spec if spec and isinstance(spec, dict) else spec
    torch.save(content, tmp_path / "damaged.pt")
    with pytest.raises(CheckpointError, match=r"is damaged: .*model_spec cannot be read"):
        Tokenizer.load(tmp_path / "damaged.pt")


def test_buckets_before_version_3_went_by_powers_of_two(tmp_path: Path) -> None:
    content = torch.load(HERE / "checkpoint_v2_local.pt", weights_only=True)
    spec, ends = content["model_spec"], [0, 65, 129, 162, 194, 199]
    spec["groups"] = [list(range(first, end)) for first, end in pairwise(ends)]
    for name in ("category_names", "latent_dims", "num_codes"):
        spec[name] = spec[name][:1] * 5
    torch.save(content, tmp_path / "wide.pt")
    assert load_checkpoint(tmp_path / "wide.pt").spec.bucket_sizes == (1, 2, 2)
