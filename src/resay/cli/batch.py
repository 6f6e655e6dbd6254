"""`resay batch`: many texts from a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import audio, batch, cluster, outputs, replay, takes
from ..batch import Performed, Result, Task
from ..errors import BadOption, BadRequest, ConsentMissing
from ..manifest import Manifest
from ..takes import Cast
from . import casting, options, sources
from .messages import message

Table = Annotated[Path, typer.Argument(metavar="TASKS.jsonl", help="One JSON object a line.")]
Folder = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where sounds, manifests and index go.")]
Zip = Annotated[Path | None, typer.Option("--zip", metavar="OUT.zip", help="Pack everything as well.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes that speak side by side.")]
Resume = Annotated[bool, typer.Option("--resume", help="Keep what an earlier run has finished.")]


@dataclass(frozen=True)
class Speaker:
    """How to speak items: the options that all share. Makes a performer in whichever process it is called."""

    folder: Path
    table: Path
    names: casting.Names
    manner: casting.Manner
    weights: sources.Weights
    voices: Path | None
    seeds: Path | None = None
    embed: bool = False

    def __call__(self) -> Performer:
        return Performer(self)


class Performer:
    """Speaks items with one engine. Clips are listened to once."""

    def __init__(self, common: Speaker) -> None:
        self._common = common
        self._engine = sources.engine(common.weights)
        self._library = sources.library(common.voices)
        self._casts: dict[tuple[casting.Names, str], Cast] = {}

    def finished(self, task: Task) -> Manifest | None:
        """The manifest of the item, where an earlier run spoke the same request with the same cast and weights."""
        target = self._common.folder / task.output
        made = batch.finished(target)
        if made is None:
            return None
        request, cast = self._prepared(task)
        same = made.request == request and made.voice.digest == cast.voice.digest
        same = same and made.inputs == cast.inputs(request) and dict(made.models) == self._engine.digests
        return made if same and not any(replay.sound_differences(made, target)) else None

    def speak(self, task: Task) -> Manifest:
        """Speak the item into its file, together with its manifest."""
        request, cast = self._prepared(task)
        target = self._common.folder / task.output
        with outputs.staging() as staged:
            made = takes.record(self._engine, request, cast, staged, target, day=date.today(), embed=self._common.embed)
        return made.manifest

    def _prepared(self, task: Task) -> tuple[Any, Cast]:
        common = self._common
        playing = casting.role(task.overrides.get("role"), common.seeds)
        names = _names(common, task)
        if playing is not None and task.voice is None:
            names = replace(names, voice=playing.voice)
        request = _manner(common.manner, task).request(task.text, playing)
        language = sources.language_of(request.text, request.language)
        if (names, language) not in self._casts:
            self._casts[names, language] = casting.cast(casting.chosen(names, self._library), request, self._engine)
        return request, self._casts[names, language]


def _names(common: Speaker, task: Task) -> casting.Names:
    given = task.overrides
    lexicon = given.get("lexicon", ())
    lexicons = (lexicon,) if isinstance(lexicon, str) else tuple(lexicon)
    return casting.Names(
        voice=_placed(task.voice, common.table) or common.names.voice,
        consent=given.get("consent", common.names.consent),
        style=_placed(given.get("style"), common.table) or common.names.style,
        lexicons=tuple(Path(_placed(str(path), common.table) or path) for path in lexicons) or common.names.lexicons,
    )


def _placed(name: str | None, table: Path) -> str | None:
    """A file that a table names lies beside it, or where the command was called."""
    if name is None or Path(name).exists():
        return name
    beside = table.parent / name
    return str(beside) if beside.is_file() else name


def _manner(common: casting.Manner, task: Task) -> casting.Manner:
    given = {name: value for name, value in task.overrides.items() if name in casting.Manner.__dataclass_fields__}
    if "role" in task.overrides:
        # A role that a line names is nearer to it than what all lines share.
        common = casting.Manner(language=common.language, sample_rate=common.sample_rate)
    for name, value in given.items():
        wanted = (str,) if name in ("language", "sampling") else (int, float, str) if name == "seed" else (int, float)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise BadOption(f"{name} {value!r} is none")
    return replace(common, **{**given, **({"seed": str(given["seed"])} if "seed" in given else {})})


def batch_command(
    table: Table,
    output: Folder,
    zip_: Zip = None,
    voice: options.Voice = None,
    consent: options.Consent = None,
    style: options.Style = None,
    style_strength: options.StyleStrength = None,
    language: options.InLanguage = "auto",
    seed: options.Seed = None,
    sampling: options.SamplingMethod = None,
    top_k: options.TopK = None,
    temperature: options.Temperature = None,
    speed: options.Speed = None,
    lexicon: options.Lexicons = None,
    sample_rate: options.SampleRate = audio.FORMAT.sample_rate,
    format_: options.FileFormat = None,
    embed_manifest: options.Embed = False,
    workers: Workers = 1,
    engine: options.Where = "local",
    address: options.Address = None,
    resume: Resume = False,
    voices: options.Voices = None,
    seeds_file: options.Seeds = None,
    models: options.Models = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Of each network, in each worker.")] = None,
    provider: options.Provider = "cpu",
    engine_cache: options.EngineCache = None,
    as_json: options.Json = False,
) -> None:
    """Speak every line of TASKS.jsonl; a line may override any option. Failed lines are told, the others are spoken."""
    if seed == "random":
        # One seed for the whole batch, drawn here: every process would draw its own.
        if resume:
            raise BadOption(message("not_with", option="--seed random", other="--resume"))
        seed = str(sources.seed(seed))
    names = casting.Names(voice, consent, style, tuple(lexicon or ()))
    manner = casting.Manner(seed, language, speed, sampling, top_k, temperature, style_strength, sample_rate)
    manner.request("-")  # a wrong common option is told once, not for every line
    weights = sources.Weights(models, threads or (2 if workers == 1 else 1), provider, engine_cache)
    recipe = Speaker(output, table, names, manner, weights, voices, seeds_file, embed_manifest)
    tasks = batch.read(table, format_ or "wav")
    performed = _performed(engine, address, output, weights.threads)
    with _watching(len(tasks)) as watch:
        results = batch.run(tasks, recipe, output, workers=workers, resume=resume, watch=watch, performed=performed)
    index = batch.write_index(output, results)
    if zip_ is not None:
        with outputs.staging() as staged:
            batch.write_zip(staged.place(zip_), output, results)
    _report(results, index, zip_, manner, as_json)


def _performed(engine: str, address: str | None, folder: Path, processors: int) -> Performed | None:
    """Who speaks the items; None for this machine's processes. Raises BadOption, BadRequest."""
    if not options.on_cluster("batch", engine, {"--address": address}):
        return None
    return partial(cluster.performed, folder=folder, address=address, processors=processors)


def _report(results: Sequence[Result], index: Path, packed: Path | None, manner: casting.Manner, as_json: bool) -> None:
    failed = [result for result in results if result.problem]
    spoken = len(results) - len(failed)
    seed = casting.DEFAULT_SEED if manner.seed is None else int(manner.seed)
    facts = {
        "items": len(results),
        "spoken": spoken,
        "failed": len(failed),
        "resumed": sum(result.resumed for result in results),
        "seed": seed,
        "index": str(index),
        "zip": None if packed is None else str(packed),
    }
    if as_json:
        print(json.dumps({**facts, "results": [result.to_json() for result in results]}, ensure_ascii=False))
    else:
        print(message("batch_done", index=index, spoken=spoken, total=len(results), seed=seed))
    for result in failed[1:] if not as_json else ():
        sources.note(message("line_failed", line=result.line, problem=result.problem))
    if failed:
        codes = {result.exit_code for result in failed}
        kind = ConsentMissing if codes == {ConsentMissing.exit_code} else BadRequest
        first = message("line_failed", line=failed[0].line, problem=failed[0].problem)
        raise kind(message("batch_failed", failed=len(failed), total=len(results), first=first, index=index))


@contextmanager
def _watching(total: int) -> Iterator[Callable[[Result], None]]:
    """A progress bar on standard error where somebody watches it."""
    if not sys.stderr.isatty():
        yield lambda result: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(message("speaking"), total=total)
        yield lambda result: progress.advance(bar)
