"""``--help`` and ``--version`` are fast, because they do not import numeric libraries."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

import spinlock
from spinlock.cli.main import app
from tests.cli.workspace import Workspace

COMMANDS = (
    "generate",
    "extract-features",
    "train-vqvae",
    "encode-to-tokens",
    "decode-tokens",
    "evaluate-tokens",
    "visualize-codebooks",
    "discover-categories",
    "join",
    "train-ano",
    "predict-operators",
    "evaluate-ano",
    "inspect",
)

MODULES = """
import runpy, sys
try:
    runpy.run_module("spinlock", run_name="__main__", alter_sys=True)
finally:
    print("modules:", *{name.partition(".")[0] for name in sys.modules})
"""

SECONDS = 0.5
START = 0.03
"""Maximum processor seconds of the help, and the seconds in which the bare interpreter starts on the same machine."""


def processor_seconds(*arguments: str) -> float:
    """Minimum processor time of five processes. Other programs on the machine can only increase it."""
    taken = []
    for _ in range(5):
        process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        taken.append(usage.ru_utime + usage.ru_stime)
    return min(taken)


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=str)
def test_help_does_not_import_numeric_libraries(trained: Workspace, command: tuple[str, ...]) -> None:
    result = trained.run(*command, "--help", program=("-c", MODULES))
    assert result.returncode == 0
    text, _, modules = result.stdout.rpartition("modules: ")
    assert not {"torch", "h5py", "sklearn", "scipy", "numpy", "pandas", "matplotlib", "jinja2"} & set(modules.split())
    assert "Usage" in text
    words = ("Example", f"spinlock {command[0]}", "--") if command else COMMANDS
    for word in words:
        assert word in text, (word, text)


@pytest.mark.parametrize("command", [(), ("train-vqvae",)], ids=str)
def test_help_takes_at_most_half_a_second(trained: Workspace, command: tuple[str, ...]) -> None:
    slowness = max(1.0, processor_seconds("-c", "pass") / START)
    assert processor_seconds("-m", "spinlock", *command, "--help") < SECONDS * slowness


def test_version_is_printed(trained: Workspace) -> None:
    assert trained.run_checked("--version").stdout == f"spinlock {spinlock.__version__}\n"


def test_no_command_shows_the_help(trained: Workspace) -> None:
    result = trained.run()
    assert result.returncode == 2
    assert "train-vqvae" in result.stdout + result.stderr


def printed_help(command: str, width: int) -> list[str]:
    """The lines of ``--help`` on a terminal of this width, without empty ones."""
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": str(width)})
    assert result.exit_code == 0
    return [line for line in result.stdout.splitlines() if line.strip()]


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_is_one_line_that_the_command_accepts(name: str, width: int) -> None:
    lines = printed_help(name, width)
    assert max(len(line) for line in lines if line.startswith("│")) == width
    assert lines[-2] == " Example"
    program, command, *arguments = shlex.split(lines[-1])
    assert (program, command) == ("spinlock", name)
    parser = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    context = parser.make_context(name, list(arguments))
    used_options = {parameter.opts[0] for parameter in parser.params} & set(arguments)
    assert used_options == {word for word in arguments if word.startswith("--")}
    assert not context.args


def test_the_output_of_an_example_is_the_input_of_the_next_ones() -> None:
    """The examples can be pasted one after the other."""
    words = {name: shlex.split(printed_help(name, 80)[-1]) for name in COMMANDS}

    def value(command: str, option: str) -> str:
        return words[command][words[command].index(option) + 1]

    dataset, run = value("generate", "--output"), value("train-vqvae", "--output")
    assert value("train-vqvae", "--input") == value("encode-to-tokens", "--dataset") == dataset
    assert value("discover-categories", "--input") == dataset
    for name in ("encode-to-tokens", "decode-tokens", "inspect"):
        assert value(name, "--vqvae-model") == f"{run}/best_model.pt"
    assert value("decode-tokens", "--tokens") == words["inspect"][2] == value("encode-to-tokens", "--output")
    repository = Path(__file__).parents[2]
    for name in ("generate", "train-vqvae", "discover-categories"):
        assert (repository / value(name, "--config")).is_file()


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_word_of_the_help_is_truncated(name: str, width: int) -> None:
    parser = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    text = " ".join(printed_help(name, width))
    words = set(re.sub(r"[│╭╮╰╯─]", " ", text).split())
    for parameter in parser.params:
        helped = (parameter.help or "").split()
        assert set(helped) <= words, set(helped) - words
        assert parameter.param_type_name == "argument" or parameter.opts[0] in words
