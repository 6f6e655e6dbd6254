"""Who agreed to what, and until when. No voice exists without it, and every road to sound asks it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import platformdirs

from . import audio
from .errors import BadFile, BadOption, ConsentMissing
from .signing import Signature, SigningKey

KEY_FILE, LIST_FILE = "signing.key", "withdrawn.jsonl"
LONGEST_LIST = 64 * 2**20
"""Bytes of a list of withdrawn consents that are read at all."""
SIGNED = b"resay consent 1\n"
"""Stands before what is signed: a signature under anything else is none under a consent."""


class Use(Enum):
    """What a voice may be used for."""

    SPEAK = "speak"
    """Speak any text in this voice."""
    TUNE = "tune"
    """Fit a model to recordings of this voice."""
    FEDERATE = "federate"
    """Let what was learnt from this voice, never the voice itself, improve a shared model."""


class Kind(Enum):
    """How the consent was given."""

    OWN = "own"
    """The person at the keyboard says that the voice is theirs, or that they have permission."""
    WRITTEN = "written"
    """A record that the speaker gave, read from a file."""
    EMBEDDED = "embedded"
    """A voice that ships with resay and is nobody's: made from synthetic speech."""


@dataclass(frozen=True)
class Consent:
    """One speaker's agreement. `until` is the last day it holds, None for no end."""

    speaker: str
    uses: frozenset[Use]
    until: date | None
    statement: str
    """What was agreed to, in the speaker's words."""
    kind: Kind
    clips: tuple[str, ...] = ()
    """Digests of the only clips that may be cloned under it; none for every clip of the speaker."""
    origin: str = ""
    """`id` of the consent that this one was derived from without its speaker's name: withdrawn with it."""
    signature: Signature | None = None
    """Of whoever answers for the record: the speaker, or the keeper of the machine that took it."""

    @property
    def id(self) -> str:
        """Digest of everything but the signature; what a withdrawal names."""
        return "sha256:" + hashlib.sha256(self._content()).hexdigest()

    def require(self, use: Use, today: date) -> None:
        """Raises ConsentMissing unless the speaker agreed to `use` and the agreement still stands on `today`."""
        if use not in self.uses:
            raise ConsentMissing(f"{self.speaker} has not agreed to this use: {use.value}")
        self.check(today)

    def check(self, today: date) -> None:
        """Raises ConsentMissing where it has ended, was withdrawn on this machine, or was changed after signing."""
        if self.until is not None and today > self.until:
            raise ConsentMissing(f"{self.speaker}'s consent ended on {self.until}; ask for a new one")
        if self.signature is not None and not self.signature.holds(SIGNED + self._content()):
            raise ConsentMissing(f"{self.speaker}'s consent was changed after it was signed; ask for the signed one")
        withdrawn = withdrawals()
        if self.id in withdrawn or self.origin in withdrawn:
            raise ConsentMissing(f"{self.speaker} has withdrawn this consent; ask for a new one")

    def require_clip(self, digest: str) -> None:
        """Raises ConsentMissing where it covers other clips only."""
        if self.clips and digest not in self.clips:
            raise ConsentMissing(f"{self.speaker}'s consent is for another clip than this one")

    def signed(self, key: SigningKey) -> Consent:
        return replace(self, signature=key.sign(SIGNED + self._content()))

    def _content(self) -> bytes:
        """Canonical JSON of everything but the signature."""
        data = {name: value for name, value in self.to_json().items() if name != "signature"}
        return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "speaker": self.speaker,
            "uses": sorted(use.value for use in self.uses),
            "until": None if self.until is None else self.until.isoformat(),
            "statement": self.statement,
            "kind": self.kind.value,
        }
        if self.clips:
            data["clips"] = list(self.clips)
        if self.origin:
            data["origin"] = self.origin
        if self.signature is not None:
            data["signature"] = {"key": self.signature.key, "value": self.signature.value}
        return data

    @classmethod
    def from_json(cls, data: object) -> Consent:
        """Raises BadFile, naming the field, for anything that `to_json` could not have made."""
        if not isinstance(data, dict):
            raise BadFile("a consent record must be a JSON object")
        try:
            uses = frozenset(Use(name) for name in _strings(data, "uses"))
            kind = Kind(_string(data, "kind"))
        except ValueError as error:
            known = ", ".join(use.value for use in Use)
            raise BadFile(f"consent: {error}; uses are {known}") from None
        if not uses:
            raise BadFile("consent: uses is empty, so nothing is agreed to")
        said, until = (_string(data, "speaker"), _string(data, "statement")), _last_day(data.get("until"))
        clips = tuple(_strings(data, "clips")) if "clips" in data else ()
        origin = _string(data, "origin") if "origin" in data else ""
        return cls(said[0], uses, until, said[1], kind, clips, origin, _signature(data.get("signature")))


def own(speaker: str = "the speaker") -> Consent:
    """The caller declares that the voice is their own or that its owner permits all of this."""
    statement = "I declare that this voice is mine, or that its owner has permitted me to use it."
    return Consent(speaker, frozenset(Use), None, statement, Kind.OWN)


def embedded(speaker: str) -> Consent:
    """For the voices that ship with resay."""
    statement = "Made from synthetic speech; it belongs to no person."
    return Consent(speaker, frozenset({Use.SPEAK, Use.TUNE}), None, statement, Kind.EMBEDDED)


def taken(agreed: Consent, clip: str, today: date) -> Consent:
    """The consent under which the clip with this digest is cloned here: standing, for this clip, and signed.

    What nobody has signed is bound to the clip and signed with this machine's key: its keeper answers for it.
    Raises ConsentMissing, or BadFile where the key cannot be kept.
    """
    agreed.check(today)
    agreed.require_clip(clip)
    if agreed.signature is not None:
        return agreed
    bound = signed_here(replace(agreed, clips=(clip,)))
    bound.check(today)  # it may have been withdrawn for just this clip
    return bound


def derived(agreed: Consent, today: date) -> Consent:
    """The consent for a blurred copy of a voice: without the speaker's name, withdrawn together with `agreed`."""
    agreed.check(today)
    statement = "Derived from a consent that the keeper of the voice holds; it covers this blurred copy only."
    copy = Consent("withheld", agreed.uses, agreed.until, statement, Kind.WRITTEN, origin=agreed.origin or agreed.id)
    return signed_here(copy)


def signed_here(agreed: Consent) -> Consent:
    """What nobody has signed, with this machine's key: its keeper answers for it. Raises BadFile for a damaged key."""
    return agreed if agreed.signature is not None else agreed.signed(SigningKey.kept(folder() / KEY_FILE))


def folder() -> Path:
    """Where this machine's signing key and the list of withdrawn consents lie: $RESAY_CONSENTS, or the user's data."""
    chosen = os.environ.get("RESAY_CONSENTS")
    return Path(chosen) if chosen else platformdirs.user_data_path("resay", appauthor=False) / "consents"


def withdrawals() -> frozenset[str]:
    """Ids of the consents that were withdrawn on this machine.

    Raises BadFile where the list is damaged: what cannot be read forbids everything.
    """
    return frozenset(entry["consent"] for entry in withdrawn_entries())


def withdrawn_entries() -> Iterator[dict[str, str]]:
    """The list, in its order: `consent`, `speaker`, `day`. Raises BadFile for a damaged one."""
    path = folder() / LIST_FILE
    try:
        with path.open(encoding="utf-8") as file:
            lines = file.read(LONGEST_LIST).splitlines()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{path}: the list of withdrawn consents cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            yield {name: str(entry[name]) for name in ("consent", "speaker", "day")}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadFile(f"{path}, line {number}: the list of withdrawn consents is damaged; mend the line") from error


def withdraw(agreed: Consent, today: date) -> bool:
    """Put a consent on this machine's list; returns False where it is on it. From now on `check` refuses it.

    Raises BadOption for consents that are no one person's: a shipped voice's, and one that names no clip.
    """
    if agreed.kind is Kind.EMBEDDED or (agreed.kind is Kind.OWN and not agreed.clips):
        raise BadOption(
            "this consent is of no one speaker and no one clip; remove the voice: resay voice remove --forget"
        )
    if agreed.id in withdrawals():
        return False
    entries = [*withdrawn_entries(), {"consent": agreed.id, "speaker": agreed.speaker, "day": today.isoformat()}]
    text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    audio.write_bytes(folder() / LIST_FILE, text.encode())
    return True


def from_file(path: str | Path) -> Consent:
    """Read a consent record: {"speaker", "uses": ["speak"…], "until": "2030-12-31" or null, "statement"}.

    Raises BadFile, in one line, for a file that is missing, not JSON, or lacks a field.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadFile(f"{path}: the consent record cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path}: the consent record is not JSON ({error})") from error
    if isinstance(data, dict):
        # What a file says of its own kind is no evidence: a file is a written record, whatever it claims.
        data = {**data, "kind": Kind.WRITTEN.value}
    try:
        return Consent.from_json(data)
    except BadFile as error:
        raise BadFile(f"{path}: {error}") from None


def _string(data: dict[str, Any], field: str) -> str:
    value = data.get(field)
    if not isinstance(value, str) or not value.strip():
        raise BadFile(f"consent: {field} is missing or not text")
    return value


def _strings(data: dict[str, Any], field: str) -> list[str]:
    value = data.get(field)
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise BadFile(f"consent: {field} must be a list of words")
    return value


def _signature(value: object) -> Signature | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadFile("consent: the signature must be an object with key and value")
    return Signature(_string(value, "key"), _string(value, "value"))


def _last_day(value: object) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise BadFile(f"consent: until must be a day such as 2030-12-31 or null, not {value!r}") from None
