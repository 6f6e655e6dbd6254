"""`resay voices` and `resay voice add|show|check|remove`: the voice library."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import catalogue
from ..errors import BadAudio
from ..voices import checked_name
from . import checking, options, sources
from .messages import message

app = typer.Typer(help="Add, show, check and remove voices.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME")]
Clip = Annotated[Path, typer.Argument(metavar="CLIP", help="A few seconds of one person speaking.")]
VoiceLanguage = Annotated[
    Literal["zh", "en"] | None, typer.Option("--language", help="By default zh where the name has Chinese characters.")
]


def listing(
    find: Annotated[
        str, typer.Option("--find", metavar="WORDS", help="Those with all the words in name, description or tags.")
    ] = "",
    language: Annotated[Literal["zh", "en"] | None, typer.Option("--language", help="Those of one language.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Those with this tag; may repeat.")] = None,
    voices: options.Voices = None,
    as_json: options.Json = False,
) -> None:
    """List the voices, all or those that are looked for."""
    # One bad file shall not hide the others.
    known = catalogue.entries(sources.library(voices), damaged=sources.note)
    found = catalogue.matching(known, find, language, tag or ())
    if as_json:
        print(json.dumps({"voices": [asdict(entry) for entry in found]}, ensure_ascii=False))
        return
    width = max((len(entry.name) for entry in found), default=0)
    for entry in found:
        tags = f"  [{', '.join(entry.tags)}]" if entry.tags else ""
        print(f"{entry.name:{width}}  {entry.language}  {entry.gender:6}  {entry.description}{tags}".rstrip())


@app.command("add")
def add(
    name: Name,
    clip: Clip,
    consent: options.Consent = None,
    language: VoiceLanguage = None,
    gender: Annotated[Literal["female", "male", "neutral", ""], typer.Option(show_default=False)] = "",
    description: Annotated[str, typer.Option(show_default=False)] = "",
    seed: Annotated[str | None, typer.Option(metavar="N", help="The seed that suits this voice.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="May repeat.")] = None,
    overwrite: Annotated[bool, typer.Option("--replace", help="Overwrite a voice of this name.")] = False,
    voices: options.Voices = None,
    models: options.Models = None,
    as_json: options.Json = False,
) -> None:
    """Save the voice of CLIP under NAME."""
    name = checked_name(name)
    library = sources.library(voices)
    library.refuse_taken(name, overwrite)
    suits = None if seed is None else sources.seed(seed)
    if not clip.is_file():
        raise BadAudio(message("no_such_clip", clip=clip))
    agreed = sources.permission(consent, clip)
    spoken = language or ("zh" if re.search("[\u3400-\u9fff]", name) else "en")
    voice, _ = sources.clone(clip, agreed, spoken, sources.engine(sources.Weights(models)))
    voice = replace(voice, name=name, gender=gender, description=description, seed=suits, tags=tuple(tag or ()))
    path = library.add(voice, overwrite)
    if as_json:
        print(json.dumps({**voice.to_json(), "digest": voice.digest, "path": str(path)}, ensure_ascii=False))
    else:
        print(message("voice_added", name=name, path=path))


@app.command("show")
def show(name: Name, voices: options.Voices = None, as_json: options.Json = False) -> None:
    """Show everything about a voice but its vectors."""
    voice = sources.library(voices).get(name)
    facts = {**voice.to_json(), "digest": voice.digest, "pitch_hz": round(voice.profile.pitch, 1)}
    if as_json:
        print(json.dumps(facts, ensure_ascii=False))
        return
    _print_facts({field: value for field, value in facts.items() if value not in ("", None, {}, [])})


app.command("check")(checking.check_recordings)


@app.command("remove")
def remove(name: Name, voices: options.Voices = None, as_json: options.Json = False) -> None:
    """Delete a voice of yours."""
    path = sources.library(voices).remove(name)
    print(json.dumps({"removed": str(path)}) if as_json else message("voice_removed", name=name, path=path))


def _print_facts(facts: dict[str, Any]) -> None:
    width = max(map(len, facts))
    for field, value in facts.items():
        shown = value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
        print(f"{field:{width}}  {shown}")
