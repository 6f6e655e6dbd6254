"""From a service to a process that answers on a port, and stops when it is told to."""

from __future__ import annotations

import ipaddress
import signal
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from ..errors import BadOption

GRACE = 10  # seconds that running requests get when the server is told to stop
KEEP_ALIVE = 20  # seconds that an idle connection is kept


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_keys(host: str, has_keys: bool) -> None:
    """Raises BadOption where strangers would be let in."""
    if not is_loopback(host) and not has_keys:
        raise BadOption(
            f"--host {host} would let anybody speak who reaches this machine; "
            "make a key first: resay key add NAME (or use --host 127.0.0.1)"
        )


def run(app: ASGIApp, host: str, port: int, started: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is being said and return. Raises BadOption for a taken port."""
    settings = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,  # addresses and paths of callers are nobody's business but theirs
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=KEEP_ALIVE,
        ws_max_size=2**20,
        h11_max_incomplete_event_size=2**16,
        lifespan="on",
    )
    server = _Announced(settings, started)
    # uvicorn stops on these and then raises them once more for whoever came before: that shall not end us unfinished.
    before = {name: signal.signal(name, lambda *_: None) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run()
    except SystemExit as error:
        raise BadOption(f"port {port} on {host} cannot be used; is another server running there?") from error
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


class _Announced(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = started

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            self._announce()
