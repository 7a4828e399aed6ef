"""The refit of the decoder against ridge regression, and its place at the end of training."""

from pathlib import Path

import pytest
import torch

from spinlock.initialization.decoder_refit import RIDGE, refit_decoder
from spinlock.model.codec import make_codec
from spinlock.training import steps
from tests.model.specs import random_rows, small_model
from tests.training.runs import config, new_run, train_in_memory, write_table_in


def test_the_change_of_the_decoder_is_a_ridge_regression_of_the_residual() -> None:
    model, rows = small_model(branches=True), random_rows(300)
    latents = model.flat_latents(make_codec(model).encode(rows).indices)
    before, rest = model.decoder.linear.detach().double(), (rows - model.decoder(latents)).detach().double()
    refit_decoder(model, rows)
    z = latents.double()
    change = torch.linalg.solve(z.t() @ z + RIDGE * 300 * torch.eye(z.shape[1]).double(), z.t() @ rest)
    torch.testing.assert_close(model.decoder.linear.detach().double(), before + change, rtol=1e-3, atol=1e-4)
    assert (rows - model.decoder(latents)).square().sum() < rest.square().sum()


@pytest.mark.parametrize(("assignment", "refits"), [("local", 1), ("joint", 0)])
def test_the_last_epoch_of_a_local_run_ends_with_a_refit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assignment: str, refits: int
) -> None:
    calls: list[int] = []

    def refit(model: torch.nn.Module, rows: torch.Tensor) -> None:
        calls.append(len(rows))
        refit_decoder(model, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "refit_decoder", refit)
    write_table_in(tmp_path)
    train_in_memory(new_run(config(tmp_path, epochs=3, assignment=assignment)))
    assert len(calls) == refits
