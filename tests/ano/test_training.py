"""Training of a member: the regression of an operator of the training is fitted without this operator."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import spinlock as sl
from spinlock.ano.training.loop import plan_targets
from spinlock.ano.training.losses import member_losses
from spinlock.ano.training.plan import Plan, make_plan
from spinlock.config.loading import resolve_ano_config
from tests.ano.world import SMALL, make_world, write_world

SETTINGS = SMALL | {"members": 1, "epochs": 2, "embedding_dim": 64, "validation_fraction": 0.3}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    # Without a decoder the regression has 64 axes instead of 6, and fits its own rows much better than other rows.
    path = write_world(tmp_path_factory.mktemp("training") / "tokens.h5", make_world(1600), decoder=False)
    return make_plan(resolve_ano_config(SETTINGS, {"tokens_path": path}))


def test_the_loss_of_fit_operators_is_that_of_new_operators_before_training(plan: Plan) -> None:
    new = plan.new_member(1)
    fit, choose = (plan_targets(plan, operators, seed=0) for operators in (plan.split.train, plan.split.validation))
    assert new.left_out.shape == fit.points.shape
    new.member.eval()
    inside, left_out, unseen = (
        member_losses(new.member, targets, plan.space).parameters.item()
        for targets in (fit, replace(fit, left_out=new.left_out), choose)
    )
    assert abs(left_out - unseen) < 0.1
    assert unseen - inside > 0.2


def test_training_does_not_change_the_random_numbers_of_the_caller(plan: Plan) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    sl.ANO.fit(plan.config.tokens_path, SETTINGS, epochs=1)
    torch.testing.assert_close(torch.rand(4), expected, rtol=0, atol=0)


def test_the_regression_is_constant_and_the_density_is_trained(plan: Plan, tmp_path: Path) -> None:
    initial = plan.new_member(1).member.state_dict()
    trained = sl.ANO.fit(plan.config.tokens_path, SETTINGS).checkpoint.members[0]
    regression = [name for name in initial if name.startswith("density_heads") and ".linear." in name]
    assert len(regression) == 4
    for name in regression:
        torch.testing.assert_close(trained[name], initial[name], rtol=0, atol=0)
    assert any(not torch.equal(trained[name], initial[name]) for name in initial if ".mixture." in name)
    assert np.isfinite(plan.new_member(1).left_out.numpy()).all()
