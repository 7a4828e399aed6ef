"""The command-line application: global options, commands, and the exit code after an error."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from spinlock import __version__
from spinlock.cli.commands import (
    decode_tokens,
    discover_categories,
    encode_to_tokens,
    extract_features,
    generate,
    inspect,
    train_vqvae,
)
from spinlock.cli.terminal import INTERRUPTED
from spinlock.errors import SpinlockError

app = typer.Typer(
    name="spinlock",
    help="Tokenizer for the behavior of dynamical operators.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)


class _Command(TyperCommand):
    """A command whose help ends with an example.

    The example stands below ``\\f`` in the docstring. It is printed in one line on a terminal of any width, so that it
    can be pasted.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        text, _, example = str(settings.pop("help", "")).partition("\f")
        super().__init__(name, help=text.strip(), **settings)
        self.example = " ".join(example.split())

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        typer.secho(" Example", bold=True)
        typer.echo(f"\n{self.example}")


app.command("generate", cls=_Command)(generate.generate)
app.command("extract-features", cls=_Command)(extract_features.extract_features)
app.command("train-vqvae", cls=_Command)(train_vqvae.train_vqvae)
app.command("encode-to-tokens", cls=_Command)(encode_to_tokens.encode_to_tokens)
app.command("decode-tokens", cls=_Command)(decode_tokens.decode_tokens)
app.command("discover-categories", cls=_Command)(discover_categories.discover_categories)
app.command("inspect", cls=_Command)(inspect.inspect)


class _Settings:
    debug = False


def _version(value: bool) -> None:
    if value:
        typer.echo(f"spinlock {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Turn tables of behavioral features into discrete tokens, and back."""
    _Settings.debug = debug


def run() -> None:
    """Run the command line. Exit codes: 0 success, 1 wrong input, value or run, 2 usage, 130 interrupted."""
    for name in ("SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # else the interpreter reports a failed flush at exit
        sys.exit(1)
    except Exception as error:
        if _Settings.debug:
            raise
        print(f"error: {_one_line(error)}", file=sys.stderr)
        sys.exit(1)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End the command as Ctrl-C does, so that no unfinished file is left."""
    raise KeyboardInterrupt


def _one_line(error: Exception) -> str:
    if isinstance(error, SpinlockError):
        return str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error)):
        return "out of memory; use fewer rows, a smaller batch, or a machine with more"
    if type(error).__name__ == "OutOfMemoryError":  # the class of torch, whose import takes seconds
        return "out of the device's memory; use --device cpu, fewer fit_rows, or a device with more"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    first = (str(error).splitlines() or [""])[0]
    return f"a defect of the program ({type(error).__name__}: {first}); --debug shows where"
