"""A batch on a Ray cluster: the same items, the same files, spoken by whichever machines there are.

Ray only carries items to workers. What an item is, when it is finished and how it is written stays with `batch`, so a
sound cannot depend on where it was made. All machines see the batch's folder, the voices and the weights under the same
paths.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .batch import Recipe, Result, Task, perform_here, sweep
from .errors import BadOption

ATTEMPTS = 2
"""How often an item is given to a worker: once more after a worker is lost, then it is told as failed."""
SETTINGS = ("RESAY_VOICES", "RESAY_SEEDS", "RESAY_LANGUAGE")
"""Environment variables that decide what a request means, so workers get the caller's."""
J = TypeVar("J")
Submit = Callable[[Task, bool], J]
"""Gives an item to a worker; True where a worker that had it was lost, and may have finished it."""
Collect = Callable[[Sequence[J]], tuple[J, Result | None]]
"""Waits for one of several jobs; gives it and its result, None where its worker was lost."""


@dataclass(frozen=True)
class Place:
    """Where the command was called: relative paths and names shall mean the same to every worker."""

    folder: str = field(default_factory=os.getcwd)
    environment: tuple[tuple[str, str | None], ...] = field(
        default_factory=lambda: tuple((name, os.environ.get(name)) for name in SETTINGS)
    )

    def enter(self) -> None:
        """Make this process stand there. Raises BadOption where the folder is not shared with this machine."""
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise BadOption(
                f"{self.folder} is not there on a machine of the cluster; "
                "put tasks, voices and outputs into a folder that all machines see"
            ) from error
        for name, value in self.environment:
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def dispatch(tasks: Sequence[Task], submit: Submit[J], collect: Collect[J], at_once: int) -> Iterator[Result]:
    """Give items to workers, `at_once` at a time; an item whose worker is lost is given out once more.

    Args:
        tasks: what is to be spoken.
        submit: gives an item to a worker.
        collect: waits for one of the jobs.
        at_once: workers that speak side by side.
    """
    waiting = deque((task, 1) for task in tasks)
    running: dict[J, tuple[Task, int]] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            task, attempt = waiting.popleft()
            running[submit(task, attempt > 1)] = task, attempt
        job, result = collect(list(running))
        task, attempt = running.pop(job)
        if result is not None:
            yield result
        elif attempt < ATTEMPTS:
            # Before all others: what made one worker die shall show early, and order helps nobody.
            waiting.appendleft((task, attempt + 1))
        else:
            yield Result(task.line, task.output, "its workers were lost twice (out of memory?)", 1)


def performed(
    tasks: Sequence[Task],
    recipe: Recipe,
    workers: int,
    resume: bool,
    *,
    folder: Path,
    address: str | None = None,
    processors: int = 1,
) -> Iterator[Result]:
    """What became of each item, as they come.

    Args:
        tasks: what is to be spoken.
        recipe: how a worker makes its performer.
        workers: items that are spoken side by side.
        resume: whether items that an earlier run has finished are kept.
        folder: where the sounds go.
        address: the cluster's; without it that of $RAY_ADDRESS or of this machine, else one is started here.
        processors: cores that one item takes.

    Raises:
        BadOption: there is no such cluster, or none of its machines is large enough.
    """
    import ray

    with connected(address, workers * processors):
        require_room(processors)
        speak = ray.remote(num_cpus=processors, max_retries=0)(_perform_there)
        place, lost = Place(), 0

        def submit(task: Task, again: bool) -> Any:
            # A worker that was lost may have finished its item before: then it is looked at, and not spoken twice.
            return speak.remote(place, task, recipe, resume or again)

        def collect(jobs: Sequence[Any]) -> tuple[Any, Result | None]:
            nonlocal lost
            (job,), _ = ray.wait(list(jobs), num_returns=1)
            try:
                return job, ray.get(job)
            except _losses():
                lost += 1
                return job, None

        yield from dispatch(tasks, submit, collect, workers)
    if lost:
        sweep(folder, tasks)


def _losses() -> tuple[type[Exception], ...]:
    """What Ray raises where not the item but its worker is at fault."""
    from ray import exceptions

    return (
        exceptions.WorkerCrashedError,
        exceptions.NodeDiedError,
        exceptions.OutOfMemoryError,
        exceptions.ObjectLostError,
    )


def _perform_there(place: Place, task: Task, recipe: Recipe, resume: bool) -> Result:
    """One item in a worker of the cluster."""
    try:
        place.enter()
    except BadOption as error:
        return Result(task.line, task.output, str(error), error.exit_code)
    return perform_here(task, recipe, resume)


@contextmanager
def connected(address: str | None, processors: int) -> Iterator[None]:
    """Be part of a Ray cluster. Raises BadOption where there is none at the address."""
    import ray

    # Ray would otherwise report to its makers. A cluster that is there already has been asked when it was started.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "resay"}
    try:
        ray.init(address=address or "auto", **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        if address is not None or "RAY_ADDRESS" in os.environ:
            where = address or os.environ["RAY_ADDRESS"]
            raise BadOption(
                f"no Ray cluster at {where} lets us in; start one with `ray start --head`, "
                "and where it wants a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
            ) from error
        ray.init(address="local", num_cpus=max(processors, os.cpu_count() or 1), include_dashboard=False, **quiet)
    try:
        yield
    finally:
        ray.shutdown()


def require_room(processors: int) -> None:
    """Raises BadOption where no machine has so many cores: an item would wait for ever."""
    import ray

    largest = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
    if largest < processors:
        raise BadOption(f"an item takes {processors} cores, the largest machine of the cluster has {largest:g}")
