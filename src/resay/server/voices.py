"""Voices of a caller: list, add with consent, show, delete; in OpenAI's shape with our facts beside it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, UploadFile
from pydantic import BaseModel

from .. import consent
from ..audio import Audio
from ..consent import Consent, taken
from ..errors import BadFile, BadOption, ConsentMissing
from ..gate import Item
from ..manifest import digest_of
from ..reference import Profile, Report
from ..voices import Voice, checked_name
from . import consents, problems, uploads
from .problems import NotAllowed, TooMuch
from .service import Caller, Service, managing, speaking, voice_id

HAN = re.compile("[\u3400-\u9fff]")


class Shown(BaseModel):
    """A voice without its vectors."""

    object: str = "audio.voice"
    id: str
    name: str
    created_at: int
    language: str
    gender: str
    description: str
    seed: int | None
    tags: list[str]
    shipped: bool
    consent: dict[str, Any]
    quality: dict[str, Any]
    digest: str


class Listed(BaseModel):
    """All voices that the caller may use."""

    object: str = "list"
    data: list[Shown]
    has_more: bool = False


class Deleted(BaseModel):
    """The voice that went."""

    object: str = "audio.voice"
    id: str
    deleted: bool = True


class Checked(BaseModel):
    """Whether a clip is good enough, and what would spoil the voice."""

    object: str = "audio.clip_report"
    accepted: bool
    report: dict[str, Any]


def shown(caller: Caller, voice: Voice) -> Shown:
    own = caller.voices.is_own(voice.name)
    file = caller.own_voices / f"{voice.name}.voice"
    made = int(file.stat().st_mtime) if own and file.exists() else 0
    facts = voice.to_json()
    facts.pop("source")
    return Shown(id=voice_id(voice.name), created_at=made, shipped=not own, digest=voice.digest, **facts)


def listed(caller: Caller) -> list[Voice]:
    """Every voice but the damaged ones: one bad file shall not hide the others."""
    found = []
    for name in caller.voices.names():
        try:
            found.append(caller.voices.get(name))
        except BadFile:
            continue
    return found


def agreed(caller: Caller, choice: str | None) -> tuple[Consent, consents.Record | None]:
    """What `consent` means: `own`, a record's id, or a written record as JSON. Raises ConsentMissing, NotThere."""
    if not choice:
        raise ConsentMissing(
            "cloning a voice needs consent: own if it is yours or you have permission, or the id of a consent record"
        )
    if choice == "own":
        return consent.own(), None
    if choice.lstrip().startswith("{"):
        return _written(choice), None
    record = consents.load(caller, choice)
    return record.consent(), record


def _written(text: str) -> Consent:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadOption("consent: the record is not JSON") from error
    return Consent.from_json({**data, "kind": consent.Kind.WRITTEN.value} if isinstance(data, dict) else data)


def cloned(service: Service, content: bytes, heard: Audio) -> tuple[Profile, Report, str]:
    """What a clip sounds like, its quality, its digest. Raises BadAudio."""
    profile, report = service.engine.listen(heard)
    return profile, report, digest_of(content)


def routes(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1/audio", tags=["voices"], responses=problems.REFUSALS)

    @router.get("/voices")
    def listing(caller: Annotated[Caller, Depends(speaking)]) -> Listed:
        """The shipped voices and the caller's own."""
        return Listed(data=[shown(caller, voice) for voice in listed(caller)])

    @router.post("/voices")
    async def create(
        name: Annotated[str, Form()],
        audio_sample: Annotated[UploadFile, File()],
        caller: Annotated[Caller, Depends(managing)],
        consent: Annotated[str | None, Form()] = None,
        language: Annotated[Literal["zh", "en"] | None, Form()] = None,
        gender: Annotated[Literal["female", "male", "neutral", ""], Form()] = "",
        description: Annotated[str, Form(max_length=1000)] = "",
    ) -> Shown:
        """Clone the voice of a few seconds of speech. Nothing is cloned without `consent`."""
        name = checked_name(name)
        permission, record = agreed(caller, consent)
        refuse(service, caller, name)
        content = await audio_sample.read(service.limits.upload_bytes + 1)
        heard = uploads.sound(content, service.limits)
        profile, report, source = await service.compute(lambda: cloned(service, content, heard))
        spoken = language or ("zh" if HAN.search(name) else "en")
        permission = taken(permission, source, service.clock())
        voice = Voice(name, spoken, profile, permission, gender, description, source, asdict(report))
        if record is not None:
            record.require_same_speaker(profile)
            voice = replace(voice, tags=(f"{consents.TAG}{record.id}",))
        caller.voices.add(voice)
        return shown(caller, voice)

    @router.get("/voices/{voice}")
    def show(voice: str, caller: Annotated[Caller, Depends(speaking)]) -> Shown:
        """One voice, by name or id."""
        return shown(caller, caller.own_voice(voice))

    @router.delete("/voices/{voice}")
    def delete(voice: str, caller: Annotated[Caller, Depends(managing)]) -> Deleted:
        """Delete a voice of the caller's."""
        found = caller.own_voice(voice)
        if not caller.voices.is_own(found.name):
            raise NotAllowed(f"{found.name!r} ships with resay and cannot be removed")
        caller.voices.remove(found.name)
        return Deleted(id=voice_id(found.name))

    @router.post("/clip_reports")
    async def check(
        audio_sample: Annotated[UploadFile, File()], caller: Annotated[Caller, Depends(speaking)]
    ) -> Checked:
        """Say whether a clip is good enough to clone; nothing is kept."""
        heard = uploads.sound(await audio_sample.read(service.limits.upload_bytes + 1), service.limits)
        report = (await service.compute(lambda: service.gate.check(Item("clip", heard)))).report
        return Checked(accepted=report.accepted, report=asdict(report))

    return router


def refuse(service: Service, caller: Caller, name: str) -> None:
    """Raises BadOption for a taken name, TooMuch where the caller has too many voices."""
    caller.voices.refuse_taken(name)
    if len(caller.voices.names()) >= service.limits.voices:
        raise TooMuch(f"there are {service.limits.voices} voices, as many as this server keeps; delete some")
