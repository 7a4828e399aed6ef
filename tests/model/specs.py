"""A small model for tests: four categories in two buckets, with different codebooks."""

from collections.abc import Iterator

import torch

from spinlock.model import CategoricalVQVAE, ModelSpec, build_network
from spinlock.model.network.bucket import CategoryBucket

COLUMNS = 51
_ORDER = [7 * i % COLUMNS for i in range(COLUMNS)]
GROUPS = (tuple(_ORDER[:40]), tuple(_ORDER[40:45]), tuple(_ORDER[45:49]), tuple(_ORDER[49:]))
NUM_CODES = ((5, 7, 3), (2, 4, 8), (6, 2, 5), (3, 3, 4))
LATENT_DIMS = ((4, 8, 8), (4, 8, 8), (4, 4, 4), (4, 4, 4))


def small_spec() -> ModelSpec:
    """The sizes of the small model. Its embeddings have width 6, narrower than the widest latent."""
    names, buckets = ("a", "b", "c", "d"), (1, 3)
    return ModelSpec(names, GROUPS, 6, 10, LATENT_DIMS, NUM_CODES, decoder_dim=10, bucket_sizes=buckets)


def small_model(*, learned_codes: bool = False, branches: bool = False) -> CategoricalVQVAE:
    """A model of :func:`small_spec`; with ``branches``, parts that are initially zero get random weights."""
    model = build_network(small_spec(), learned_codes=learned_codes, seed=3)
    if branches:
        generator = torch.Generator().manual_seed(4)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith(("output", "bias")):
                    parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def random_rows(count: int = 50, seed: int = 0) -> torch.Tensor:
    """Rows [count, D] for :func:`small_model`."""
    return torch.randn(count, COLUMNS, generator=torch.Generator().manual_seed(seed))


def each_category(model: CategoricalVQVAE) -> Iterator[tuple[int, CategoryBucket, int]]:
    """(number of the category, its bucket, its position in the bucket) of each category."""
    for block in model.each_bucket():
        for place, category in enumerate(range(model.spec.num_categories)[block.members]):
            yield category, block, place
