"""The door: whose request it is, from which page it comes, how much it brings. It stands before every route."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import ResayError
from . import problems, sessions
from .problems import NoKey, NotAllowed, TooMuch
from .service import Service

READING = ("GET", "HEAD", "OPTIONS")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
FORM_HEADS = 64 * 1024  # bytes that a multipart body may have beside the recording
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    # Pages load nothing from elsewhere, even if one of their libraries would like to.
    "Content-Security-Policy": (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob:; "
        "form-action 'self'; base-uri 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
}
DOOR = "/session"
"""Where strangers show a key."""
LASTING = ("/assets/", "/static/", "/_app/")
"""The page's own scripts and styles; everything else may have changed when it is asked for again."""


class Overflow(Exception):
    """More bytes came than were announced or are allowed."""


class Guard:
    """Wraps the application. Refuses what no route shall see; tells the routes who calls."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._examine(scope, headers)
            secret = secret_of(headers)
            scope["resay.caller"] = self._service.caller(secret) if secret else self._visitor(headers)
            if scope["resay.caller"] is None and _changes(scope) and scope["path"] != DOOR:
                raise NoKey  # our routes would ask for themselves; those of the page's library do not all
        except ResayError as error:
            await self._refuse(error, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    def _examine(self, scope: Scope, headers: Headers) -> None:
        host = _hostname(headers.get("host", ""))
        # On loopback without keys the name is the lock: a foreign site whose name was made to point here is refused.
        if host not in LOOPBACK and self._service.unlocked:
            raise NotAllowed(f"this server answers to localhost, not to {host[:80]!r}")
        changing = scope["type"] == "websocket" or scope["method"] not in READING
        if changing and _is_foreign(headers):
            raise NotAllowed("requests from pages of other sites are refused")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most():
            raise self._too_much()

    def _visitor(self, headers: Headers) -> object:
        """A browser with a session, or the person at this machine."""
        key_id = sessions.key_of(self._service.folder, _cookies(headers).get(sessions.COOKIE, ""))
        if key_id is not None:
            known = next((key for key in self._service.keys.all() if key.id == key_id), None)
            if known is not None:
                return self._service.keyed(known.id, known.scopes)
        return self._service.caller(None)

    def _most(self) -> int:
        return self._service.limits.upload_bytes + FORM_HEADS

    def _too_much(self) -> TooMuch:
        return TooMuch(f"the request is longer than the {self._service.limits.upload_bytes} bytes that are taken here")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken, overflowed, started = 0, False, False

        async def bounded() -> Message:
            nonlocal taken, overflowed
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most():
                overflowed = True
                raise Overflow
            return message

        async def dressed(message: Message) -> None:
            nonlocal started
            if overflowed and not started:
                return  # whatever a route makes of half a body, the answer is ours
            if message["type"] == "http.response.start":
                started = True
                self._service.metrics.responded(message["status"])
                _dress(scope["path"], MutableHeaders(scope=message))
            await send(message)

        with suppress(Overflow):
            await self._app(scope, bounded, dressed)
        if overflowed and not started:
            await self._refuse(self._too_much(), scope, receive, send)

    async def _refuse(self, error: ResayError, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": str(error)[:120]})
            return
        self._service.metrics.responded(error.http_status)
        headers = {**HEADERS, **problems.headers_of(error)}
        response = problems.response(error.http_status, problems.of_error(error), headers)
        await response(scope, receive, send)


def secret_of(headers: Mapping[str, str]) -> str | None:
    """The key in `Authorization: Bearer KEY`."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


def _changes(scope: Scope) -> bool:
    """Whether a plain request may change something. Conversations over a WebSocket ask for the key themselves."""
    return scope["type"] == "http" and scope["method"] not in READING


def _is_foreign(headers: Headers) -> bool:
    """Whether a browser says that a page of another site sends this. Programs send neither header."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _cookies(headers: Headers) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def _dress(path: str, headers: MutableHeaders) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if not path.startswith(LASTING):
        headers["Cache-Control"] = "no-store"
