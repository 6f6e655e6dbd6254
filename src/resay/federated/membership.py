"""What a client keeps on its own machine: a key, features, terms, and a list of everything that it has sent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .. import audio
from ..consent import Consent, Use
from ..errors import BadFile, ConsentMissing
from .client import Sent, Terms

FILES = (
    "membership.json",
    "identity.key",
    "node.key",
    "node.key.pub",
    "features.npz",
    "known.json",
    "rounds.json",
    "sent.jsonl",
)
"""All that a membership consists of: `leave` takes away these and nothing else."""


@dataclass(frozen=True)
class Membership:
    """One client's folder."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, consent: Consent, terms: Terms, models: Path) -> Membership:
        """A new one with fresh keys. Raises ConsentMissing without consent to federate; BadFile where one exists."""
        consent.require(Use.FEDERATE, date.today())
        found = cls(folder)
        if found._path("membership.json").exists():
            raise BadFile(f"{folder}: there is a membership already; join without --recordings, or leave first")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        found._secret("identity.key", Ed25519PrivateKey.generate().private_bytes_raw())
        # Flower knows its nodes by keys of this kind, in this format, and no other.
        node = ec.generate_private_key(ec.SECP384R1())
        private = node.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        public = node.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        found._secret("node.key", private)
        found._secret("node.key.pub", public + b"\n")
        content = {"consent": consent.to_json(), "terms": asdict(terms), "models": str(models), "paused": False}
        found._write(content)
        return found

    @classmethod
    def open(cls, folder: Path) -> Membership:
        """Raises BadFile where there is none, ConsentMissing where the consent does not hold any more."""
        found = cls(folder)
        found.consent.require(Use.FEDERATE, date.today())
        return found

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _secret(self, name: str, content: bytes) -> None:
        audio.write_bytes(self._path(name), content)
        self._path(name).chmod(0o600)

    def _write(self, content: dict[str, Any]) -> None:
        self._secret("membership.json", json.dumps(content, ensure_ascii=False, indent=1).encode())

    def _content(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._path("membership.json").read_bytes())
            return {name: content[name] for name in ("consent", "terms", "models", "paused")}
        except OSError as error:
            raise BadFile(f"{self.folder}: no membership there; `resay federated join` makes one") from error
        except (KeyError, TypeError, ValueError) as error:
            raise BadFile(f"{self.folder}: the membership is damaged ({error})") from error

    @property
    def consent(self) -> Consent:
        return Consent.from_json(self._content()["consent"])

    @property
    def terms(self) -> Terms:
        return Terms(**self._content()["terms"])

    @property
    def models(self) -> Path:
        return Path(self._content()["models"])

    @property
    def paused(self) -> bool:
        return bool(self._content()["paused"])

    def pause(self, paused: bool) -> None:
        """While it is paused, every question is refused."""
        self._write({**self._content(), "paused": paused})

    @property
    def identity(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._path("identity.key").read_bytes())

    @property
    def node_key(self) -> Path:
        return self._path("node.key")

    def known(self) -> dict[int, bytes]:
        """Lasting public keys of members that were met before."""
        path = self._path("known.json")
        if not path.exists():
            return {}
        return {int(member): bytes.fromhex(key) for member, key in json.loads(path.read_bytes()).items()}

    def remember(self, known: dict[int, bytes]) -> None:
        content = {str(member): key.hex() for member, key in known.items()}
        self._secret("known.json", json.dumps(content).encode())

    def rounds(self) -> dict[str, int]:
        """The last round and the number of updates sent of every run: they outlast Flower's own memory of a run."""
        path = self._path("rounds.json")
        return json.loads(path.read_bytes()) if path.exists() else {}

    def remember_rounds(self, memory: Mapping[str, Any]) -> None:
        """Keep what `rounds` gives of a client's memory."""
        kept = {name: value for name, value in memory.items() if name.startswith(("last ", "sums "))}
        self._secret("rounds.json", json.dumps(kept).encode())

    @property
    def features(self) -> Path:
        """Where what local training needs is kept; the recordings themselves are not copied."""
        return self._path("features.npz")

    def tell(self, sent: Sent) -> None:
        """Write down what has just been sent."""
        with self._path("sent.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(sent.to_json()) + "\n")

    def sent(self) -> Iterator[Sent]:
        path = self._path("sent.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            yield Sent(**json.loads(line))

    def leave(self) -> list[str]:
        """Delete the membership: keys, features and lists. Returns what is left in the folder, which is not ours."""
        if not self._path("membership.json").exists():
            raise BadFile(f"{self.folder}: no membership there")
        for name in FILES:
            self._path(name).unlink(missing_ok=True)
        left = sorted(path.name for path in self.folder.iterdir())
        if not left:
            shutil.rmtree(self.folder)
        return left


def refuse_paused(membership: Membership) -> None:
    """Raises ConsentMissing while the owner has paused."""
    if membership.paused:
        raise ConsentMissing("paused by its owner")
