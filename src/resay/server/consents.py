"""Consent records in the shape of OpenAI's voice consents: a recording in which the speaker agrees."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, File, Form, UploadFile
from pydantic import BaseModel

from .. import audio
from ..consent import Consent, Kind, Use
from ..errors import BadFile, BadOption, ConsentMissing
from ..manifest import digest_of
from ..reference import SAME_SPEAKER, Profile
from . import problems, uploads
from .problems import NotThere
from .service import Caller, Service, managing, speaking

ID = re.compile("cons_[0-9a-f]{24}")
TAG = "consent:"
"""Begins the tag by which a voice names the record that it rests on."""
LANGUAGE = re.compile("[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")  # BCP 47, as far as anybody writes it
LONGEST = 1_000  # characters of a name or a statement


@dataclass(frozen=True)
class Record:
    """What is kept of a consent: not the recording, but what it sounded like and its digest."""

    id: str
    name: str
    """Of the speaker."""
    language: str
    created_at: int
    uses: tuple[str, ...]
    until: str | None
    statement: str
    recording: str
    """Digest of the file."""
    timbre: tuple[float, ...]
    """Of the voice in the recording: only this voice may be cloned."""

    def consent(self) -> Consent:
        data = {"speaker": self.name, "uses": list(self.uses), "until": self.until, "statement": self.statement}
        return Consent.from_json({**data, "kind": Kind.WRITTEN.value})

    def require_same_speaker(self, profile: Profile) -> None:
        """Raises ConsentMissing where the clip is of another person than the one who agreed."""
        if float(np.asarray(self.timbre) @ profile.timbre) < SAME_SPEAKER:
            raise ConsentMissing(f"the clip does not sound like {self.name}, who gave the consent {self.id}")


class Shown(BaseModel):
    """A consent record, as OpenAI shows it, with what it covers."""

    object: str = "audio.voice_consent"
    id: str
    name: str
    language: str
    created_at: int
    uses: list[str]
    until: str | None
    recording: str


class Listed(BaseModel):
    """All consent records of the caller."""

    object: str = "list"
    data: list[Shown]
    first_id: str | None
    last_id: str | None
    has_more: bool = False


class Deleted(BaseModel):
    """What went. With a consent go the voices that rested on it."""

    object: str = "audio.voice_consent"
    id: str
    deleted: bool = True
    voices: list[str] = []


def load(caller: Caller, consent_id: str) -> Record:
    """Raises NotThere."""
    path = caller.consents / f"{consent_id}.json"
    if not ID.fullmatch(consent_id) or not path.is_file():
        raise NotThere(f"no consent is called {consent_id[:80]!r}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Record(**{**data, "uses": tuple(data["uses"]), "timbre": tuple(data["timbre"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFile(f"the consent {consent_id} is damaged") from error


def _all(caller: Caller) -> Iterator[Record]:
    for path in sorted(caller.consents.glob("cons_*.json")):
        yield load(caller, path.stem)


def _keep(caller: Caller, record: Record) -> Record:
    path = caller.consents / f"{record.id}.json"
    audio.write_bytes(path, json.dumps(asdict(record), ensure_ascii=False).encode())
    path.chmod(0o600)  # it holds what a person sounds like
    return record


def _shown(record: Record) -> Shown:
    kept: dict[str, Any] = {name: value for name, value in asdict(record).items() if name in Shown.model_fields}
    return Shown(**kept)


def _checked(name: str, language: str, statement: str) -> None:
    if not name.strip() or len(name) > LONGEST or len(statement) > LONGEST:
        raise BadOption(f"name and statement must say something in at most {LONGEST} characters")
    if not LANGUAGE.fullmatch(language):
        raise BadOption("language must be a language tag such as en-GB or zh-CN")


def _uses(text: str) -> tuple[str, ...]:
    known = {use.value for use in Use}
    uses = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not uses or set(uses) - known:
        raise BadOption(f"uses must name some of {', '.join(sorted(known))}, with commas between")
    return uses


def _last_day(text: str | None) -> str | None:
    try:
        return None if not text else date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadOption("until must be a day such as 2030-12-31") from None


def _delete(caller: Caller, record: Record) -> Deleted:
    library, gone = caller.voices, []
    for name in library.names():
        if library.is_own(name) and f"{TAG}{record.id}" in library.get(name).tags:
            library.remove(name)
            gone.append(name)
    (caller.consents / f"{record.id}.json").unlink(missing_ok=True)
    return Deleted(id=record.id, voices=gone)


def routes(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1/audio/voice_consents", tags=["consents"], responses=problems.REFUSALS)

    @router.get("")
    def listing(caller: Annotated[Caller, Depends(speaking)]) -> Listed:
        """The caller's consent records."""
        data = [_shown(record) for record in _all(caller)]
        return Listed(data=data, first_id=data[0].id if data else None, last_id=data[-1].id if data else None)

    @router.post("")
    async def create(
        name: Annotated[str, Form()],
        recording: Annotated[UploadFile, File()],
        language: Annotated[str, Form()],
        caller: Annotated[Caller, Depends(managing)],
        uses: Annotated[str, Form()] = Use.SPEAK.value,
        until: Annotated[str | None, Form()] = None,
        statement: Annotated[str, Form()] = "said in the recording",
    ) -> Shown:
        """Keep a speaker's consent: a recording in which they agree. Its voice is the only one it is good for."""
        _checked(name, language, statement)
        agreed, last_day = _uses(uses), _last_day(until)
        content = await recording.read(service.limits.upload_bytes + 1)
        heard = uploads.sound(content, service.limits)
        profile, _ = await service.compute(lambda: service.engine.listen(heard))
        facts = (f"cons_{secrets.token_hex(12)}", name.strip(), language, int(time.time()))
        timbre = tuple(float(value) for value in profile.timbre)
        return _shown(_keep(caller, Record(*facts, agreed, last_day, statement, digest_of(content), timbre)))

    @router.get("/{consent_id}")
    def show(consent_id: str, caller: Annotated[Caller, Depends(speaking)]) -> Shown:
        """One consent record."""
        return _shown(load(caller, consent_id))

    @router.post("/{consent_id}")
    def rename(consent_id: str, body: Rename, caller: Annotated[Caller, Depends(managing)]) -> Shown:
        """Change the name that a record is kept under."""
        _checked(body.name, "en", "")
        return _shown(_keep(caller, replace(load(caller, consent_id), name=body.name.strip())))

    @router.delete("/{consent_id}")
    def delete(consent_id: str, caller: Annotated[Caller, Depends(managing)]) -> Deleted:
        """Withdraw a consent. The voices that rest on it are deleted."""
        return _delete(caller, load(caller, consent_id))

    return router


class Rename(BaseModel):
    """The new name."""

    name: str
