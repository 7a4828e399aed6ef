"""Which share of the learning rate each parameter takes."""

import pytest

from spinlock.training.optimizer import (
    BRANCH_SHARE,
    ENCODER_SHARE,
    LINEAR_SHARE,
    READOUT_SHARE,
    learning_share,
    make_optimizer,
)
from tests.model.specs import small_model


def test_every_parameter_has_its_share_of_the_learning_rate() -> None:
    model = small_model(learned_codes=True)
    shares = {name: learning_share(name) for name, _ in model.named_parameters()}
    assert shares["blocks.0.encoder.linear"] == shares["blocks.1.quantizer.levels.2.down"] == ENCODER_SHARE
    assert shares["blocks.0.partial_decoders.linear"] == shares["blocks.1.partial_decoders.bias"] == READOUT_SHARE
    assert shares["decoder.linear"] == LINEAR_SHARE
    assert shares["decoder.hidden"] == shares["decoder.bias"] == BRANCH_SHARE
    groups = make_optimizer(model, 0.1, warm=True).param_groups
    owner = {id(member): group["share"] for group in groups for member in group["params"]}
    assert owner == {id(member): shares[name] for name, member in model.named_parameters()}
    assert [group["lr"] for group in groups] == [pytest.approx(0.1 * group["share"]) for group in groups]
    (whole,) = make_optimizer(model, 0.1, warm=False).param_groups
    assert whole["share"] == 1.0
