"""Signatures: Ed25519 (RFC 8032) of the cryptography package, which loads when the first one is made or checked."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import BadFile

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PREFIX = "ed25519:"


@dataclass(frozen=True)
class Signature:
    """Who signed, and the signature itself."""

    key: str
    """The public key, `ed25519:` and base64."""
    value: str
    """Base64."""

    def holds(self, content: bytes) -> bool:
        """Whether the holder of the key signed just these bytes."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            public = Ed25519PublicKey.from_public_bytes(base64.b64decode(self.key.removeprefix(PREFIX), validate=True))
            public.verify(base64.b64decode(self.value, validate=True), content)
        except (InvalidSignature, ValueError, binascii.Error):
            return False
        return self.key.startswith(PREFIX)


class SigningKey:
    """A private key in a file that only its owner can read."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def kept(cls, path: Path) -> SigningKey:
        """The key in a PEM file; it is made where there is none. Raises BadFile."""
        if not path.exists():
            _make(path)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Raises BadFile where the file is missing or holds no Ed25519 key."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        problem = f"{path}: no Ed25519 key in PEM without a passphrase"
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise BadFile(f"{path}: the signing key cannot be read ({error.strerror or error})") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadFile(problem) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise BadFile(problem)
        return cls(key)

    @property
    def public(self) -> str:
        """What others check signatures with, `ed25519:` and base64."""
        return PREFIX + base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, content: bytes) -> Signature:
        """Equal content gives an equal signature: Ed25519 draws nothing by chance."""
        return Signature(self.public, base64.b64encode(self._key.sign(content)).decode())


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # readable by its owner only
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        # A link fails where another process was quicker, so that two of them end up with one key.
        with suppress(FileExistsError):
            os.link(name, path)
        Path(name).unlink()
    except OSError as error:
        problem = error.strerror or error
        raise BadFile(f"{path}: the key that signs consents cannot be kept ({problem}); set $RESAY_CONSENTS") from error
