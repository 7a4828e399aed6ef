"""The command-line application: global options, commands, and the exit code after an error."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.rich_utils import rich_format_error

from spinlock import __version__
from spinlock.cli.commands import (
    decode_tokens,
    discover_categories,
    encode_to_tokens,
    evaluate_ano,
    evaluate_tokens,
    extract_features,
    generate,
    inspect,
    join,
    predict_operators,
    train_ano,
    train_vqvae,
    visualize_codebooks,
)
from spinlock.cli.option_names import message_with_options
from spinlock.cli.streams import discard_results, flush_results, prepare_streams
from spinlock.cli.terminal import INTERRUPTED, print_error_line
from spinlock.errors import MAX_PART_LENGTH, SpinlockError, printable, shortened

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

    The example follows ``\\f`` in the docstring. It is printed in one line for every width of the terminal, so that it
    can be copied.
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
app.command("evaluate-tokens", cls=_Command)(evaluate_tokens.evaluate_tokens)
app.command("visualize-codebooks", cls=_Command)(visualize_codebooks.visualize_codebooks)
app.command("discover-categories", cls=_Command)(discover_categories.discover_categories)
app.command("join", cls=_Command)(join.join)
app.command("train-ano", cls=_Command)(train_ano.train_ano)
app.command("predict-operators", cls=_Command)(predict_operators.predict_operators)
app.command("evaluate-ano", cls=_Command)(evaluate_ano.evaluate_ano)
app.command("inspect", cls=_Command)(inspect.inspect)


INTERRUPTIONS = ("SIGTERM", "SIGUSR1")
"""Signals that interrupt a command as Ctrl-C does, with its exit code."""

ENDINGS = ("SIGHUP", "SIGUSR2", "SIGXCPU")
"""Signals that also interrupt a command: a closed terminal and limits of schedulers. The exit code is 128 + number."""

_COMMAND_LINE_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""Base class of errors in the command line. Typer does not export it, and its module differs between versions."""


class _Settings:
    debug = False
    received: signal.Signals | None = None


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
    """Run the command line.

    The exit code is 0 after success, 1 after an error, 2 for wrong usage, and 130 after an interruption. A command that
    one of the signals :data:`ENDINGS` ended before it could save has 128 + the number of the signal.
    """
    prepare_streams()
    for name in (*INTERRUPTIONS, *ENDINGS):
        number = getattr(signal, name, None)
        if number is not None and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, _interrupt)
    sys.exit(_exit_code())


def _exit_code() -> int:
    """Run the command, print its error, and return the exit code."""
    try:
        code = app(standalone_mode=False)
        flush_results()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _COMMAND_LINE_ERROR as error:
        error.message = printable(error.message)
        rich_format_error(error)
        return int(error.exit_code)
    except BrokenPipeError:
        discard_results()
        return 1
    except Exception as error:
        if _Settings.debug:
            raise
        print_error_line(f"error: {_one_line(error)}")
        return 1
    received = _Settings.received
    if code == INTERRUPTED and received is not None and received.name in ENDINGS:
        return 128 + received
    return code if isinstance(code, int) else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Interrupt the command as Ctrl-C does, so that unfinished files are removed; a repeated signal is ignored."""
    if _Settings.received is None:
        _Settings.received = signal.Signals(number)
        raise KeyboardInterrupt


def _one_line(error: Exception) -> str:
    """Return the message of an error in one line."""
    if isinstance(error, SpinlockError):
        return message_with_options(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error)):
        return "out of memory; use fewer rows, a smaller batch size, or a machine with more memory"
    if type(error).__name__ == "OutOfMemoryError":  # the class is in torch, whose import takes seconds
        return "the device is out of memory; use --device cpu, a smaller fit_rows, or a device with more memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{printable(str(error.filename))}: {error.strerror}" if error.filename else error.strerror
    text = str(error).strip()
    if text.startswith("Invalid log settings"):  # the error of the import of torch
        settings = shortened(printable(os.environ.get("TORCH_LOGS", "")))
        return f"the environment variable TORCH_LOGS is {settings!r}, which torch refuses; correct it, or unset it"
    first = shortened(printable((text.splitlines() or [""])[0]), MAX_PART_LENGTH)
    return f"internal error: {type(error).__name__}: {first}; spinlock --debug shows the traceback"
