"""Many texts from a table: every item is spoken, or its failure is told; nothing goes missing or is done twice.

An item is finished when its sound and its manifest lie in the folder and belong to the request. That is all the memory
there is, so a batch that was killed goes on where it stood, whoever killed it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from . import audio, manifest, outputs, replay, takes
from .errors import BadFile, BadOption, BadRequest, ResayError
from .manifest import Manifest
from .synthesis import Engine, Request
from .takes import Cast

INDEX = "index.jsonl"
TEXT_FIELDS = ("input_text", "syn_text", "text")
NAME_FIELDS = ("output_name", "uttid")
VOICE_FIELDS = ("prompt_audio", "prompt_speech", "voice")
OVERRIDES = (
    *("seed", "language", "speed", "sampling", "top_k", "temperature", "style_strength", "sample_rate"),
    *("consent", "style", "lexicon", "role", "format", "prompt_text"),
)
"""What a line may set for itself."""
LONGEST_NAME = 200  # characters of an output's path
_FIXED = (1980, 1, 1, 0, 0, 0)  # of every ZIP entry: equal contents give equal archives


@dataclass(frozen=True)
class Task:
    """One line of the table."""

    line: int
    """Counted from 1, as editors do."""
    text: str = ""
    output: str = ""
    """Where the sound goes, relative to the batch's folder."""
    voice: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    """Why the line cannot be spoken; empty where it can."""


@dataclass(frozen=True)
class Result:
    """What became of one line."""

    line: int
    output: str
    problem: str = ""
    """Empty where it was spoken."""
    exit_code: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Seed, voice, seconds, digest."""
    resumed: bool = False
    """Whether an earlier run had spoken it."""

    def to_json(self) -> dict[str, Any]:
        """A line of the index: equal however the batch was run."""
        head = {"line": self.line, "output": self.output, "status": "failed" if self.problem else "done"}
        return {**head, **({"error": self.problem} if self.problem else {}), **self.facts}


class Performer(Protocol):
    """Speaks items; made once in every process."""

    def finished(self, task: Task) -> Manifest | None:
        """The manifest of the item, where an earlier run has spoken just this."""

    def speak(self, task: Task) -> Manifest:
        """Speak the item into its file. Raises ResayError."""


class Recipe(Protocol):
    """How to make a performer: small, hashable, and the same in every process."""

    def __call__(self) -> Performer: ...

    def __hash__(self) -> int: ...


Watch = Callable[[Result], None]
Prepare = Callable[[Task], tuple[Request, Cast]]
"""What an item asks for. Raises ResayError where it cannot be spoken."""


class Booth:
    """Speaks items into a folder with one engine: the performer of batches and of jobs, so that their items are one."""

    def __init__(
        self, engine: Engine, folder: Path, prepare: Prepare, *, embed: bool = False, watch: takes.Watch = iter
    ) -> None:
        self._engine, self._folder, self._prepare = engine, folder, prepare
        self._embed, self._watch = embed, watch

    def finished(self, task: Task) -> Manifest | None:
        """The manifest of the item, where an earlier run spoke the same request with the same cast and weights."""
        target = self._folder / task.output
        made = finished(target)
        if made is None:
            return None
        request, cast = self._prepare(task)
        same = made.request == request and made.voice.digest == cast.voice.digest
        same = same and made.inputs == cast.inputs(request) and dict(made.models) == self._engine.digests
        return made if same and not any(replay.sound_differences(made, target)) else None

    def speak(self, task: Task) -> Manifest:
        """Speak the item into its file, together with its manifest."""
        request, cast = self._prepare(task)
        target = self._folder / task.output
        today = date.today()
        with outputs.staging() as staged:
            made = takes.record(
                self._engine, request, cast, staged, target, day=today, embed=self._embed, watch=self._watch
            )
        return made.manifest


Performed = Callable[[Sequence[Task], Recipe, int, bool], Iterator[Result]]
"""Speaks tasks with a recipe on so many workers, perhaps keeping what is finished; gives results as they come."""


def read(path: Path, file_format: str = "wav") -> list[Task]:
    """The tasks of a JSONL table, in either form. A line that is wrong becomes a task that tells so. Raises BadFile."""
    try:
        return parse(path.read_bytes(), file_format)
    except BadFile as error:
        raise BadFile(f"{path}: {error}") from error
    except OSError as error:
        raise BadFile(f"{path}: the table cannot be read ({error.strerror or error})") from error


def parse(table: bytes, file_format: str = "wav") -> list[Task]:
    """As `read`, of what the file holds."""
    try:
        lines = table.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadFile(f"the table is not UTF-8 (byte {error.start})") from error
    tasks, taken = [], dict[str, int]()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        task = _task(number, line, file_format)
        if task.output:
            # Two sounds with one stem would share a manifest, on some systems also where only their capitals differ.
            stem = str(PurePosixPath(task.output).with_suffix("")).casefold()
            if not task.problem and stem in taken:
                task = replace(task, problem=f"{task.output} is the output of line {taken[stem]} already")
            taken.setdefault(stem, number)
        tasks.append(task)
    if not tasks:
        raise BadFile("the table has no lines")
    return tasks


def _task(number: int, line: str, file_format: str) -> Task:
    output = ""
    try:
        data = json.loads(line)
        if not isinstance(data, dict):
            raise BadRequest("is no JSON object")
        name = _one_of(data, NAME_FIELDS)
        output = _output(name, str(data.get("format") or file_format))
        text = _one_of(data, TEXT_FIELDS)
        voice = next((data[name] for name in VOICE_FIELDS if data.get(name)), None)
        if voice is not None and not isinstance(voice, str):
            raise BadRequest("the voice is no text")
        known = {*NAME_FIELDS, *TEXT_FIELDS, *VOICE_FIELDS, *OVERRIDES}
        strange = sorted(set(data) - known)
        if strange:
            raise BadRequest(f"unknown field {strange[0]!r}; a line may have {', '.join(sorted(known))}")
        overrides = {name: data[name] for name in OVERRIDES if data.get(name) is not None}
        return Task(number, text, output, voice, overrides)
    except (ValueError, RecursionError) as error:
        return Task(number, output=output, problem=f"is not JSON ({error})")
    except BadRequest as error:
        return Task(number, output=output, problem=str(error))


def _one_of(data: Mapping[str, Any], names: Sequence[str]) -> str:
    value = next((data[name] for name in names if name in data), None)
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
        raise BadRequest(f"{names[0]} is missing or empty")
    return str(value)


def _output(name: str, file_format: str) -> str:
    """A relative path inside the batch's folder. Raises BadRequest, BadOption."""
    plain = PurePosixPath(name.replace("\\", "/"))
    odd = any(part in ("..", ".") or part.startswith(".") for part in plain.parts) or "\0" in name or ":" in name
    if plain.is_absolute() or odd or len(name) > LONGEST_NAME:
        raise BadRequest(f"output {name[:80]!r} must be a plain name inside the folder")
    if file_format not in audio.FILE_FORMATS:
        raise BadOption(f"unknown audio format {file_format!r}; choose one of {', '.join(audio.FILE_FORMATS)}")
    try:
        audio.format_of(plain.name)
    except BadOption:
        return f"{plain}.{file_format}"
    return str(plain)


@lru_cache(maxsize=1)
def _performer(recipe: Recipe) -> Performer:
    # Weights load once in every process, however many items it gets.
    return recipe()


def run(
    tasks: Sequence[Task],
    recipe: Recipe,
    folder: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    watch: Watch,
    performed: Performed | None = None,
) -> list[Result]:
    """Speak all tasks; a failure of one is told and does not stop the others. Results come in the table's order.

    Args:
        tasks: what is to be spoken.
        recipe: how every process makes its performer.
        folder: where the sounds go.
        workers: items that are spoken side by side.
        resume: whether items that an earlier run has finished are kept.
        watch: told of each result as it comes.
        performed: who speaks them: this machine's processes unless something else is given.
    """
    if resume:
        sweep(folder, tasks)
    results = []
    for result in (performed or _performed)(tasks, recipe, workers, resume):
        watch(result)
        results.append(result)
    return sorted(results, key=lambda result: result.line)


def _performed(tasks: Sequence[Task], recipe: Recipe, workers: int, resume: bool) -> Iterator[Result]:
    if workers == 1:
        performer = recipe()
        for task in tasks:
            yield perform(task, performer, resume)
        return
    # Forking a process that has threads of onnxruntime in it would copy their locks: spawn starts afresh.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_end_with, initargs=(os.getpid(),)) as pool:
        futures: dict[Future[Result], Task] = {pool.submit(perform_here, task, recipe, resume): task for task in tasks}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                task = futures[future]
                problem = "a worker process died (out of memory?); run again with --resume and fewer --workers"
                yield Result(task.line, task.output, problem, 1)


def _end_with(parent: int) -> None:
    """End this process soon after its parent was killed: an orphan would go on speaking beside the resumed batch."""

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def perform_here(task: Task, recipe: Recipe, resume: bool) -> Result:
    """One item in a worker process."""
    try:
        return perform(task, _performer(recipe), resume)
    except ResayError as error:
        return Result(task.line, task.output, str(error), error.exit_code)


def perform(task: Task, performer: Performer, resume: bool) -> Result:
    """One item, whatever happens."""
    if task.problem:
        return Result(task.line, task.output, task.problem, BadRequest.exit_code)
    try:
        made = performer.finished(task) if resume else None
        resumed = made is not None
        made = made or performer.speak(task)
    except ResayError as error:
        return Result(task.line, task.output, str(error), error.exit_code)
    except Exception as error:  # the item's edge: a fault of ours in one of a thousand items shall not lose the others
        return Result(task.line, task.output, f"internal error: {type(error).__name__}: {error}", 1)
    facts = {
        "manifest": str(PurePosixPath(task.output).with_suffix(".json")),
        "seed": made.request.seed,
        "voice": made.voice.name,
        "seconds": made.output.seconds,
        "digest": made.output.digest,
    }
    return Result(task.line, task.output, facts=facts, resumed=resumed)


def sweep(folder: Path, tasks: Iterable[Task]) -> None:
    """Delete the temporary files of a run that was killed."""
    heads = {str((folder / task.output).parent): set[str]() for task in tasks if not task.problem}
    for task in tasks:
        if not task.problem:
            target = folder / task.output
            for name in (target.name, target.with_suffix(".json").name):
                heads[str(target.parent)].add(f".{name[:40]}.")
    for place, prefixes in heads.items():
        for path in Path(place).glob(".*.????????"):
            if path.name[:-8] in prefixes:
                path.unlink(missing_ok=True)


def write_index(folder: Path, results: Iterable[Result]) -> Path:
    """One line for every item, spoken or not. Equal items give an equal index."""
    lines = (json.dumps(result.to_json(), ensure_ascii=False, sort_keys=True) + "\n" for result in results)
    path = folder / INDEX
    audio.write_bytes(path, "".join(lines).encode())
    return path


def write_zip(target: Path, folder: Path, results: Iterable[Result]) -> None:
    """All sounds, their manifests and the index. Raises BadFile."""
    names = [INDEX]
    for result in results:
        if not result.problem:
            names += [result.output, str(result.facts["manifest"])]
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
            for name in names:
                entry = zipfile.ZipInfo(name, _FIXED)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                file.writestr(entry, (folder / name).read_bytes())
    except OSError as error:
        raise BadFile(f"{error.filename or target}: cannot be packed ({error.strerror or error})") from error


def finished(target: Path) -> Manifest | None:
    """The manifest of a sound that lies there whole, None where one of them is missing or damaged."""
    try:
        made = manifest.read(target.with_suffix(".json"))
    except ResayError:
        return None
    return made if made.intact and target.is_file() else None
