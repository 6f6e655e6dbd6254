"""Works off jobs: one item after the other, in threads that stop between two pieces of speech when they are told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from .. import batch
from ..batch import Performer, Result
from ..errors import ResayError
from ..synthesis import Piece
from ..takes import Watch
from .store import Claim, Job, Store

LOG = logging.getLogger(__name__)
LOOK = 1.0  # seconds between two looks for work, and between two signs of life
RECLAIM = 10.0  # seconds between two looks for items of the dead


class Left(BaseException):
    """The item shall not be spoken any further. No Exception: for those the item's edge has an answer of its own."""


PerformerOf = Callable[[Job, Watch], Performer]
"""Makes what speaks a job's items; the watch must see every piece."""


class Runner:
    """Speaks the items of all jobs in a store, `at_once` at a time, until it is stopped or nothing is left."""

    def __init__(self, store: Store, performer_of: PerformerOf, at_once: int = 1) -> None:
        self._store, self._performer_of, self._at_once = store, performer_of, at_once
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Work in the background."""
        work = [threading.Thread(target=self._work, name=f"resay-jobs-{at}") for at in range(self._at_once)]
        self._threads = [*work, threading.Thread(target=self._reclaim, name="resay-jobs-reclaim")]
        for thread in self._threads:
            thread.daemon = True  # a database that hangs shall not keep the process alive
            thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Stop at the next piece; unfinished items go back."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(seconds)

    def work_off(self) -> int:
        """Speak here and now until nothing waits; the number of items."""
        self._store.reclaim()
        count = 0
        while (claim := self._store.claim()) is not None:
            self._speak(claim)
            count += 1
        return count

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                claim = self._store.claim()
                if claim is None:
                    self._stopped.wait(LOOK)
                else:
                    self._speak(claim)
            except ResayError as error:
                LOG.error("jobs: %s", error)
                self._stopped.wait(RECLAIM)

    def _reclaim(self) -> None:
        while not self._stopped.is_set():
            try:
                self._store.reclaim()
            except ResayError as error:
                LOG.error("jobs: %s", error)
            self._stopped.wait(RECLAIM)

    def _speak(self, claim: Claim) -> None:
        job = self._store.job_of(claim)
        with self._held(claim) as unwanted:

            def watched(pieces: Iterable[Piece]) -> Iterator[Piece]:
                for piece in pieces:
                    if unwanted.is_set() or self._stopped.is_set():
                        raise Left
                    yield piece

            try:
                result = self._performed(claim, job, watched)
            except Left:
                self._store.give_back(claim)
                return
            except BaseException:
                self._store.give_back(claim)
                raise
        self._foretell(job, result)
        self._store.finish(claim, result)
        self._complete(job)

    def _performed(self, claim: Claim, job: Job, watch: Watch) -> Result:
        if claim.tries > 1:
            batch.sweep(job.folder, [claim.task])  # what a killed worker left of it
        try:
            performer = self._performer_of(job, watch)
        except ResayError as error:
            return Result(claim.task.line, claim.task.output, str(error), error.exit_code)
        return batch.perform(claim.task, performer, resume=True)

    def _foretell(self, job: Job, result: Result) -> None:
        """Write the index before a job's last item is told to be done: who sees a job done finds its index."""
        if self._store.get(job.caller, job.id).lacks_one:
            batch.write_index(job.folder, sorted([*self._store.results(job), result], key=lambda one: one.line))

    def _complete(self, job: Job) -> None:
        """Write the index behind a job's last item: of several that end at once nobody has foretold all."""
        if self._store.get(job.caller, job.id).finished:
            job.folder.mkdir(parents=True, exist_ok=True)
            batch.write_index(job.folder, self._store.results(job))

    @contextmanager
    def _held(self, claim: Claim) -> Iterator[threading.Event]:
        """Signs of life while an item is spoken; the event says that nobody wants it any more."""
        unwanted, done = threading.Event(), threading.Event()

        def pulse() -> None:
            while not done.wait(LOOK):
                try:
                    if not self._store.renew(claim):
                        unwanted.set()
                        return
                except ResayError as error:
                    LOG.error("jobs: %s", error)

        thread = threading.Thread(target=pulse, daemon=True)
        thread.start()
        try:
            yield unwanted
        finally:
            done.set()
            thread.join()
