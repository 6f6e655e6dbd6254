"""`resay seeds add|list|show|remove|export`: which role speaks with which seed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import audio, seeds
from ..errors import BadOption
from ..manifest import Manifest
from ..replay import found_manifest
from ..seeds import Role, SeedLibrary, Settings
from . import casting, options, sources
from .messages import message

app = typer.Typer(help="The seed library: roles with their voice, seed and accepted sound.", rich_markup_mode=None)

Key = Annotated[str, typer.Argument(metavar="NAME|#NUMBER|SEED")]


@app.command("add")
@options.grouped
def add(
    name: Annotated[str, typer.Argument(metavar="ROLE")],
    manifest: Annotated[
        Path | None, typer.Option("--from", metavar="MANIFEST|SOUND", help="Take everything from an accepted sound.")
    ] = None,
    voice: options.Voice = None,
    scene: Annotated[str, typer.Option(help="What the role is for.", show_default=False)] = "",
    character: Annotated[str, typer.Option(help="What is heard.", show_default=False)] = "",
    manner: casting.Manner = casting.Manner(),
    overwrite: Annotated[bool, typer.Option("--replace", help="Overwrite a role of this name.")] = False,
    shelves: sources.Shelves = sources.Shelves(),
    as_json: options.Json = False,
) -> None:
    """Save a role. `resay speak TEXT --role ROLE` then speaks in its voice, with its seed and settings."""
    if manifest is not None:
        role = seeds.from_manifest(name, found_manifest(manifest)[0])
        if voice is not None or manner != casting.Manner():
            raise BadOption(message("not_with", option="--voice, --seed and settings", other="--from"))
    else:
        role = _from_options(name, voice, manner)
    _save(role, (scene, character), shelves, overwrite, as_json)


def _from_options(name: str, voice: str | None, manner: casting.Manner) -> Role:
    if voice is None:
        raise BadOption(message("no_voice"))
    if manner.seed is None:
        raise BadOption(message("seed_wanted"))
    request = manner.request(name)
    settings = Settings(request.sampling, request.style_strength, request.accent, request.speed, request.language)
    return Role(name, request.seed, voice, settings=settings)


def save_accepted(
    name: str, recorded: Manifest, about: tuple[str, str], shelves: sources.Shelves, as_json: bool
) -> None:
    """Save the role of an accepted sound under a name, with its scene and what is heard. Raises as `add` does."""
    _save(seeds.from_manifest(name, recorded), about, shelves, False, as_json)


def _save(role: Role, about: tuple[str, str], shelves: sources.Shelves, overwrite: bool, as_json: bool) -> None:
    library = SeedLibrary(shelves.seeds_file)
    role = seeds.described(role, shelves.library.get(role.voice), *about, date.today())
    role = library.add(role, overwrite)
    for remark in seeds.collisions(role, library):
        sources.note(remark)
    if as_json:
        print(json.dumps({**role.to_json(), "library": str(library.path)}, ensure_ascii=False))
    else:
        print(message("role_added", name=role.name, number=role.number, seed=role.seed, voice=role.voice))


@app.command("list")
def listing(seeds_file: options.Seeds = None, as_json: options.Json = False) -> None:
    """List all roles, and whether two of them may be mistaken for each other."""
    roles = list(SeedLibrary(seeds_file))
    if as_json:
        print(json.dumps({"roles": [role.to_json() for role in roles]}, ensure_ascii=False))
        return
    width = max((len(role.name) for role in roles), default=0)
    for role in roles:
        heard = " · ".join(part for part in (role.scene, role.character) if part)
        print(f"#{role.number:<4} {role.name:{width}}  {role.seed:>8}  {role.voice}  {heard}".rstrip())
    for place, role in enumerate(roles):
        for remark in seeds.collisions(role, roles[:place]):
            if "will sound the same" in remark:
                sources.note(f"{role.name}: {remark}")


@app.command("show")
def show(key: Key, seeds_file: options.Seeds = None, as_json: options.Json = False) -> None:
    """Show a role by name or number, or every role that speaks with a seed."""
    library = SeedLibrary(seeds_file)
    roles = library.find(key) or [library.get(key)]
    if as_json:
        print(json.dumps({"roles": [role.to_json() for role in roles]}, ensure_ascii=False))
        return
    for role in roles:
        for field, value in role.to_json().items():
            shown: Any = value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)
            print(f"{field:12}  {shown}")


@app.command("remove")
def remove(key: Key, seeds_file: options.Seeds = None, as_json: options.Json = False) -> None:
    """Delete a role. Its number is not given again."""
    role = SeedLibrary(seeds_file).remove(key)
    gone = message("role_removed", name=role.name, number=role.number)
    print(json.dumps({"removed": role.to_json()}, ensure_ascii=False) if as_json else gone)


@app.command("export")
def export(
    output: Annotated[Path, typer.Argument(metavar="FILE.md")] = Path("docs") / "tts_seed_log.md",
    seeds_file: options.Seeds = None,
    as_json: options.Json = False,
) -> None:
    """Write all roles as a Markdown table: the log that lies in a project's documents."""
    if output.suffix.lower() not in (".md", ".markdown"):
        raise BadOption(f"{output}: the log is Markdown; end its name in .md")
    roles = list(SeedLibrary(seeds_file))
    audio.write_bytes(output, seeds.to_markdown(roles).encode())
    exported = message("roles_exported", count=len(roles), output=output)
    print(json.dumps({"output": str(output), "roles": len(roles)}) if as_json else exported)
