"""Keys to the server: shown once, kept only as hashes, each with what it may do."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import platformdirs

from .. import audio
from ..errors import BadFile, BadOption

SPEAK, MANAGE = "speak", "manage"
SCOPES = (SPEAK, MANAGE)
"""`speak`: make sound and read what is one's own; `manage`: add and delete voices, consents, lexicons and roles too."""
PREFIX = "rsk_"
NAME = re.compile(r"[\w .@-]{1,80}")


@dataclass(frozen=True)
class Key:
    """What is kept of a key."""

    id: str
    name: str
    scopes: tuple[str, ...]
    hash: str
    """SHA-256 of the secret, hexadecimal."""
    made: str
    """The day, ISO."""


class Keys:
    """The keys in one file. Every question reads it anew: the command line may just have changed it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[Key]:
        """Raises BadFile for a damaged file: a server must not take that for "there are no keys"."""
        try:
            content = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise BadFile(f"{self._path}: the keys cannot be read") from error
        try:
            return [Key(**{**entry, "scopes": tuple(entry["scopes"])}) for entry in json.loads(content)["keys"]]
        except (ValueError, KeyError, TypeError) as error:
            raise BadFile(f"{self._path}: the list of keys is damaged") from error

    def add(self, name: str, scopes: Iterable[str], today: date) -> tuple[Key, str]:
        """A new key and its secret, which is nowhere else. Raises BadOption."""
        wanted = tuple(scope for scope in SCOPES if scope in set(scopes))
        if not wanted or set(scopes) - set(SCOPES):
            raise BadOption(f"a key's scopes are {' and '.join(SCOPES)}")
        if not NAME.fullmatch(name.strip()):
            raise BadOption(f"{name[:80]!r} cannot name a key: use 1 to 80 letters, digits, spaces and . @ - _")
        known = self.all()
        if name.strip() in {key.name for key in known}:
            raise BadOption(f"there is a key called {name.strip()!r} already; remove it first or choose another name")
        secret = PREFIX + secrets.token_urlsafe(32)
        key = Key(secrets.token_hex(8), name.strip(), wanted, hash_of(secret), today.isoformat())
        self._write([*known, key])
        return key, secret

    def remove(self, which: str) -> Key:
        """Delete the key of this name or id. Raises BadOption."""
        known = self.all()
        gone = next((key for key in known if which in (key.id, key.name)), None)
        if gone is None:
            raise BadOption(f"no key is called {which[:80]!r}; `resay key list` shows them")
        self._write([key for key in known if key is not gone])
        return gone

    def find(self, secret: str) -> Key | None:
        """The key that a caller holds."""
        wanted = hash_of(secret)
        return next((key for key in self.all() if hmac.compare_digest(key.hash, wanted)), None)

    def _write(self, keys: Iterable[Key]) -> None:
        text = json.dumps({"keys": [vars(key) for key in keys]}, ensure_ascii=False, indent=1)
        audio.write_bytes(self._path, text.encode() + b"\n")
        self._path.chmod(0o600)


def hash_of(secret: str) -> str:
    # A secret of 256 random bits cannot be guessed, so a quick hash keeps it as well as a slow one would.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def default_folder() -> Path:
    """Where a server keeps what it is given: `server` in the user's data folder."""
    return platformdirs.user_data_path("resay", appauthor=False) / "server"
