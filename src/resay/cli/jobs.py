"""`resay jobs`: batches that a server, or `resay jobs run`, speaks in the background."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import audio, voices
from ..errors import BadFile, BadOption
from . import options, sources
from .casting import DEFAULT_SEED
from .messages import message

if TYPE_CHECKING:
    from ..jobs.store import Job, Store
    from ..server.service import Caller

Id = Annotated[str, typer.Argument(metavar="JOB", help="As `resay jobs` shows it; its beginning will do.")]
FOLLOW = 1.0  # seconds between two looks

app = typer.Typer(help="Batches in the background.", add_completion=False, rich_markup_mode=None)


def store_of(data: Path | None, database: str | None) -> Store:
    """The jobs' database. Raises BadFile, BadOption."""
    from ..jobs import store
    from ..server import keys

    return store.Store(database or store.default_url(data or keys.default_folder()))


def _mine(data: Path | None, own: Path | None) -> Caller:
    """Who sits here."""
    from ..server import keys
    from ..server.service import local_caller

    return local_caller(data or keys.default_folder(), own or voices.default_folders()[1])


def _found(store: Store, job: str) -> Job:
    """A job of whoever sits here, by its id or the beginning of it. Raises NoSuchJob, BadOption."""
    from ..server.service import LOCAL

    near = [one for one in store.all(LOCAL) if job and one.id.startswith(job)]
    if len(near) > 1:
        raise BadOption(f"{len(near)} jobs begin with {job!r}; give more of the id")
    return near[0] if near else store.get(LOCAL, job)


def _line(job: Job) -> str:
    counts, made = job.counts, datetime.fromtimestamp(job.made, UTC).astimezone()
    facts: dict[str, Any] = {"done": counts.get("done", 0), "failed": counts.get("failed", 0), "items": job.items}
    return message("job_state", job=job.id, state=job.state, made=f"{made:%Y-%m-%d %H:%M}", name=job.name, **facts)


def _tell(job: Job, as_json: bool, **more: Any) -> None:
    print(
        json.dumps({**job.to_json(), "folder": str(job.folder), **more}, ensure_ascii=False) if as_json else _line(job)
    )


@app.callback(invoke_without_command=True)
def jobs(context: typer.Context) -> None:
    """All jobs of this machine's user, the newest first."""
    if context.invoked_subcommand is None:
        listing()


@app.command("list")
def listing(data: options.Data = None, database: options.Database = None, as_json: options.Json = False) -> None:
    """All jobs of this machine's user, the newest first."""
    with sources.extra("jobs"):
        from ..server.service import LOCAL

        found = store_of(data, database).all(LOCAL)
    if as_json:
        print(json.dumps([job.to_json() for job in found], ensure_ascii=False))
        return
    for job in found:
        print(_line(job))


@app.command()
def submit(
    table: Annotated[Path, typer.Argument(metavar="TASKS.jsonl", help="One JSON object a line, as for `resay batch`.")],
    voice: Annotated[str, typer.Option("--voice", metavar="NAME", help="A stored voice: jobs take no clips.")] = "",
    seed: options.Seed = None,
    name: Annotated[str, typer.Option("--name", help="What to call the job; else the table's name.")] = "",
    style: Annotated[str | None, typer.Option("--style", metavar="NAME", help="The voice it is said like.")] = None,
    style_strength: options.StyleStrength = None,
    language: options.InLanguage = "auto",
    sampling: options.SamplingMethod = None,
    top_k: options.TopK = None,
    temperature: options.Temperature = None,
    speed: options.Speed = None,
    lexicon: Annotated[str | None, typer.Option("--lexicon", metavar="NAME", help="A lexicon of the server's.")] = None,
    sample_rate: options.SampleRate = audio.FORMAT.sample_rate,
    format_: options.FileFormat = None,
    voices: options.Voices = None,
    data: options.Data = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Hand in TASKS.jsonl as a job."""
    with sources.extra("jobs"):
        from pydantic import ValidationError

        from ..server import jobs, problems
        from ..server.limits import Limits
    given: dict[str, Any] = {
        "voice": voice,
        "seed": DEFAULT_SEED if seed is None else sources.seed(seed),
        "style": style,
        "style_strength": style_strength,
        "language": language,
        "sampling": sampling,
        "top_k": top_k,
        "temperature": temperature,
        "speed": speed,
        "lexicon": lexicon,
        "sample_rate": sample_rate,
        "response_format": format_,
    }
    try:
        common = jobs.Common.model_validate({field: value for field, value in given.items() if value is not None})
    except ValidationError as error:
        raise BadOption(problems.first(error.errors())[1]) from error
    try:
        content = table.read_bytes()
    except OSError as error:
        raise BadFile(f"{table}: the table cannot be read ({error.strerror or error})") from error
    store, caller = store_of(data, database), _mine(data, voices)
    job = jobs.submitted(store, caller, Limits(), name or table.stem, common, content)
    if as_json:
        _tell(job, as_json)
    else:
        print(message("job_submitted", job=job.id, items=job.items, seed=common.seed))


@app.command()
def show(
    job: Id,
    follow: Annotated[bool, typer.Option("--follow", help="Stay until it is finished.")] = False,
    data: options.Data = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """How far a job is, and what failed."""
    with sources.extra("jobs"):
        store = store_of(data, database)
    found = _found(store, job)
    while follow and not found.finished:
        if sys.stderr.isatty():
            print(_line(found), end="\r", file=sys.stderr)
        time.sleep(FOLLOW)
        found = _found(store, found.id)
    results = store.results(found)
    _tell(found, as_json, results=[result.to_json() for result in results])
    if not as_json:
        print(message("job_folder", folder=found.folder))
        for result in results:
            if result.problem:
                print(message("line_failed", line=result.line, problem=result.problem))


@app.command()
def cancel(
    job: Id, data: options.Data = None, database: options.Database = None, as_json: options.Json = False
) -> None:
    """Speak no more of a job; what is finished stays."""
    with sources.extra("jobs"):
        store = store_of(data, database)
    found = _found(store, job)
    store.cancel(found)
    _tell(_found(store, found.id), as_json)


@app.command()
def resume(
    job: Id, data: options.Data = None, database: options.Database = None, as_json: options.Json = False
) -> None:
    """Speak what was cancelled, and try again what failed."""
    with sources.extra("jobs"):
        store = store_of(data, database)
    found = _found(store, job)
    store.resume(found)
    _tell(_found(store, found.id), as_json)


@app.command()
def remove(job: Id, data: options.Data = None, database: options.Database = None) -> None:
    """Forget a finished job and delete its files."""
    with sources.extra("jobs"):
        from ..server import jobs

        store = store_of(data, database)
    found = _found(store, job)
    jobs.removed(store, found)
    print(message("job_removed", job=found.id))


@app.command()
def run(
    data: options.Data = None,
    database: options.Database = None,
    voices: options.Voices = None,
    models: options.Models = None,
    threads: options.Threads = 2,
    provider: options.Provider = "cpu",
) -> None:
    """Speak all waiting jobs here and now, without a server, and end."""
    from . import serve

    with sources.extra("jobs"):
        from ..server import jobs
    service = serve.made("127.0.0.1", data, voices, sources.Weights(models, threads, provider), 1, 0, database)
    before = {job.id for job in service.jobs.all() if not job.finished}
    count = jobs.runner(service, alone=True).work_off()
    ended = [job for job in service.jobs.all() if job.id in before and job.finished]
    for job in ended:
        print(_line(job))
    print(message("jobs_ran", count=count, jobs=len(ended)))
