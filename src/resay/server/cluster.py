"""The service on a Ray cluster: replicas behind one port, each with the weights and the rules of a single server.

Ray Serve only passes requests on. Replicas share what callers keep through the data folder, which all machines see
under the same path; nothing else has to be shared, because the engine keeps no state.
"""

from __future__ import annotations

import logging
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from .. import cluster
from ..cluster import Place
from ..errors import BadOption

APPLICATION = "resay"
BESIDE = 64
"""Requests that a replica gets beside those it has room for: it refuses them itself, in its own words."""
GRACE = 10  # seconds that running requests get when the server is told to stop


@dataclass(frozen=True)
class Fleet:
    """How many replicas, and where."""

    address: str | None = None
    """The cluster's; without it that of $RAY_ADDRESS or of this machine, else one is started here."""
    replicas: int = 2
    places: int = 66
    """Requests that one replica has room for."""


def run(make: Callable[[], ASGIApp], host: str, port: int, fleet: Fleet, started: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is being said and return.

    Args:
        make: makes the application, once in every replica.
        host: address that the cluster's head listens on.
        port: its port.
        fleet: how many replicas, and where.
        started: called when all replicas answer.

    Raises:
        BadOption: there is no such cluster, it has no room, or something else listens there.
    """
    from ray import serve

    with cluster.connected(fleet.address, fleet.replicas):
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        serve.start(http_options={"host": host, "port": port}, logging_config={"log_level": "ERROR"})
        with _told_to_stop() as stop:
            try:
                serve.run(_application(make, fleet), name=APPLICATION, route_prefix="/")
                _require_answer(host, port)
                started()
                stop.wait()
            finally:
                serve.delete(APPLICATION)
                if not serve.status().applications:
                    serve.shutdown()  # nobody else uses it


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set by SIGTERM and SIGINT. To be entered after Ray has put its own handlers there, which would end us at once."""
    stop = threading.Event()
    before = {name: signal.signal(name, lambda *_: stop.set()) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _application(make: Callable[[], ASGIApp], fleet: Fleet) -> Any:
    from ray import serve

    place = Place()

    def built() -> ASGIApp:
        place.enter()
        return make()

    replicas = serve.deployment(
        num_replicas=fleet.replicas,
        max_ongoing_requests=fleet.places + BESIDE,
        graceful_shutdown_timeout_s=GRACE,
        ray_actor_options={"num_cpus": 1},
    )
    return replicas(serve.ingress(built)()).bind()


def _require_answer(host: str, port: int) -> None:
    """Raises BadOption where Ray Serve was there before us, on another port."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    address = f"http://{f'[{reached}]' if ':' in reached else reached}:{port}/healthz"
    try:
        with urllib.request.urlopen(address, timeout=GRACE) as answer:
            answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise BadOption(
            f"the cluster does not answer on port {port}: Ray Serve listens elsewhere there, or the port is taken; "
            "name its port with --port, or end it with: serve shutdown"
        ) from error
