"""The vault: a folder of sealed items that only a passphrase opens.

A random key seals the items (AES-256 in Galois/Counter Mode); the passphrase seals that key (scrypt, RFC 7914), so
that it can change without touching the items. Names are inside the sealed items; file names are keyed digests of them.
What is not hidden: how many items there are, how long each is, and when it was written.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from . import audio
from .errors import BadFile, BadOption

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
HEAD, SUFFIX = "vault.json", ".sealed"
COST, BLOCK, LANES = 2**17, 8, 1
"""Of scrypt: 128 MB and about a third of a second for every guess."""
LARGEST_COST = 2**20
"""Above it a head is not believed: opening it would take more than a gigabyte."""
SHORTEST_PASSPHRASE = 8  # characters
LONGEST_NAME = 1_000  # bytes
NONCE = 12  # bytes


class Vault:
    """An open vault. It keeps the key in memory and nothing else; two processes may share the folder."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder = folder
        self._key = key
        self._items, self._names = _derived(key, b"items"), _derived(key, b"names")

    @classmethod
    def create(cls, folder: Path, passphrase: str) -> Vault:
        """A new, empty vault. Raises BadOption where there is one already, or for a passphrase that is too short."""
        if (folder / HEAD).exists():
            raise BadOption(f"{folder}: there is a vault already")
        vault = cls(folder, os.urandom(32))
        vault.change(passphrase)
        return vault

    @classmethod
    def open(cls, folder: Path, passphrase: str) -> Vault:
        """Raises BadOption for a wrong passphrase, BadFile where there is no vault or a damaged one."""
        path = folder / HEAD
        try:
            head = json.loads(path.read_bytes())
            version, cost, block, lanes = (head[name] for name in ("resay_vault", "cost", "block", "lanes"))
            salt, sealed = (base64.b64decode(head[name], validate=True) for name in ("salt", "key"))
            numbers = all(isinstance(value, int) and value > 0 for value in (version, cost, block, lanes))
        except FileNotFoundError:
            raise BadFile(f"{folder}: no vault is there; make one with resay vault create") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadFile(f"{path}: the vault's head is damaged ({error})") from error
        if not numbers or version > VERSION or cost * block * lanes > LARGEST_COST * BLOCK or cost & (cost - 1):
            raise BadFile(f"{path}: the vault's head is damaged, or of a later resay")
        key = _unsealed(_stretched(passphrase, salt, cost, block, lanes), sealed, HEAD)
        if key is None:
            raise BadOption(f"{folder}: this passphrase does not open the vault")
        return cls(folder, key)

    @property
    def key(self) -> bytes:
        """What the passphrase seals: whoever has it opens every item."""
        return self._key

    def change(self, passphrase: str) -> None:
        """Seal the key with another passphrase. Raises BadOption where it is too short."""
        if len(passphrase) < SHORTEST_PASSPHRASE:
            raise BadOption(f"a passphrase needs at least {SHORTEST_PASSPHRASE} characters, better several words")
        salt = os.urandom(16)
        sealed = _sealed(_stretched(passphrase, salt, COST, BLOCK, LANES), self._key, HEAD)
        head: dict[str, Any] = {"resay_vault": VERSION, "cost": COST, "block": BLOCK, "lanes": LANES}
        head |= {"salt": base64.b64encode(salt).decode(), "key": base64.b64encode(sealed).decode()}
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        audio.write_bytes(self.folder / HEAD, json.dumps(head).encode())

    def names(self) -> list[str]:
        """Of all items, in alphabetical order. Raises BadFile at a damaged one."""
        return sorted(self._read(path)[0] for path in self.folder.glob(f"*{SUFFIX}"))

    def get(self, name: str) -> bytes:
        """Raises BadOption where there is no such item, BadFile where it is damaged or was swapped for another."""
        path = self._path(name)
        if not path.exists():
            raise BadOption(f"the vault holds nothing called {name!r}")
        return self._read(path)[1]

    def put(self, name: str, content: bytes) -> None:
        """Keep an item, in place of any of this name."""
        label = _plain(name).encode()
        if not label or len(label) > LONGEST_NAME:
            raise BadOption(f"a name in the vault has 1 to {LONGEST_NAME} bytes")
        path = self._path(name)
        audio.write_bytes(path, _sealed(self._items, len(label).to_bytes(2, "big") + label + content, path.name))

    def remove(self, name: str) -> None:
        """Erase one item. Raises BadOption where there is no such item."""
        path = self._path(name)
        if not path.exists():
            raise BadOption(f"the vault holds nothing called {name!r}")
        audio.erase(path)

    def _path(self, name: str) -> Path:
        digest = hmac.new(self._names, _plain(name).encode(), hashlib.sha256).hexdigest()
        return self.folder / f"{digest[:40]}{SUFFIX}"

    def _read(self, path: Path) -> tuple[str, bytes]:
        try:
            content = _unsealed(self._items, path.read_bytes(), path.name)
        except OSError as error:
            raise BadFile(f"{path}: cannot be read ({error.strerror or error})") from error
        if content is None:
            raise BadFile(f"{path}: damaged, or not from this vault")
        end = 2 + int.from_bytes(content[:2], "big")
        return content[2:end].decode(), content[end:]


def forget(folder: Path) -> None:
    """Destroy a vault; needs no passphrase. The sealed key goes first: without it any copy of an item is noise."""
    if not (folder / HEAD).exists():
        raise BadFile(f"{folder}: no vault is there")
    audio.erase(folder / HEAD)
    for path in folder.glob(f"*{SUFFIX}"):
        audio.erase(path)
    if not any(folder.iterdir()):
        folder.rmdir()


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _stretched(passphrase: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    plain = unicodedata.normalize("NFC", passphrase).encode()
    return Scrypt(salt=salt, length=32, n=cost, r=block, p=lanes).derive(plain)


def _derived(key: bytes, purpose: bytes) -> bytes:
    """A key of its own for every purpose (HKDF, RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt=None, info=b"resay vault 1 " + purpose).derive(key)


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _sealed(key: bytes, content: bytes, place: str) -> bytes:
    """A random nonce, then the sealed content. `place` is sealed in, so that no file can stand in for another."""
    nonce = os.urandom(NONCE)
    return nonce + _cipher(key).encrypt(nonce, content, place.encode())


def _unsealed(key: bytes, sealed: bytes, place: str) -> bytes | None:
    """None where the key is another or a bit was changed."""
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(key).decrypt(sealed[:NONCE], sealed[NONCE:], place.encode())
    except (InvalidTag, ValueError):
        return None


def default_folder() -> Path:
    """$RESAY_VAULT, or `vault` in the user's data folder."""
    chosen = os.environ.get("RESAY_VAULT")
    return Path(chosen) if chosen else platformdirs.user_data_path("resay", appauthor=False) / "vault"
