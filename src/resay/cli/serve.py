"""`resay serve`: speech for programs, over HTTP."""

from __future__ import annotations

import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import voices
from ..errors import BadOption, BadRequest
from . import options, sources
from .messages import message

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ..server.service import Service

Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="What callers bring and get, instead of the usual folder.")
]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; other than this machine's own needs a key.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    at_once: Annotated[int, typer.Option(min=1, max=256, help="Pieces of speech computed at the same time.")] = 2,
    waiting: Annotated[int, typer.Option(min=0, max=10_000, help="Requests that may wait beside those.")] = 64,
    data: Data = None,
    voices: options.Voices = None,
    models: options.Models = None,
    threads: options.Threads = 2,
    provider: options.Provider = "cpu",
    engine_cache: options.EngineCache = None,
    page: Annotated[bool | None, typer.Option("--page/--no-page", help="Show the studio at /.")] = None,
    engine: options.Where = "local",
    address: options.Address = None,
    replicas: Annotated[
        int | None, typer.Option("--replicas", min=1, max=1024, help="With --engine ray: processes that answer.")
    ] = None,
) -> None:
    """Answer speech requests of OpenAI's API on a port, with the studio's page at /, until told to stop."""
    weights = sources.Weights(models, threads, provider, engine_cache)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if options.on_cluster("serve", engine, {"--address": address, "--replicas": replicas}):
        if page:
            # A visitor's tabs would talk to whichever replica is free, and each knows only its own visitors.
            raise BadOption(message("not_with", option="--page", other="--engine ray"))
        _serve_on_cluster(
            host, port, _Recipe(host, data, voices, weights, at_once, waiting), address, replicas or 2, url
        )
        return
    try:
        from ..server import app, running

        if page is not False:
            from ..studio import mounting
    except ModuleNotFoundError as error:
        raise lacking("serve", error) from error
    service = made(host, data, voices, weights, at_once, waiting)
    made_app = app.create_app(service)
    if page is not False:
        mounting.mount(made_app, service)
    running.run(made_app, host, port, lambda: _announce(url))


@dataclass(frozen=True)
class _Recipe:
    """What a replica is made of, wherever it is made."""

    host: str
    data: Path | None
    voices: Path | None
    weights: sources.Weights
    at_once: int
    waiting: int

    def __call__(self) -> ASGIApp:
        from ..server import app

        return app.create_app(made(self.host, self.data, self.voices, self.weights, self.at_once, self.waiting))


def _serve_on_cluster(host: str, port: int, recipe: _Recipe, address: str | None, replicas: int, url: str) -> None:
    try:
        from ..server import cluster, keys, running
    except ModuleNotFoundError as error:
        raise lacking("serve", error) from error
    # Told here, before a cluster is asked: a replica could only fail, and be started again and again.
    running.require_keys(host, bool(keys.Keys((recipe.data or keys.default_folder()) / "keys.json").all()))
    fleet = cluster.Fleet(address, replicas, recipe.at_once + recipe.waiting)
    cluster.run(recipe, host, port, fleet, lambda: _announce(url))


def studio(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    data: Data = None,
    voices: options.Voices = None,
    models: options.Models = None,
    threads: options.Threads = 2,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    no_gradio_cache: Annotated[bool, typer.Option("--no-gradio-cache", help="So it is always; accepted.")] = False,
) -> None:
    """Open the studio's page: speak, compare, keep voices, seeds and readings."""
    try:
        from ..server import app, running
        from ..studio import mounting
    except ModuleNotFoundError as error:
        raise lacking("studio", error) from error
    service = made("127.0.0.1", data, voices, sources.Weights(models, threads), 2, 64)
    address = f"http://127.0.0.1:{port}"

    def opened() -> None:
        _announce(address)
        if browser:
            webbrowser.open(address)

    running.run(mounting.mount(app.create_app(service), service), "127.0.0.1", port, opened)


def made(
    host: str, data: Path | None, own: Path | None, weights: sources.Weights, at_once: int, waiting: int
) -> Service:
    """A service with its weights loaded. Raises BadOption where strangers would be let in."""
    from ..server import keys, running
    from ..server.limits import Limits
    from ..server.service import Service

    folder = data or keys.default_folder()
    running.require_keys(host, bool(keys.Keys(folder / "keys.json").all()))
    return Service(
        sources.engine(weights),
        folder,
        own or voices.default_folders()[1],
        Limits(at_once=at_once, waiting=waiting),
        open_to_all=running.is_loopback(host),
    )


def lacking(command: str, error: ModuleNotFoundError) -> BadRequest:
    """What to install, where something is missing. Raises the error itself where it is one of our own modules."""
    missing = (error.name or "").partition(".")[0]
    if missing in ("", "resay"):
        raise error
    return BadRequest(message("extra", command=command, module=missing, extra="studio"))


def _announce(address: str) -> None:
    print(message("listening", address=address), file=sys.stderr, flush=True)
