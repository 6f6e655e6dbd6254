"""Jobs of a caller: hand in a table, follow it, stop it, go on with it, fetch what it made."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.background import BackgroundTask

from .. import batch
from ..batch import Booth, Task
from ..errors import BadOption, ConsentMissing
from ..jobs.running import Runner
from ..jobs.store import Job, Store
from ..prosody import Sampling
from ..seeds import Role
from ..synthesis import Piece, Request
from ..takes import Cast, Watch
from . import problems
from .limits import Limits
from .problems import NotThere, TooMuch
from .service import LOCAL, Caller, Service, managing, speaking
from .speech import Manner

PAGE = 1_000  # results that one answer holds


class Common(Manner):
    """What all items of a job share; each may say otherwise for itself."""

    voice: str = Field("", max_length=200, description="name or id; may be left out where every item names one")
    seed: int = Field(description="of the whole job; there is no default, so that it is chosen on purpose")
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "wav"

    def checked(self) -> Common:
        """Raises BadOption for what would be wrong in every item."""
        self.format()
        self.request("-")
        if self.subtitles is not None:
            raise BadOption("subtitles: jobs write none; `resay replay` makes them from the manifests")
        return self


class Body(Common):
    """A job to hand in."""

    name: str = Field("", max_length=200)
    items: list[dict[str, Any]] = Field(description="as the lines of `resay batch`: output_name, input_text, voice, …")


class Shown(BaseModel):
    """A job and how far it is."""

    object: str = "job"
    id: str
    name: str
    state: str
    created_at: int
    items: int
    counts: dict[str, int]
    common: dict[str, Any]


class Listed(BaseModel):
    """All jobs of the caller, the newest first."""

    object: str = "list"
    data: list[Shown]


class Results(BaseModel):
    """What became of items, as in the index of a batch."""

    object: str = "list"
    data: list[dict[str, Any]]
    has_more: bool


class Deleted(BaseModel):
    """The job that went, with its files."""

    object: str = "job"
    id: str
    deleted: bool = True


def submitted(store: Store, caller: Caller, limits: Limits, name: str, common: Common, table: bytes) -> Job:
    """Hand in a JSONL table. Raises BadFile, BadOption, UnknownVoice, TooMuch."""
    common.checked()
    if common.voice:
        caller.voice(common.voice)
    tasks = batch.parse(table, common.response_format)
    if len(tasks) > limits.job_items:
        raise TooMuch(f"the job has {len(tasks)} items; this server takes {limits.job_items}")
    if len(store.all(caller.id)) >= limits.jobs:
        raise TooMuch(f"there are {limits.jobs} jobs, as many as this server keeps; delete some")
    shared = common.model_dump(exclude_none=True, include=set(Common.model_fields))
    # JSON can hold halves of characters, which no database takes.
    plain = name.encode("utf-8", "replace").decode().replace("\0", "").strip()
    return store.add(caller.id, plain, caller.jobs, shared, tasks)


def asked(common: Mapping[str, Any], task: Task, role: Role | None) -> Manner:
    """How an item is to be said: what its line says, else its role, else what all share. Raises BadOption."""
    if "consent" in task.overrides:
        raise ConsentMissing("consent: a job speaks with stored voices, which carry theirs; add the clip as a voice")
    # A role that a line names is nearer to it than what all lines share.
    shared = common if role is None else {name: common[name] for name in ("language", "sample_rate")} | _played(role)
    given = {name: value for name, value in task.overrides.items() if name not in ("role", "format")}
    if task.voice is not None:
        given["voice"] = task.voice
    try:
        return Common.model_validate({**shared, **given})
    except ValidationError as error:
        raise BadOption(problems.first(error.errors())[1]) from error


def _played(role: Role) -> dict[str, Any]:
    """A role's voice, seed and settings as fields."""
    settings, usual = role.settings, Sampling()
    fields: dict[str, Any] = {"voice": role.voice, "seed": role.seed, "speed": settings.speed}
    fields |= {
        "style_strength": settings.style_strength,
        "accent": settings.accent,
        "sampling": settings.sampling.method,
    }
    for name in ("top_k", "temperature"):
        if getattr(settings.sampling, name) != getattr(usual, name):
            fields[name] = getattr(settings.sampling, name)
    return fields if settings.language == "auto" else {**fields, "language": settings.language}


def _prepared(caller: Caller, limits: Limits, job: Job, task: Task) -> tuple[Request, Cast]:
    if len(task.text) > limits.characters:
        raise TooMuch(f"input_text: {len(task.text)} characters; this server speaks {limits.characters}")
    name = task.overrides.get("role")
    manner = asked(job.common, task, None if name is None else caller.seeds.get(str(name)))
    if not manner.voice:
        raise BadOption("voice: neither the line nor the job names one")
    return manner.request(task.text), manner.cast(caller, limits)


def runner(service: Service, alone: bool = False) -> Runner:
    """What works off this service's jobs. Whoever waits for an answer goes before them, unless they are `alone`."""

    def performer(job: Job, watch: Watch) -> Booth:
        caller = _owner(service, job)
        prepare = partial(_prepared, caller, service.limits, job)
        return Booth(service.engine, job.folder, prepare, watch=lambda pieces: watch(_patiently(service, pieces)))

    return Runner(service.jobs, performer, 1 if alone else service.limits.at_once)


def _patiently(service: Service, pieces: Iterable[Piece]) -> Iterator[Piece]:
    return service.turns.by_turns(pieces, patient=True)


def _owner(service: Service, job: Job) -> Caller:
    """Raises NotThere."""
    if job.caller == LOCAL:
        return service.local()
    known = next((key for key in service.keys.all() if key.id == job.caller), None)
    if known is None:
        raise NotThere("the key that handed in this job was removed")
    return service.keyed(known.id, known.scopes)


def removed(store: Store, job: Job) -> None:
    """Forget a job and delete its files. Raises BadOption for one that is not finished."""
    if not job.finished:
        raise BadOption(f"the job {job.id} is not finished; cancel it first")
    shutil.rmtree(job.folder, ignore_errors=True)
    store.remove(job)


def packed(store: Store, job: Job, folder: Path) -> Path:
    """A ZIP file of all sounds, manifests and the index, in a folder. Raises BadOption, BadFile."""
    if not job.finished:
        raise BadOption(f"the job {job.id} is not finished: {job.counts}")
    results = store.results(job)
    if any(not result.problem and not (job.folder / result.output).is_file() for result in results):
        raise BadOption(f"sounds of the job {job.id} have been cleaned away; resume it to speak them again")
    job.folder.mkdir(parents=True, exist_ok=True)
    batch.write_index(job.folder, results)
    target = folder / f"resay-job-{job.id}.zip"
    batch.write_zip(target, job.folder, results)
    return target


def table_of(items: Sequence[Mapping[str, Any]]) -> bytes:
    """JSONL of items that came as JSON."""
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items).encode("utf-8", "surrogatepass")


def _sent(store: Store, job: Job) -> FileResponse:
    """The ZIP file of a job, which is gone when it has been read."""
    place = Path(tempfile.mkdtemp(prefix="resay-job-"))
    try:
        file = packed(store, job, place)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    gone = BackgroundTask(shutil.rmtree, place, ignore_errors=True)
    return FileResponse(file, media_type="application/zip", filename=file.name, background=gone)


def routes(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=problems.REFUSALS)

    def shown(caller: Caller, job_id: str) -> Shown:
        return Shown(**service.jobs.get(caller.id, job_id).to_json())

    @router.get("")
    def listing(caller: Annotated[Caller, Depends(speaking)]) -> Listed:
        """The caller's jobs."""
        return Listed(data=[Shown(**job.to_json()) for job in service.jobs.all(caller.id)])

    @router.post("")
    def create(body: Body, caller: Annotated[Caller, Depends(speaking)]) -> Shown:
        """Hand in a job. A wrong item is told in the results; the others are spoken."""
        table = table_of(body.items)
        return Shown(**submitted(service.jobs, caller, service.limits, body.name, body, table).to_json())

    @router.get("/{job}")
    def show(job: str, caller: Annotated[Caller, Depends(speaking)]) -> Shown:
        """How far a job is."""
        return shown(caller, job)

    @router.get("/{job}/results")
    def results(
        job: str,
        caller: Annotated[Caller, Depends(speaking)],
        after: Annotated[int, Query(ge=0, le=10**9, description="the last line that is known already")] = 0,
    ) -> Results:
        """What became of the items that are finished, in the table's order."""
        found = service.jobs.results(service.jobs.get(caller.id, job), after, PAGE + 1)
        return Results(data=[result.to_json() for result in found[:PAGE]], has_more=len(found) > PAGE)

    @router.post("/{job}/cancel")
    def cancel(job: str, caller: Annotated[Caller, Depends(speaking)]) -> Shown:
        """Speak no more of it. What is finished stays."""
        service.jobs.cancel(service.jobs.get(caller.id, job))
        return shown(caller, job)

    @router.post("/{job}/resume")
    def resume(job: str, caller: Annotated[Caller, Depends(speaking)]) -> Shown:
        """Speak what was cancelled, and try again what failed."""
        service.jobs.resume(service.jobs.get(caller.id, job))
        return shown(caller, job)

    @router.get("/{job}/zip", response_class=FileResponse, responses={200: {"content": {"application/zip": {}}}})
    def archive(job: str, caller: Annotated[Caller, Depends(speaking)]) -> FileResponse:
        """All sounds, manifests and the index of a finished job."""
        return _sent(service.jobs, service.jobs.get(caller.id, job))

    @router.delete("/{job}")
    def delete(job: str, caller: Annotated[Caller, Depends(managing)]) -> Deleted:
        """Forget a finished job and delete its files."""
        removed(service.jobs, service.jobs.get(caller.id, job))
        return Deleted(id=job)

    return router
