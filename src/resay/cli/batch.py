"""`resay batch`: many texts from a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .. import audio, batch, cluster, outputs
from ..batch import Performed, Result, Task
from ..errors import BadOption, BadRequest, ConsentMissing
from ..seeds import Role
from ..synthesis import Engine, Request
from ..takes import Cast
from . import casting, options, sources
from .messages import message

Table = Annotated[Path, typer.Argument(metavar="TASKS.jsonl", help="One JSON object a line.")]
Folder = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where sounds, manifests and index go.")]
Zip = Annotated[Path | None, typer.Option("--zip", metavar="OUT.zip", help="Pack everything as well.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes that speak side by side.")]
UseCache = Annotated[bool, typer.Option("--use-cache", help="Keep how texts are read: saves time, changes nothing.")]
Resume = Annotated[bool, typer.Option("--resume", help="Keep what an earlier run has finished.")]


@dataclass(frozen=True)
class Speaker:
    """How to speak items: the options that all share. Makes a performer in whichever process it is called."""

    folder: Path
    table: Path
    names: casting.Names
    manner: casting.Manner
    weights: sources.Weights
    shelves: sources.Shelves
    role: str | None = None
    sample_rate: int = audio.FORMAT.sample_rate
    embed: bool = False

    def __call__(self) -> batch.Booth:
        engine = sources.engine(self.weights)
        return batch.Booth(engine, self.folder, Casting(self, engine), embed=self.embed)


class Casting:
    """Finds out what items ask for. Clips are listened to once."""

    def __init__(self, common: Speaker, engine: Engine) -> None:
        self._common, self._engine = common, engine
        self._library = common.shelves.library
        self._casts: dict[tuple[casting.Names, str], Cast] = {}

    def __call__(self, task: Task) -> tuple[Request, Cast]:
        common = self._common
        playing = casting.role(_name(task, "role") or common.role, common.shelves.seeds_file)
        names = _names(common, task, playing)
        rate = task.overrides.get("sample_rate", common.sample_rate)
        request = _manner(common.manner, task).request(task.text, playing, rate)
        language = casting.spoken_by(request, names.words)
        if (names, language) not in self._casts:
            self._casts[names, language] = casting.cast(casting.chosen(names, self._library), request, self._engine)
        return request, self._casts[names, language]


def _names(common: Speaker, task: Task, playing: Role | None) -> casting.Names:
    lexicon = task.overrides.get("lexicon", ())
    lexicons = (lexicon,) if isinstance(lexicon, str) else tuple(lexicon)
    voice, shared = _placed(task.voice, common.table), common.names
    if "role" in task.overrides:
        shared = replace(shared, voice=None)  # a role that a line names is nearer to it than what all share
    names = casting.Names(
        voice=voice or shared.voice,
        consent=_name(task, "consent") or shared.consent,
        style=_placed(_name(task, "style"), common.table) or shared.style,
        lexicons=tuple(Path(_placed(str(path), common.table) or path) for path in lexicons) or shared.lexicons,
        words=_name(task, "prompt_text") or None,
    )
    return names.with_role(playing)


def _name(task: Task, field: str) -> str | None:
    """A line's own text field. Raises BadOption where it is no text."""
    value = task.overrides.get(field)
    if value is not None and not isinstance(value, str):
        raise BadOption(f"{field} {value!r} is none")
    return value


def _placed(name: str | None, table: Path) -> str | None:
    """A file that a table names lies beside it, or where the command was called."""
    if name is None or Path(name).exists():
        return name
    beside = table.parent / name
    return str(beside) if beside.is_file() else name


def _manner(common: casting.Manner, task: Task) -> casting.Manner:
    given = {name: value for name, value in task.overrides.items() if name in casting.Manner.__dataclass_fields__}
    if "role" in task.overrides:
        common = casting.Manner(language=common.language)
    for name, value in given.items():
        wanted = (str,) if name in ("language", "sampling") else (int, float, str) if name == "seed" else (int, float)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise BadOption(f"{name} {value!r} is none")
    return replace(common, **{**given, **({"seed": str(given["seed"])} if "seed" in given else {})})


@options.grouped
def batch_command(
    table: Table,
    output: Folder,
    zip_: Zip = None,
    who: casting.Who = casting.Who(),
    manner: casting.Manner = casting.Manner(),
    sample_rate: options.SampleRate = audio.FORMAT.sample_rate,
    format_: options.FileFormat = None,
    embed_manifest: options.Embed = False,
    workers: Workers = 1,
    engine: options.Where = "local",
    address: options.Address = None,
    resume: Resume = False,
    use_cache: UseCache = False,
    shelves: sources.Shelves = sources.Shelves(),
    models: options.Models = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Of each network, in each worker.")] = None,
    provider: options.Provider = "cpu",
    engine_cache: options.EngineCache = None,
    as_json: options.Json = False,
) -> None:
    """Speak every line of TASKS.jsonl; a line may override any option. Failed lines are told, the others are spoken."""
    if manner.seed == "random":
        # One seed for the whole batch, drawn here: every process would draw its own.
        if resume:
            raise BadOption(message("not_with", option="--seed random", other="--resume"))
        manner = replace(manner, seed=str(sources.seed(manner.seed)))
    # A wrong common option is told once, not for every line.
    playing = casting.role(who.role, shelves.seeds_file)
    shared = manner.request("-", playing, sample_rate)
    weights = sources.Weights(models, threads or (2 if workers == 1 else 1), provider, engine_cache, use_cache)
    recipe = Speaker(output, table, who.names(), manner, weights, shelves, who.role, sample_rate, embed_manifest)
    tasks = batch.read(table, format_ or "wav")
    performed = _performed(engine, address, output, weights.threads)
    with _watching(len(tasks)) as watch:
        results = batch.run(tasks, recipe, output, workers=workers, resume=resume, watch=watch, performed=performed)
    index = batch.write_index(output, results)
    if zip_ is not None:
        with outputs.staging() as staged:
            batch.write_zip(staged.place(zip_), output, results)
    _report(results, index, zip_, shared.seed, as_json)


def _performed(engine: str, address: str | None, folder: Path, processors: int) -> Performed | None:
    """Who speaks the items; None for this machine's processes. Raises BadOption, BadRequest."""
    if not options.on_cluster("batch", engine, {"--address": address}):
        return None
    return partial(cluster.performed, folder=folder, address=address, processors=processors)


def _report(results: Sequence[Result], index: Path, packed: Path | None, seed: int, as_json: bool) -> None:
    failed = [result for result in results if result.problem]
    spoken = len(results) - len(failed)
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
