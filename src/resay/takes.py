"""A take: one sound with everything that made it, spoken into a sink piece by piece.

The command line, batches, auditions and replays all speak through here, so that one request is one sound whoever asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from . import audio, embedding, manifest, subtitles
from .errors import BadOption
from .identity import Clip
from .manifest import Input, Inputs, Manifest, Output, PieceRecord
from .outputs import FileSink, RunningDigest, Sink, Staging
from .prosody import Plan
from .reference import Profile
from .synthesis import Engine, Piece, Request
from .text import Lexicon
from .voices import Voice

LOSSY = ("mp3", "opus")
Watch = Callable[[Iterable[Piece]], Iterable[Piece]]
"""Sees the pieces pass, to show how far it is."""


@dataclass(frozen=True, eq=False)
class Cast:
    """Who speaks, like whom, with whose readings: all that decides a sound beside the request."""

    voice: Voice
    clip: Clip | None = None
    """The clip that the voice was cloned from for this take."""
    style: Profile | None = None
    style_input: Input | None = None
    lexicon: Lexicon | None = None
    lexicons: tuple[Input, ...] = ()
    transcript: str | None = None
    """What is said in that clip, where that was told."""

    def inputs(self, request: Request) -> Inputs:
        """What the manifest says of all that went in."""
        text = manifest.digest_of(request.text.encode())
        return Inputs(text, self.clip, self.style_input, self.lexicons, self.transcript)


@dataclass(frozen=True, eq=False)
class Take:
    """What is left of speaking when the sound itself has been handed on."""

    manifest: Manifest
    cues: tuple[subtitles.Cue, ...]
    seconds_taken: float
    first_sound: float
    """Seconds from the request to its first piece of sound."""


def take(
    engine: Engine,
    request: Request,
    cast: Cast,
    sink: Sink,
    *,
    day: date,
    file_name: str = "",
    file_format: str = "wav",
    plans: Sequence[Plan] | None = None,
    watch: Watch = iter,
) -> Take:
    """Speak into a sink. With `plans` these are spoken instead of sampled ones. Raises as `Engine.stream` does."""
    started, first_sound = time.perf_counter(), 0.0
    records: list[PieceRecord] = []
    cues: list[subtitles.Cue] = []
    digest: RunningDigest | None = None
    style, lexicon = cast.style, cast.lexicon
    for piece in watch(engine.stream(request, cast.voice, today=day, style=style, lexicon=lexicon, plans=plans)):
        begun = digest.samples / digest.sample_rate if digest else 0.0
        for part in piece.parts():
            first_sound = first_sound or time.perf_counter() - started
            sink.write(part)
            digest = digest or RunningDigest(part.sample_rate)
            digest.add(part)
        cues.append(subtitles.cue(piece, begun))
        records.append(PieceRecord.of(piece))
    sink.finish()
    digest = digest or RunningDigest(request.sample_rate)
    taken = time.perf_counter() - started
    found = digest.value()
    output = Output(file_name, file_format, request.sample_rate, digest.samples, found, request.bandwidth)
    made = Manifest.of(engine, request, cast.voice, records, output, day=day, inputs=cast.inputs(request))
    return Take(made, tuple(cues), taken, first_sound)


def record(
    engine: Engine,
    request: Request,
    cast: Cast,
    staged: Staging,
    target: Path,
    *,
    day: date,
    file_format: str | None = None,
    embed: bool = False,
    plans: Sequence[Plan] | None = None,
    watch: Watch = iter,
) -> Take:
    """Speak into a file that is staged together with its manifest; with `embed` the manifest lies inside it as well."""
    file_format = file_format or audio.format_of(target)
    if embed and file_format not in embedding.FORMATS:
        raise BadOption(f"a manifest cannot lie inside {file_format}; use wav or flac, or leave out --embed-manifest")
    beside = manifest.beside(target)
    sink = FileSink(staged, target, file_format, request.sample_rate)
    name = target.name
    made = take(engine, request, cast, sink, day=day, file_name=name, file_format=file_format, plans=plans, watch=watch)
    if file_format in LOSSY:
        content = manifest.digest_of(staged.content(target))
        output = replace(made.manifest.output, content=content)
        made = replace(made, manifest=replace(made.manifest, output=output))
    if embed:
        inside = embedding.embed(staged.content(target), file_format, made.manifest.to_bytes())
        staged.rewrite(target, inside)
    staged.add(beside, made.manifest.to_bytes())
    return made
