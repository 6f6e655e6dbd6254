"""`resay speak`: one text, one voice, one seed, one sound."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .. import audio, manifest, outputs, subtitles, takes
from ..errors import BadOption
from ..synthesis import Piece, Request
from ..takes import Cast, Take
from . import casting, options, sources
from .messages import message

if TYPE_CHECKING:
    from ..synthesis import Engine

OUTPUTS = Path("outputs")
TITLE = 24  # characters of the text in a file name that we choose

Subtitles = Literal["srt", "vtt", "textgrid", "json"]


@dataclass(frozen=True)
class Destination:
    """Where the sound goes and in what shape. Without a file it is standard output, and there is no manifest."""

    file: Path | None
    manifest: Path | None
    format: str
    stream: bool
    subtitles: Subtitles | None = None
    embed: bool = False


@options.grouped
def speak(
    text: options.Text = None,
    file: options.File = None,
    who: casting.Who = casting.Who(),
    prompt_text: options.PromptText = None,
    manner: casting.Manner = casting.Manner(),
    sample_rate: options.SampleRate = audio.FORMAT.sample_rate,
    format_: options.FileFormat = None,
    stream: Annotated[bool, typer.Option("--stream", help="Hand on every piece as soon as it is made.")] = False,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="OUT|-", help="By default in outputs/.")
    ] = None,
    subtitle_format: Annotated[Subtitles | None, typer.Option("--subtitles", help="Write OUT's subtitles.")] = None,
    embed_manifest: options.Embed = False,
    shelves: sources.Shelves = sources.Shelves(),
    weights: sources.Weights = sources.Weights(),
    as_json: options.Json = False,
) -> None:
    """Speak TEXT in a voice, or in that of a clip. Prints the seed; writes a manifest beside the sound."""
    known = casting.role(who.role, shelves.seeds_file)
    names = replace(who.names(), words=prompt_text).with_role(known)
    if names.voice is None:
        raise BadOption(message("no_voice"))
    request = manner.request(sources.raw_text(text, file), known, sample_rate)
    title = f"{titled(request.text, names.voice)}-{request.seed}"
    destination = _destination(output, format_, stream, subtitle_format, title, embed_manifest)
    if as_json and destination.file is None:
        raise BadOption(message("both_outputs"))
    casting.warn_of(request.text)
    found = casting.chosen(names, shelves.library, known)
    if prompt_text is not None and found.words is None:
        raise BadOption(message("not_with", option="--prompt-text", other=f"--voice {names.voice}"))
    engine = sources.engine(weights)
    _print(_perform(engine, request, casting.cast(found, request, engine), destination), destination, as_json)


def _perform(engine: Engine, request: Request, cast: Cast, destination: Destination) -> dict[str, object]:
    day = date.today()
    if destination.file is None:
        sink = _stream_sink(destination, request.sample_rate)
        made = takes.take(engine, request, cast, sink, day=day, file_format=destination.format, watch=shown)
        return _report(made, destination, None)
    with outputs.staging() as staged:
        made = takes.record(
            engine,
            request,
            cast,
            staged,
            destination.file,
            day=day,
            file_format=destination.format,
            embed=destination.embed,
            watch=shown,
        )
        subtitle_file = _stage_subtitles(made, destination, staged)
    return _report(made, destination, subtitle_file)


def _destination(
    output: str | None,
    file_format: str | None,
    stream: bool,
    subtitle_format: Subtitles | None,
    title: str,
    embed: bool,
) -> Destination:
    if output == "-":
        if subtitle_format is not None:
            raise BadOption(message("subtitles_need_file"))
        if embed:
            raise BadOption(message("not_with", option="--embed-manifest", other="-o -"))
        return Destination(None, None, file_format or "wav", stream)
    file = OUTPUTS / f"{title}.{file_format or 'wav'}" if output is None else Path(output)
    file_format = file_format or audio.format_of(file)
    return Destination(file, manifest.beside(file), file_format, stream, subtitle_format, embed)


def titled(text: str, voice: str) -> str:
    """The stem of a file name that we choose: the text's first words and the voice."""
    words = "".join(letter if letter.isalnum() else " " for letter in text[: 4 * TITLE]).split()
    return f"{'-'.join(words)[:TITLE].strip('-') or 'speech'}-{Path(voice).stem}"


def _report(take: Take, destination: Destination, subtitle_file: Path | None) -> dict[str, object]:
    files = {"output": destination.file, "manifest": destination.manifest, "subtitles": subtitle_file}
    made = take.manifest
    return {
        **{name: None if file is None else str(file) for name, file in files.items()},
        "seed": made.request.seed,
        "voice": made.voice.name,
        "seconds": made.output.seconds,
        "sample_rate": made.output.sample_rate,
        "bandwidth": made.output.bandwidth,
        "pieces": len(made.pieces),
        "digest": made.output.digest,
        "real_time_factor": round(take.seconds_taken / max(made.output.seconds, 1e-3), 4),
        "first_sound_seconds": round(take.first_sound, 4),
    }


def _stream_sink(destination: Destination, sample_rate: int) -> outputs.Sink:
    if destination.stream:
        return outputs.StreamSink(sys.stdout.buffer, destination.format, sample_rate)
    return outputs.WholeSink(sys.stdout.buffer, destination.format)


def shown(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, with a progress line on standard error where somebody watches it."""
    if not sys.stderr.isatty():
        yield from pieces
        return
    from rich.console import Console

    seconds = 0.0
    with Console(stderr=True).status(message("speaking")) as status:
        for piece in pieces:
            seconds += piece.audio.seconds
            status.update(f"{message('speaking')} {seconds:.1f} s")
            yield piece


def _stage_subtitles(take: Take, destination: Destination, staged: outputs.Staging) -> Path | None:
    if destination.subtitles is None or destination.file is None:
        return None
    file = destination.file.with_suffix(subtitles.ENDINGS[destination.subtitles])
    staged.add(file, subtitles.write(take.cues, destination.subtitles).encode())
    return file


def _print(report: dict[str, object], destination: Destination, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
        return
    line = message(
        "spoken",
        output=destination.file or message("standard_output"),
        seconds=report["seconds"],
        voice=report["voice"],
        seed=report["seed"],
        factor=report["real_time_factor"],
    )
    print(line, file=sys.stderr if destination.file is None else sys.stdout)
