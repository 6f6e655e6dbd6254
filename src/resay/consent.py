"""Who agreed to what, and until when. No voice exists without it, and every road to sound asks it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

from .errors import BadFile, ConsentMissing


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

    def require(self, use: Use, today: date) -> None:
        """Raises ConsentMissing unless the speaker agreed to `use` and the agreement has not ended before `today`."""
        if use not in self.uses:
            raise ConsentMissing(f"{self.speaker} has not agreed to this use: {use.value}")
        if self.until is not None and today > self.until:
            raise ConsentMissing(f"{self.speaker}'s consent ended on {self.until}; ask for a new one")

    def to_json(self) -> dict[str, Any]:
        return {
            "speaker": self.speaker,
            "uses": sorted(use.value for use in self.uses),
            "until": None if self.until is None else self.until.isoformat(),
            "statement": self.statement,
            "kind": self.kind.value,
        }

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
        return cls(_string(data, "speaker"), uses, _last_day(data.get("until")), _string(data, "statement"), kind)


def own(speaker: str = "the speaker") -> Consent:
    """The caller declares that the voice is their own or that its owner permits all of this."""
    statement = "I declare that this voice is mine, or that its owner has permitted me to use it."
    return Consent(speaker, frozenset(Use), None, statement, Kind.OWN)


def embedded(speaker: str) -> Consent:
    """For the voices that ship with resay."""
    statement = "Made from synthetic speech; it belongs to no person."
    return Consent(speaker, frozenset({Use.SPEAK, Use.TUNE}), None, statement, Kind.EMBEDDED)


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


def _last_day(value: object) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise BadFile(f"consent: until must be a day such as 2030-12-31 or null, not {value!r}") from None
