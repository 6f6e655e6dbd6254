"""`resay voices` and `resay voice add|show|check|export|remove`: the voice library."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import blurring, catalogue, forgetting
from ..audio import FORMAT
from ..errors import BadAudio, BadOption
from ..seeds import SeedLibrary
from ..voices import SUFFIX, Voice, checked_name
from . import checking, options, sources
from .messages import message

app = typer.Typer(help="Add, show, check, export and remove voices.", rich_markup_mode=None)

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
    text: Annotated[
        str | None, typer.Option("--text", metavar="WORDS", help="What is said in CLIP: the voice becomes surer.")
    ] = None,
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
    spoken = language or sources.language_of(name if text is None else text, "auto")
    voice, _ = sources.clone(clip, agreed, spoken, sources.engine(sources.Weights(models)), text)
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
    if voice.profile.prompt is not None:
        facts["prompt_seconds"] = round(FORMAT.seconds(int(voice.profile.prompt.durations.sum())), 2)
    if as_json:
        print(json.dumps(facts, ensure_ascii=False))
        return
    _print_facts({field: value for field, value in facts.items() if value not in ("", None, {}, [])})


app.command("check")(checking.check_recordings)


@app.command("export")
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A voice, by name or file.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.voice")],
    blur: Annotated[
        float | None, typer.Option("--blur", metavar="S", help="Make it less surely the speaker's: 0.1 to 4.")
    ] = None,
    voices: options.Voices = None,
    models: options.Models = None,
    as_json: options.Json = False,
) -> None:
    """Write a voice to hand out: as it is, or blurred, without anything that names its speaker."""
    if output.suffix.lower() != SUFFIX:
        raise BadOption(message("lexicon_ending", output=output, endings=SUFFIX))
    voice = sources.voice_or_clip(name, sources.library(voices))
    if not isinstance(voice, Voice):
        raise BadOption(message("not_with", option=name, other="voice export"))
    copy = replace(voice, name=checked_name(output.stem))
    if blur is not None:
        copy = blurring.blurred(voice, blur, copy.name, blurring.shipped_axes(models), date.today())
    copy.consent.check(date.today())
    copy.save(output)
    how = message("as_it_is") if blur is None else message("blurred_by", strength=blur)
    facts = {"output": str(output), "name": copy.name, "blur": blur, "digest": copy.digest}
    print(json.dumps(facts) if as_json else message("voice_exported", output=output, name=copy.name, how=how))


@app.command("remove")
def remove(
    name: Name,
    forget: Annotated[
        bool, typer.Option("--forget", help="Its roles go as well, and resay's folders are searched for traces.")
    ] = False,
    search: Annotated[
        list[Path] | None, typer.Option("--search", metavar="DIR", help="Look for traces here as well; may repeat.")
    ] = None,
    voices: options.Voices = None,
    seeds_file: options.Seeds = None,
    as_json: options.Json = False,
) -> None:
    """Delete a voice of yours: its file is overwritten, then unlinked."""
    library = sources.library(voices)
    if search and not forget:
        raise BadOption(message("not_with", option="--search", other="remove without --forget"))
    if not forget:
        path = library.remove(name)
        print(json.dumps({"removed": str(path)}) if as_json else message("voice_removed", name=name, path=path))
        return
    gone = forgetting.forget(library, SeedLibrary(seeds_file), name, search or ())
    if as_json:
        facts = {"removed": str(gone.path), "roles": [role.name for role in gone.roles], "searched": gone.searched}
        print(json.dumps({**facts, "left": [str(path) for path in gone.left]}, ensure_ascii=False))
        return
    print(message("voice_removed", name=name, path=gone.path))
    for role in gone.roles:
        print(message("role_forgotten", name=role.name, number=role.number))
    for path in gone.left:
        print(message("trace_left", file=path))
    if not gone.left:
        print(message("no_trace", files=gone.searched))


def _print_facts(facts: dict[str, Any]) -> None:
    width = max(map(len, facts))
    for field, value in facts.items():
        shown = value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
        print(f"{field:{width}}  {shown}")
