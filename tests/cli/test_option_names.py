"""Errors on the command line name options, where errors of Python calls name keyword arguments."""

import pytest

from spinlock.cli.option_names import message_with_options
from spinlock.errors import ConfigError, DataError
from tests.cli.workspace import Workspace


@pytest.mark.parametrize(
    ("remedy", "shown"),
    [
        ("pass overwrite=True to replace it", "pass --overwrite to replace it"),
        ("pass device='cpu'", "pass --device cpu"),
        ("start again with batch_size=128", "start again with --batch-size 128"),
        (
            "resume the run, or start again, with val_batch_size=4",
            "resume the run, or start again, with --set val_batch_size=4",
        ),
        ("pass resume_from=... to continue it, or output_dir=...", "pass --resume-from to continue it, or --output"),
        ("choose another output", "choose another output"),
    ],
)
def test_keywords_of_a_remedy_become_options(remedy: str, shown: str) -> None:
    error = DataError("overwrite=True is here", where="a=b", remedy=remedy)
    assert message_with_options(error) == f"a=b: overwrite=True is here; {shown}"


def test_errors_without_a_remedy_are_not_changed() -> None:
    error = ConfigError(["epochs: got epochs=1"], where="config.json")
    assert message_with_options(error) == str(error)


def test_the_command_line_shows_options(tmp_path_factory: pytest.TempPathFactory) -> None:
    workspace = Workspace.make(tmp_path_factory.mktemp("options"))
    (workspace.path / "run").mkdir()
    workspace.text("run/best_model.pt", "mine")
    result = workspace.run("train-vqvae", "--config", "config.json")
    assert result.returncode == 1
    assert "--resume-from to continue the run, --overwrite to replace it, or --output" in result.stderr.replace(
        "\n", " "
    )
