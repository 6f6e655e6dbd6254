"""What jobs there are and how far they have come, in SQLite or any other database that SQLAlchemy knows by a URL.

The database decides who speaks which item; whether an item is finished, the files alone decide (see `batch`). So the
two cannot disagree for long: an item that its worker could not report any more is given out again, found finished, and
kept.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.schema import CreateIndex, CreateTable

from ..batch import Result, Task
from ..errors import BadFile, BadOption, BadRequest

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
STATES = (WAITING, RUNNING, DONE, FAILED, CANCELLED)
LEASE = 60.0  # seconds that an item belongs to its worker without a sign of life
MOST_TRIES = 5  # processes that may die of one item before it is given up
BUSY = 30  # seconds that SQLite waits for another process's write
_META = sql.MetaData()
_JOBS = sql.Table(
    "jobs",
    _META,
    sql.Column("id", sql.String(32), primary_key=True),
    sql.Column("caller", sql.String(80), nullable=False, index=True),
    sql.Column("name", sql.String(200), nullable=False),
    sql.Column("folder", sql.Text, nullable=False),
    sql.Column("common", sql.JSON, nullable=False),
    sql.Column("made", sql.Float, nullable=False),
)
_ITEMS = sql.Table(
    "items",
    _META,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("job", sql.String(32), sql.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    sql.Column("line", sql.Integer, nullable=False),
    sql.Column("task", sql.JSON, nullable=False),
    sql.Column("state", sql.String(10), nullable=False, index=True),
    sql.Column("worker", sql.String(120)),
    sql.Column("until", sql.Float),
    sql.Column("tries", sql.Integer, nullable=False),
    sql.Column("result", sql.JSON),
)


class NoSuchJob(BadRequest):
    """No job of this id belongs to the caller."""

    http_status = 404


@dataclass(frozen=True)
class Job:
    """A batch that somebody handed in."""

    id: str
    caller: str
    """Whose it is; nobody else sees it."""
    name: str
    folder: Path
    """Where its sounds, their manifests and the index go."""
    common: Mapping[str, Any]
    """What all items share."""
    made: float
    """Seconds since 1970."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Items by state."""

    @property
    def items(self) -> int:
        return sum(self.counts.values())

    @property
    def finished(self) -> bool:
        """Whether nothing of it is being spoken or will be."""
        return not self.counts.get(WAITING) and not self.counts.get(RUNNING)

    @property
    def lacks_one(self) -> bool:
        """Whether a single item is being spoken and none waits."""
        return not self.counts.get(WAITING) and self.counts.get(RUNNING) == 1

    @property
    def state(self) -> str:
        if self.counts.get(RUNNING):
            return RUNNING
        if self.counts.get(WAITING):
            return RUNNING if self.counts.get(DONE) or self.counts.get(FAILED) else WAITING
        return CANCELLED if self.counts.get(CANCELLED) else FAILED if self.counts.get(FAILED) else DONE

    def to_json(self) -> dict[str, Any]:
        """What its owner is shown."""
        counts = {state: self.counts.get(state, 0) for state in STATES}
        head = {"id": self.id, "object": "job", "name": self.name, "state": self.state, "created_at": int(self.made)}
        return {**head, "items": self.items, "counts": counts, "common": dict(self.common)}


@dataclass(frozen=True)
class Claim:
    """An item that is this worker's to speak."""

    item: int
    job: str
    task: Task
    tries: int
    """Workers that have had it, this one included."""


class Store:
    """Jobs in a database. Any number of processes, and with PostgreSQL of machines, may use one at the same time."""

    def __init__(self, url: str) -> None:
        try:
            # A connection for every use: nothing is left open in a process that forks, or that waits for days.
            self._engine = sql.create_engine(_driven(url), poolclass=sql.NullPool, **_patience(url))
        except (sql.exc.ArgumentError, ModuleNotFoundError) as error:
            raise BadOption("--database takes a URL such as sqlite:////data/jobs.sqlite or postgresql://…") from error
        self.worker = f"{socket.gethostname()[:60]}:{os.getpid()}:{_born(os.getpid())}:{secrets.token_hex(4)}"
        if self._engine.dialect.name == "sqlite":
            sql.event.listen(self._engine, "connect", _prepare_sqlite)
            _make_folder(self._engine.url.database)
        with self._connected() as connection:
            for table in _META.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))

    def add(self, caller: str, name: str, folder: Path, common: Mapping[str, Any], tasks: Sequence[Task]) -> Job:
        """Hand in a job; `folder` is the parent of the folder that it gets. It waits for a runner."""
        job = secrets.token_hex(12)
        with self._connected() as connection:
            place = str(folder.absolute() / job)
            values = {"id": job, "caller": caller, "name": name, "folder": place, "common": dict(common)}
            connection.execute(sql.insert(_JOBS).values(**values, made=time.time()))
            rows = [
                {"job": job, "line": task.line, "task": _to_json(task), "state": WAITING, "tries": 0} for task in tasks
            ]
            connection.execute(sql.insert(_ITEMS), rows)
        return self.get(caller, job)

    def get(self, caller: str, job: str) -> Job:
        """Raises NoSuchJob."""
        found = self._jobs(_JOBS.c.id == job, _JOBS.c.caller == caller)
        if not found:
            raise NoSuchJob(f"no job is called {job[:80]!r}")
        return found[0]

    def all(self, caller: str | None = None) -> list[Job]:
        """A caller's jobs, or everybody's; the newest first."""
        return self._jobs(*([] if caller is None else [_JOBS.c.caller == caller]))

    def _jobs(self, *conditions: sql.ColumnElement[bool]) -> list[Job]:
        counted = sql.select(_ITEMS.c.job, _ITEMS.c.state, sql.func.count()).join(_JOBS).where(*conditions)
        with self._connected() as connection:
            rows = connection.execute(sql.select(_JOBS).where(*conditions).order_by(_JOBS.c.made.desc())).all()
            counts: dict[str, dict[str, int]] = {row.id: {} for row in rows}
            for job, state, count in connection.execute(counted.group_by(_ITEMS.c.job, _ITEMS.c.state)):
                counts.setdefault(job, {})[state] = count
        return [
            Job(row.id, row.caller, row.name, Path(row.folder), row.common, row.made, counts[row.id]) for row in rows
        ]

    def results(self, job: Job, after: int = 0, most: int | None = None) -> list[Result]:
        """What became of the items that are finished, in the table's order, from those behind line `after`."""
        chosen = sql.select(_ITEMS.c.result).where(_ITEMS.c.job == job.id, _ITEMS.c.line > after)
        chosen = chosen.where(_ITEMS.c.state.in_((DONE, FAILED))).order_by(_ITEMS.c.line).limit(most)
        with self._connected() as connection:
            return [Result(**row.result) for row in connection.execute(chosen)]

    def cancel(self, job: Job) -> None:
        """What is not finished shall not be spoken; what is being spoken stops."""
        self._turn(job, (WAITING, RUNNING), CANCELLED)

    def resume(self, job: Job) -> None:
        """What was cancelled or failed is spoken after all."""
        self._turn(job, (CANCELLED, FAILED), WAITING)

    def remove(self, job: Job) -> None:
        """Forget a job; its files are the caller's business."""
        with self._connected() as connection:
            connection.execute(sql.delete(_ITEMS).where(_ITEMS.c.job == job.id))
            connection.execute(sql.delete(_JOBS).where(_JOBS.c.id == job.id))

    def _turn(self, job: Job, states: Sequence[str], into: str) -> None:
        values = {"state": into, "worker": None, "until": None, "tries": 0, "result": None}
        with self._connected() as connection:
            chosen = sql.update(_ITEMS).where(_ITEMS.c.job == job.id, _ITEMS.c.state.in_(states))
            connection.execute(chosen.values(**values))

    def claim(self) -> Claim | None:
        """The next item that nobody speaks, now this worker's; None where there is none."""
        # In one statement, so that of two processes only one gets it; PostgreSQL would let the second wait for the
        # first, which SKIP LOCKED prevents, and SQLite has one writer at a time anyway.
        first = sql.select(_ITEMS.c.id).where(_ITEMS.c.state == WAITING).order_by(_ITEMS.c.id).limit(1)
        chosen = sql.update(_ITEMS).where(
            _ITEMS.c.id == first.with_for_update(skip_locked=True).scalar_subquery(), _ITEMS.c.state == WAITING
        )
        values = {"state": RUNNING, "worker": self.worker, "until": time.time() + LEASE, "tries": _ITEMS.c.tries + 1}
        with self._connected() as connection:
            row = connection.execute(
                chosen.values(**values).returning(_ITEMS.c.id, _ITEMS.c.job, _ITEMS.c.task, _ITEMS.c.tries)
            ).first()
        return None if row is None else Claim(row.id, row.job, Task(**row.task), row.tries)

    def job_of(self, claim: Claim) -> Job:
        """Raises NoSuchJob."""
        found = self._jobs(_JOBS.c.id == claim.job)
        if not found:
            raise NoSuchJob(f"the job {claim.job} is gone")
        return found[0]

    def renew(self, claim: Claim) -> bool:
        """A sign of life; False where the item is not this worker's any more: cancelled, or given to another."""
        return self._mine(claim, until=time.time() + LEASE)

    def finish(self, claim: Claim, result: Result) -> None:
        """Tell what became of an item."""
        facts = {**vars(result), "facts": dict(result.facts)}
        self._mine(claim, state=FAILED if result.problem else DONE, result=facts, worker=None, until=None)

    def give_back(self, claim: Claim) -> None:
        """Leave an item to whoever comes next: this process stops."""
        self._mine(claim, state=WAITING, worker=None, until=None, tries=0)

    def _mine(self, claim: Claim, **values: Any) -> bool:
        mine = (_ITEMS.c.id == claim.item, _ITEMS.c.worker == self.worker, _ITEMS.c.state == RUNNING)
        with self._connected() as connection:
            return connection.execute(sql.update(_ITEMS).where(*mine).values(**values)).rowcount == 1

    def reclaim(self) -> None:
        """Give out again what belongs to workers that are dead; give up what killed too many of them."""
        running = sql.select(_ITEMS.c.id, _ITEMS.c.worker, _ITEMS.c.until, _ITEMS.c.tries, _ITEMS.c.task)
        with self._connected() as connection:
            for row in connection.execute(running.where(_ITEMS.c.state == RUNNING)).all():
                if row.until > time.time() and not _is_dead(row.worker, self.worker):
                    continue
                values: dict[str, Any] = {"state": WAITING, "worker": None, "until": None}
                if row.tries >= MOST_TRIES:
                    problem = f"{MOST_TRIES} processes died while they spoke this (out of memory?)"
                    failed = Result(row.task["line"], row.task["output"], problem, 1)
                    values |= {"state": FAILED, "result": vars(failed)}
                unchanged = (_ITEMS.c.id == row.id, _ITEMS.c.worker == row.worker, _ITEMS.c.until == row.until)
                connection.execute(sql.update(_ITEMS).where(*unchanged).values(**values))

    @contextmanager
    def _connected(self) -> Iterator[sql.Connection]:
        """A transaction. Raises BadFile: the message must not show the URL, which may hold a password."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except sql.exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            place = self._engine.url.render_as_string(hide_password=True)
            raise BadFile(f"{place}: the database of jobs cannot be used ({cause})") from error


def default_url(folder: Path) -> str:
    """$RESAY_DATABASE, or `jobs.sqlite` in the server's folder."""
    return os.environ.get("RESAY_DATABASE") or f"sqlite:///{folder.absolute() / 'jobs.sqlite'}"


def _driven(url: str) -> str:
    """PostgreSQL without a driver named is reached by the one that the extra installs."""
    head, sign, rest = url.partition("://")
    return f"postgresql+pg8000{sign}{rest}" if head in ("postgresql", "postgres") else url


def _patience(url: str) -> dict[str, Any]:
    return {"connect_args": {"timeout": BUSY}} if url.startswith("sqlite") else {}


def _prepare_sqlite(connection: Any, _: object) -> None:
    # WAL: readers do not wait for writers, and a killed process leaves whole transactions only.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _make_folder(database: str | None) -> None:
    if database:
        try:
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadFile(f"{database}: the database of jobs cannot be made ({error.strerror})") from error


def _to_json(task: Task) -> dict[str, Any]:
    return {**vars(task), "overrides": dict(task.overrides)}


def _is_dead(worker: str, us: str) -> bool:
    """Whether a worker of this machine has ended; of others only their silence tells."""
    host, pid, born, _ = worker.rsplit(":", 3)
    if host != us.rsplit(":", 3)[0] or worker == us:
        return False
    return _born(int(pid)) != born


def _born(pid: int) -> str:
    """When a process started, in the kernel's ticks; numbers of processes are used again. Empty for a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else "unknown"
    return "" if fields[0] in ("Z", "X") else fields[19]
