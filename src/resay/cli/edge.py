"""The outermost layer: commands in, exit codes and one-line errors out."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Annotated

import typer

from .. import __version__
from ..errors import BadOption, BadRequest, ResayError
from . import audition, batch, clean, doctor, jobs, keys, lexicon, phonemes, replays, seeds, serve, speak, voices
from .messages import message

app = typer.Typer(
    name="resay",
    help="Say it again, exactly: clone a voice, choose a seed, get the same speech every time.",
    add_completion=False,
    rich_markup_mode=None,
)
app.command("speak")(speak.speak)
app.command("voices")(voices.listing)
app.command("phonemes")(phonemes.phonemes)
app.command("doctor")(doctor.doctor)
app.command("providers")(doctor.providers)
app.command("audition")(audition.audition_command)
app.command("batch")(batch.batch_command)
app.command("replay")(replays.replay_command)
app.command("verify")(replays.verify_command)
app.command("compare")(replays.compare_command)
app.command("archive")(replays.archive_command)
app.command("clean")(clean.clean)
app.command("serve")(serve.serve)
app.command("studio")(serve.studio)
app.add_typer(voices.app, name="voice")
app.add_typer(keys.app, name="key")
app.add_typer(seeds.app, name="seeds")
app.add_typer(jobs.app, name="jobs")
app.add_typer(lexicon.app, name="lexicon")

# Commands of other parts of the house: their options are their own, their dependencies an extra, so they are loaded
# only when they are called, and get all arguments unread.
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"resay {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options before the command: they belong to resay as a whole."""


@app.command("train", context_settings=PASS_ON, add_help_option=False)
def train(context: typer.Context) -> None:
    """Train the networks (extra: train)."""
    _pass_on("train", "resay.train.command", context)


@app.command("evaluate", context_settings=PASS_ON, add_help_option=False)
def evaluate(context: typer.Context) -> None:
    """Judge finished audio (extra: evaluate)."""
    _pass_on("evaluate", "resay.evaluate.command", context)


@app.command("tune", context_settings=PASS_ON, add_help_option=False)
def tune(context: typer.Context) -> None:
    """Fit a voice to a minute of recordings (extra: train)."""
    _pass_on("tune", "resay.tuning.command", context, "train")


@app.command("export", context_settings=PASS_ON, add_help_option=False)
def export(context: typer.Context) -> None:
    """Write the weights in another precision (extra: export)."""
    _pass_on("export", "resay.train.precision_command", context)


@app.command("bench", context_settings=PASS_ON, add_help_option=False)
def bench(context: typer.Context) -> None:
    """Measure speed and memory."""
    _pass_on("bench", "resay.evaluate.bench", context)


def _pass_on(name: str, module: str, context: typer.Context, extra: str | None = None) -> None:
    command = typer.main.get_command(_loaded(name, module, extra or name).app)
    result = command.main(args=context.args, prog_name=f"resay {name}", standalone_mode=False)
    if isinstance(result, int) and result:
        raise typer.Exit(result)


def _loaded(name: str, module: str, extra: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "resay"):
            raise
        raise BadRequest(message("extra", command=name, module=missing, extra=extra)) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; every failure is one line on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal without Chinese shall not stop us from speaking it
    try:
        command = typer.main.get_command(app)
        result = command.main(args=arguments, prog_name="resay", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except ResayError as error:
        return _fail(message("error", problem=_one_line(str(error))), error.exit_code)
    except typer.TyperException as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(message("error", problem=message("interrupted")), 130)
    except BrokenPipeError:
        # The reader has gone, as `| head` does. Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the edge: whatever got here is a fault of ours, told in one line all the same
        if os.environ.get("RESAY_DEBUG"):
            traceback.print_exc()
        problem = _one_line(f"{type(error).__name__}: {error}")
        return _fail(message("error", problem=message("internal", problem=problem)), 1)


def _misused(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "resay"
    problem = _one_line(error.format_message()).replace("Value error, ", "") or "Missing command."
    return _fail(message("error", problem=message("usage", problem=problem, command=command)), BadOption.exit_code)


def _fail(line: str, exit_code: int) -> int:
    print(line, file=sys.stderr)
    return exit_code


def _one_line(text: str) -> str:
    return " ".join(text.split())
