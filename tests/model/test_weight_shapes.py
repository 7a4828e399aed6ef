"""The shapes that follow from a specification are those of the network."""

from dataclasses import replace

import pytest

from spinlock.model import ModelSpec, build_network
from spinlock.model.weight_shapes import weight_shapes
from tests.model.specs import small_spec

UNEQUAL = ModelSpec(
    category_names=("a", "b", "c", "d"),
    groups=((0, 1, 2, 3, 4, 5, 6, 7, 8), (9, 10, 11), (12, 13), (14,)),
    embedding_dim=6,
    hidden_dim=5,
    latent_dims=((4, 8, 12), (4, 4, 4), (4, 4, 8), (4, 4, 4)),
    num_codes=((5, 4, 3), (2, 9, 1), (1, 1, 1), (3, 2, 7)),
    decoder_dim=7,
    bucket_sizes=(1, 2, 1),
)


@pytest.mark.parametrize("learned_codes", [False, True])
@pytest.mark.parametrize("assignment", ["local", "joint"])
@pytest.mark.parametrize(
    "spec",
    [small_spec(), UNEQUAL, replace(UNEQUAL, bucket_sizes=(4,)), replace(UNEQUAL, decoder_dim=0)],
    ids=["small", "unequal", "one bucket", "no hidden layer"],
)
def test_shapes_are_those_of_the_state_dict(spec: ModelSpec, assignment: str, learned_codes: bool) -> None:
    spec = replace(spec, assignment=assignment)
    state = build_network(spec, learned_codes=learned_codes).state_dict()
    assert weight_shapes(spec) == {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert {str(tensor.dtype) for name, tensor in state.items() if name.endswith(".age")} == {"torch.int64"}
    assert {str(tensor.dtype) for name, tensor in state.items() if not name.endswith(".age")} == {"torch.float32"}


def test_sizes_that_no_machine_could_hold_take_no_memory() -> None:
    shapes = weight_shapes(replace(UNEQUAL, num_codes=((10**12, 1, 1),) * 4, hidden_dim=10**9))
    assert shapes["buckets.0.quantizer.levels.0.codes"] == (1, 10**12, 4)
