"""`resay serve`: speech for programs, over HTTP."""

from __future__ import annotations

import sys
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import voices
from ..errors import BadOption
from . import options, sources
from .messages import message

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ..server.service import Service
    from ..synthesis import Engine

WARMING = ("你好，再说一遍，一字不差。", "Hello, say it again, exactly.")
LONGEST_PIECES = ("你好，再说一遍，一字不差，" * 6, "Say it once more, exactly as before, " * 3)
"""As long as what is said in one go ever gets: texts that are longer are said in pieces."""
SLOWLY = 0.8
"""The speed that they are said at: no voice is slower of its own accord."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; other than this machine's own needs a key.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=256, help="Processes that compute; they share the weights' memory.")
    ] = 1,
    at_once: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Pieces computed at the same time.", show_default="2 for each worker"),
    ] = None,
    waiting: Annotated[int, typer.Option(min=0, max=10_000, help="Requests that may wait beside those.")] = 64,
    data: options.Data = None,
    voices: options.Voices = None,
    database: options.Database = None,
    models: options.Models = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, max=256, help="Of each network.", show_default="2; 1 with --workers"),
    ] = None,
    provider: options.Provider = "cpu",
    engine_cache: options.EngineCache = None,
    wyoming: Annotated[
        int | None, typer.Option("--wyoming", metavar="PORT", min=1, max=65535, help="Answer Home Assistant here, too.")
    ] = None,
    wyoming_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="As which key's holder everybody speaks at that port.")
    ] = None,
    page: Annotated[bool | None, typer.Option("--page/--no-page", help="Show the studio at /.")] = None,
    engine: options.Where = "local",
    address: options.Address = None,
    replicas: Annotated[
        int | None, typer.Option("--replicas", min=1, max=1024, help="With --engine ray: processes that answer.")
    ] = None,
) -> None:
    """Answer speech requests of OpenAI's API on a port, with the studio's page at /, until told to stop."""
    _refuse_contradictions(workers, threads, provider, wyoming, wyoming_key)
    weights = sources.Weights(models, threads or (2 if workers == 1 else 1), provider, engine_cache)
    recipe = _Recipe(host, data, voices, weights, at_once or 2 * workers, waiting, database, workers)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if options.on_cluster("serve", engine, {"--address": address, "--replicas": replicas}):
        # A visitor's tabs would talk to whichever replica is free, and each knows only its own visitors.
        for option, given in (("--page", page), ("--wyoming", wyoming), ("--workers", workers > 1)):
            if given:
                raise BadOption(message("not_with", option=option, other="--engine ray"))
        _serve_on_cluster(host, port, recipe, address, replicas or 2, url)
        return
    with sources.extra("serve"):
        from ..server import app, running

        if page is not False:
            from ..studio import mounting
    service = recipe.service()
    made_app = app.create_app(service, None if wyoming is None else _wyoming(service, host, wyoming, wyoming_key))
    if page is not False:
        mounting.mount(made_app, service)
    running.run(made_app, host, port, lambda: _announce(url))


def _refuse_contradictions(
    workers: int, threads: int | None, provider: str, wyoming: int | None, wyoming_key: str | None
) -> None:
    """Raises BadOption."""
    if wyoming_key is not None and wyoming is None:
        raise BadOption(message("not_with", option="--wyoming-key", other="no --wyoming"))
    if workers > 1 and (threads or 1) > 1:
        raise BadOption(message("not_with", option="--threads", other=f"--workers {workers}"))
    if workers > 1 and provider != "cpu":
        raise BadOption(message("not_with", option=f"--provider {provider}", other=f"--workers {workers}"))


@dataclass(frozen=True)
class _Recipe:
    """What a replica is made of, wherever it is made."""

    host: str
    data: Path | None
    voices: Path | None
    weights: sources.Weights
    at_once: int
    waiting: int
    database: str | None = None
    workers: int = 1

    def service(self) -> Service:
        return made(
            self.host,
            self.data,
            self.voices,
            self.weights,
            self.at_once,
            self.waiting,
            self.database,
            self.workers,
        )

    def __call__(self) -> ASGIApp:
        from ..server import app

        return app.create_app(self.service())


def _serve_on_cluster(host: str, port: int, recipe: _Recipe, address: str | None, replicas: int, url: str) -> None:
    with sources.extra("serve"):
        from ..server import cluster, keys, running
    # Told here, before a cluster is asked: a replica could only fail, and be started again and again.
    running.require_keys(host, bool(keys.Keys((recipe.data or keys.default_folder()) / "keys.json").all()))
    fleet = cluster.Fleet(address, replicas, recipe.at_once + recipe.waiting)
    cluster.run(recipe, host, port, fleet, lambda: _announce(url))


def studio(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    data: options.Data = None,
    voices: options.Voices = None,
    models: options.Models = None,
    threads: options.Threads = 2,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    no_gradio_cache: Annotated[bool, typer.Option("--no-gradio-cache", help="So it is always; accepted.")] = False,
) -> None:
    """Open the studio's page: speak, compare, keep voices, seeds and readings."""
    with sources.extra("studio"):
        from ..server import app, running
        from ..studio import mounting
    service = made("127.0.0.1", data, voices, sources.Weights(models, threads), 2, 64)
    address = f"http://127.0.0.1:{port}"

    def opened() -> None:
        _announce(address)
        if browser:
            webbrowser.open(address)

    running.run(mounting.mount(app.create_app(service), service), "127.0.0.1", port, opened)


def made(
    host: str,
    data: Path | None,
    own: Path | None,
    weights: sources.Weights,
    at_once: int,
    waiting: int,
    database: str | None = None,
    workers: int = 1,
) -> Service:
    """A service with its weights loaded. Raises BadOption where strangers would be let in."""
    from ..server import keys, memory, running
    from ..server.limits import Limits
    from ..server.service import Service

    folder = data or keys.default_folder()
    running.require_keys(host, bool(keys.Keys(folder / "keys.json").all()))
    memory.bound()
    engine = sources.engine(weights)
    _warm(engine, at_once if workers == 1 else 1)
    if workers > 1:
        from ..server.workers import Workers

        engine = Workers(engine, workers)
    return Service(
        engine,
        folder,
        own or voices.default_folders()[1],
        Limits(at_once=at_once, waiting=waiting),
        open_to_all=running.is_loopback(host),
        database=database,
    )


def _warm(engine: Engine, at_once: int) -> None:
    """Load what only the first text needs: before somebody waits for it, and while workers can still share it.

    Networks keep the memory that a run needed for the next one. The longest pieces, side by side and before all others,
    let them take it now and in one piece, so that it is seen at the start how much a server holds, and not after an
    hour.
    """
    from ..synthesis import Request

    speaker = next(iter(voices.VoiceLibrary([voices.SHIPPED])))
    with ThreadPoolExecutor(at_once) as threads:
        for text in LONGEST_PIECES:
            request = Request(text, speed=SLOWLY)
            list(threads.map(lambda request: engine.say(request, speaker), [request] * at_once))
    for text in WARMING:
        engine.say(Request(text), speaker)


def _wyoming(service: Service, host: str, port: int, key: str | None) -> AbstractAsyncContextManager[None]:
    """Raises BadOption for a taken port, and where it would not be known who speaks."""
    with sources.extra("serve"):
        from ..server import wyoming
    wyoming.require_speaker(service, key)
    return wyoming.listening(service, wyoming.bound(host, port), key)


def _announce(address: str) -> None:
    print(message("listening", address=address), file=sys.stderr, flush=True)
