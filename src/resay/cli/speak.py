"""`resay speak`: one text, one voice, one seed, one sound."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .. import audio, manifest, outputs, subtitles
from ..errors import BadOption, BadText
from ..manifest import Input, Inputs, Manifest, Output, PieceRecord
from ..prosody import Sampling
from ..synthesis import Piece, Request
from ..voices import Voice
from . import options, sources
from .messages import message

if TYPE_CHECKING:
    from ..reference import Profile
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

    @property
    def file_name(self) -> str:
        return "" if self.file is None else self.file.name


@dataclass(frozen=True)
class Cast:
    """Who speaks, by whose leave, like whom, and with whose readings."""

    voice: str
    consent: str | None
    style: str | None
    lexicons: tuple[Path, ...]
    voices: Path | None


@dataclass(frozen=True, eq=False)
class Told:
    """What is left of speaking when the sound itself has been handed on."""

    pieces: tuple[PieceRecord, ...]
    cues: tuple[subtitles.Cue, ...]
    samples: int
    digest: str
    seconds_taken: float
    first_sound: float
    """Seconds from the request to its first piece of sound."""


def speak(
    text: options.Text = None,
    file: options.File = None,
    voice: Annotated[str | None, typer.Option("--voice", metavar="NAME|CLIP", help="Who speaks.")] = None,
    consent: options.Consent = None,
    prompt_text: Annotated[str | None, typer.Option(help="What is said in the clip.")] = None,
    style: Annotated[str | None, typer.Option("--style", metavar="NAME|CLIP", help="Who it is said like.")] = None,
    style_strength: Annotated[float, typer.Option(help="0 is neutral, 1 as in the style.")] = 1.0,
    language: options.InLanguage = "auto",
    seed: Annotated[
        str, typer.Option("--seed", metavar="N|random", help="The same seed gives the same speech.")
    ] = "42",
    sampling: Annotated[Literal["ras", "topk", "greedy"], typer.Option(help="How prosody is drawn.")] = "ras",
    top_k: Annotated[int | None, typer.Option(help="Choices to draw from.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Above 1 is livelier.")] = None,
    speed: Annotated[float, typer.Option(help="0.25 to 4; 2 is twice as fast.")] = 1.0,
    lexicon: options.Lexicons = None,
    sample_rate: Annotated[
        int, typer.Option(metavar="24000|32000", help="Samples a second.")
    ] = audio.FORMAT.sample_rate,
    context: Annotated[bool, typer.Option("--context/--no-context", help="Carry intonation over sentences.")] = False,
    format_: Annotated[Literal["wav", "mp3", "opus", "flac", "pcm"] | None, typer.Option("--format")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Hand on every piece as soon as it is made.")] = False,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="OUT|-", help="By default in outputs/.")
    ] = None,
    subtitle_format: Annotated[Subtitles | None, typer.Option("--subtitles", help="Write OUT's subtitles.")] = None,
    voices: options.Voices = None,
    models: options.Models = None,
    threads: options.Threads = 2,
    provider: options.Provider = "cpu",
    as_json: options.Json = False,
) -> None:
    """Speak TEXT in a voice, or in that of a clip. Prints the seed; writes a manifest beside the sound."""
    if voice is None:
        raise BadOption(message("no_voice"))
    for option, wanted in (("--prompt-text", prompt_text is not None), ("--context", context)):
        if wanted:
            raise BadOption(message("unready", option=option))
    request = Request(
        text=sources.raw_text(text, file),
        seed=sources.seed(seed),
        language=language,
        speed=speed,
        sampling=_sampling(sampling, top_k, temperature),
        style_strength=style_strength,
        sample_rate=sample_rate,
    )
    if not request.text.strip():
        raise BadText(message("no_text"))
    destination = _destination(
        output, format_, stream, subtitle_format, f"{_title(request.text, voice)}-{request.seed}"
    )
    if as_json and destination.file is None:
        raise BadOption(message("both_outputs"))
    cast = Cast(voice, consent, style, tuple(lexicon or ()), voices)
    report = _perform(request, cast, destination, sources.Weights(models, threads, provider))
    _print(report, destination, as_json)


def _sampling(method: str, top_k: int | None, temperature: float | None) -> Sampling:
    if top_k is not None and method != "topk":
        raise BadOption(message("not_with", option="--top-k", other=f"--sampling {method}"))
    if temperature is not None and method == "greedy":
        raise BadOption(message("not_with", option="--temperature", other="--sampling greedy"))
    chosen = Sampling(method=method)
    chosen = chosen if top_k is None else replace(chosen, top_k=top_k)
    return chosen if temperature is None else replace(chosen, temperature=temperature)


def _perform(request: Request, cast: Cast, destination: Destination, weights: sources.Weights) -> dict[str, object]:
    """Everything that can be refused without the networks is refused before they are loaded."""
    known = sources.library(cast.voices)
    found = sources.voice_or_clip(cast.voice, known)
    agreed = sources.permission(cast.consent, found)
    in_style = None if cast.style is None else sources.voice_or_clip(cast.style, known)
    lexicon, lexicon_inputs = sources.lexicon(cast.lexicons)
    engine = sources.engine(weights)
    clip = None
    if isinstance(found, Path):
        found, clip = sources.clone(found, agreed, sources.language_of(request.text, request.language), engine)
    profile, style_input = _style(in_style, engine)
    inputs = Inputs(manifest.digest_of(request.text.encode()), clip, style_input, lexicon_inputs)
    today, started = date.today(), time.perf_counter()
    pieces = engine.stream(request, found, today=today, style=profile, lexicon=lexicon)
    with outputs.staging() as staged:
        told = _tell(pieces, _sink(destination, request.sample_rate, staged), started)
        output = Output(destination.file_name, destination.format, request.sample_rate, told.samples, told.digest)
        made = Manifest.of(engine, request, found, told.pieces, output, day=today, inputs=inputs)
        if destination.manifest is not None:
            staged.add(destination.manifest, made.to_bytes())
        subtitle_file = _stage_subtitles(told, destination, staged)
    return _report(made, told, destination, subtitle_file)


def _style(found: Voice | Path | None, engine: Engine) -> tuple[Profile | None, Input | None]:
    """The profile that gives the style, and what it came from. Of a clip only its delivery is used, not its timbre."""
    if found is None:
        return None, None
    if isinstance(found, Voice):
        return found.profile, manifest.voice_input(found)
    profile, _, source = sources.listen(found, engine)
    return profile, source


def _destination(
    output: str | None, file_format: str | None, stream: bool, subtitle_format: Subtitles | None, title: str
) -> Destination:
    if output == "-":
        if subtitle_format is not None:
            raise BadOption(message("subtitles_need_file"))
        return Destination(None, None, file_format or "wav", stream)
    file = OUTPUTS / f"{title}.{file_format or 'wav'}" if output is None else Path(output)
    return Destination(file, manifest.beside(file), file_format or audio.format_of(file), stream, subtitle_format)


def _title(text: str, voice: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in text[: 4 * TITLE]).split()
    return f"{'-'.join(words)[:TITLE].strip('-') or 'speech'}-{Path(voice).stem}"


def _report(made: Manifest, told: Told, destination: Destination, subtitle_file: Path | None) -> dict[str, object]:
    files = {"output": destination.file, "manifest": destination.manifest, "subtitles": subtitle_file}
    return {
        **{name: None if file is None else str(file) for name, file in files.items()},
        "seed": made.request.seed,
        "voice": made.voice.name,
        "seconds": made.output.seconds,
        "sample_rate": made.output.sample_rate,
        "pieces": len(made.pieces),
        "digest": made.output.digest,
        "real_time_factor": round(told.seconds_taken / max(made.output.seconds, 1e-3), 4),
        "first_sound_seconds": round(told.first_sound, 4),
    }


def _sink(destination: Destination, sample_rate: int, staged: outputs.Staging) -> outputs.Sink:
    if destination.file is not None:
        return outputs.FileSink(staged, destination.file, destination.format, sample_rate)
    if destination.stream:
        return outputs.StreamSink(sys.stdout.buffer, destination.format, sample_rate)
    return outputs.WholeSink(sys.stdout.buffer, destination.format)


def _tell(pieces: Iterable[Piece], sink: outputs.Sink, started: float) -> Told:
    """Hand on the sound piece by piece; keep only what the manifest and the subtitles need."""
    records: list[PieceRecord] = []
    cues: list[subtitles.Cue] = []
    digest: outputs.RunningDigest | None = None
    first_sound = 0.0
    for piece in _shown(pieces):
        first_sound = first_sound or time.perf_counter() - started
        sink.write(piece.audio)
        digest = digest or outputs.RunningDigest(piece.audio.sample_rate)
        cues.append(subtitles.cue(piece, digest.samples / piece.audio.sample_rate))
        records.append(PieceRecord.of(piece))
        digest.add(piece.audio)
    sink.finish()
    digest = digest or outputs.RunningDigest(audio.FORMAT.sample_rate)
    taken = time.perf_counter() - started
    return Told(tuple(records), tuple(cues), digest.samples, digest.value(), taken, first_sound)


def _shown(pieces: Iterable[Piece]) -> Iterator[Piece]:
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


def _stage_subtitles(told: Told, destination: Destination, staged: outputs.Staging) -> Path | None:
    if destination.subtitles is None or destination.file is None:
        return None
    file = destination.file.with_suffix(subtitles.ENDINGS[destination.subtitles])
    staged.add(file, subtitles.write(told.cues, destination.subtitles).encode())
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
