"""A browser's session: who has shown a key once, in a signed cookie that no other site can use."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from functools import lru_cache
from pathlib import Path

from .. import audio

COOKIE = "resay_session"
LASTS = 12 * 3600  # seconds


def made(folder: Path, key_id: str, now: float | None = None) -> str:
    """The cookie's value for the holder of a key."""
    head = f"{key_id}.{int((now or time.time()) + LASTS)}"
    return f"{head}.{_signature(folder, head)}"


def key_of(folder: Path, cookie: str, now: float | None = None) -> str | None:
    """The id of the key that the cookie's owner showed; None for a cookie that is none, is forged or has ended."""
    head, _, signature = cookie.rpartition(".")
    key_id, _, until = head.partition(".")
    if not until.isdecimal() or not until.isascii() or len(until) > 12:
        return None
    if not hmac.compare_digest(_signature(folder, head).encode(), signature.encode()):
        return None
    return key_id if int(until) > (now or time.time()) else None


def _signature(folder: Path, head: str) -> str:
    return hmac.new(_secret(folder), head.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=4)
def _secret(folder: Path) -> bytes:
    """What cookies are signed with: drawn once, and kept so that a session outlives a restart."""
    path = folder / "session.secret"
    if not path.exists():
        audio.write_bytes(path, secrets.token_bytes(32))
        path.chmod(0o600)
    return path.read_bytes()
