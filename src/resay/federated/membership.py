"""What a client keeps on its own machine: a key, features, terms, and a list of everything that it has sent."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .. import audio, vault
from ..consent import Consent, Use
from ..errors import BadFile, BadOption, ConsentMissing
from ..vault import Vault
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
    "refused.jsonl",
)
"""All that a membership consists of, beside its vault: `leave` takes away these and nothing else."""
VAULT = "vault"
"""Folder within a membership that is sealed: what is learnt from, and the lasting key, lie in there."""
KEY_VARIABLE = "RESAY_MEMBERSHIP_KEY"
"""By which the processes that answer the server get the vault's key from the one that asked for the passphrase."""


@dataclass(frozen=True)
class Membership:
    """One client's folder."""

    folder: Path
    key: bytes | None = field(default=None, repr=False)
    """Of the vault, where the membership is sealed."""

    @classmethod
    def create(
        cls, folder: Path, consent: Consent, terms: Terms, models: Path, passphrase: str | None = None
    ) -> Membership:
        """A new one with fresh keys, sealed where there is a passphrase.

        Raises ConsentMissing without consent to federate; BadFile where one exists; BadOption for a short passphrase.
        """
        consent.require(Use.FEDERATE, date.today())
        found = cls(folder)
        if found._path("membership.json").exists():
            raise BadFile(f"{folder}: there is a membership already; join without --recordings, or leave first")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if passphrase is not None:
            found = cls(folder, Vault.create(folder / VAULT, passphrase).key)
        found.keep("identity.key", Ed25519PrivateKey.generate().private_bytes_raw())
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
        key = os.environ.get(KEY_VARIABLE)
        found = cls(folder, bytes.fromhex(key) if key else None)
        found.require()
        return found

    def require(self) -> None:
        """Raises BadFile where there is no membership, ConsentMissing where the consent does not hold any more."""
        self.consent.require(Use.FEDERATE, date.today())

    def _path(self, name: str) -> Path:
        return self.folder / name

    @property
    def sealed(self) -> bool:
        """Whether it has a vault, which a passphrase opens."""
        return self._path(VAULT).is_dir()

    def unlocked(self, passphrase: str) -> Membership:
        """The same with its vault open. Raises BadOption for a wrong passphrase."""
        return Membership(self.folder, Vault.open(self._path(VAULT), passphrase).key)

    def keep(self, name: str, content: bytes) -> None:
        """Keep one file: in the vault where there is one, else readable by its owner alone."""
        vault = self._vault()
        if vault is None:
            self._secret(name, content)
        else:
            vault.put(name, content)

    def kept(self, name: str) -> bytes:
        """What `keep` has kept. Raises BadFile, or BadOption where it is sealed and the vault is not open."""
        vault = self._vault()
        try:
            return self._path(name).read_bytes() if vault is None else vault.get(name)
        except OSError as error:
            raise BadFile(f"{self._path(name)}: cannot be read ({error.strerror or error})") from error

    def _vault(self) -> Vault | None:
        if not self.sealed:
            return None
        if self.key is None:
            raise BadOption(f"{self.folder}: sealed; its passphrase is needed")
        return Vault(self._path(VAULT), self.key)

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
        return Ed25519PrivateKey.from_private_bytes(self.kept("identity.key"))

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

    def tell(self, sent: Sent) -> None:
        """Write down what has just been sent."""
        with self._path("sent.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(sent.to_json()) + "\n")

    def sent(self) -> Iterator[Sent]:
        path = self._path("sent.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            yield Sent(**json.loads(line))

    def tell_refused(self, phase: str, why: str) -> None:
        """Write down, for the owner alone, which question was not answered and why; nothing where all was deleted."""
        if self.folder.is_dir():
            with self._path("refused.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"phase": phase, "why": why}, ensure_ascii=False) + "\n")

    def refused(self) -> list[dict[str, str]]:
        """`phase` and `why` of every question that was not answered."""
        path = self._path("refused.jsonl")
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def leave(self) -> list[str]:
        """Overwrite and delete keys, features and lists, the vault first. Returns what else is left in the folder."""
        if not self._path("membership.json").exists():
            raise BadFile(f"{self.folder}: no membership there")
        if self.sealed:
            vault.forget(self._path(VAULT))
        for name in FILES:
            if self._path(name).exists():
                audio.erase(self._path(name))
        left = sorted(path.name for path in self.folder.iterdir())
        if not left:
            shutil.rmtree(self.folder)
        return left


def refuse_paused(membership: Membership) -> None:
    """Raises ConsentMissing while the owner has paused."""
    if membership.paused:
        raise ConsentMissing("paused by its owner")
