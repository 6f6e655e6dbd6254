"""`resay vault create|lock|unlock|put|get|list|remove|passphrase|forget`: voices at rest, sealed by a passphrase."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .. import audio, vault, voices
from ..errors import BadFile, BadOption
from ..vault import Vault
from . import options, sources
from .messages import message
from .sources import VOICE_ITEM

app = typer.Typer(help="Keep voices and other files sealed by a passphrase.", rich_markup_mode=None)

Folder = Annotated[Path | None, typer.Option("--vault", metavar="DIR", help="A vault, instead of the usual one.")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="F", help="Its first line is the passphrase.")
]
Item = Annotated[str, typer.Argument(metavar="ITEM")]
VoiceName = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("create")
def create(folder: Folder = None, passphrase_file: PassphraseFile = None, as_json: options.Json = False) -> None:
    """Make an empty vault."""
    passphrase = sources.passphrase(passphrase_file, "new_passphrase")
    made = Vault.create(folder or vault.default_folder(), passphrase)
    _print({"vault": str(made.folder)}, as_json, message("vault_made", folder=made.folder))


@app.command("lock")
def lock(
    name: VoiceName,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    voices: options.Voices = None,
    as_json: options.Json = False,
) -> None:
    """Seal a voice of yours in the vault and erase its file. It speaks as --voice vault:NAME."""
    library = sources.library(voices)
    voice = library.get(name)
    if not library.is_own(name):
        raise BadOption(message("not_with", option="lock", other=voice.name))
    opened = sources.open_vault(folder, passphrase_file)
    content = voice.to_bytes()
    opened.put(f"{VOICE_ITEM}{voice.name}", content)
    if opened.get(f"{VOICE_ITEM}{voice.name}") != content:
        raise BadFile(f"{opened.folder}: the voice did not arrive in the vault; its file is untouched")
    library.remove(name)
    _print({"locked": voice.name}, as_json, message("locked", name=voice.name))


@app.command("unlock")
def unlock(
    name: VoiceName,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    voices_folder: options.Voices = None,
    as_json: options.Json = False,
) -> None:
    """Put a voice back among the others, readable by every program of this account."""
    opened = sources.open_vault(folder, passphrase_file)
    voice = voices.parse(opened.get(f"{VOICE_ITEM}{name}"), name)
    path = sources.library(voices_folder).add(voice)
    opened.remove(f"{VOICE_ITEM}{name}")
    _print({"unlocked": voice.name, "path": str(path)}, as_json, message("unlocked", name=voice.name, path=path))


@app.command("put")
def put(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    name: Annotated[str | None, typer.Option("--name", metavar="ITEM", help="By default the file's name.")] = None,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    as_json: options.Json = False,
) -> None:
    """Seal a copy of FILE. The file itself stays."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadFile(f"{file}: cannot be read ({error.strerror or error})") from error
    sources.open_vault(folder, passphrase_file).put(name or file.name, content)
    _print({"kept": name or file.name}, as_json, message("vault_kept", name=name or file.name))


@app.command("get")
def get(
    name: Item,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT")],
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    as_json: options.Json = False,
) -> None:
    """Write an item out, unsealed."""
    audio.write_bytes(output, sources.open_vault(folder, passphrase_file).get(name))
    _print({"output": str(output), "name": name}, as_json, message("vault_given", output=output, name=name))


@app.command("list")
def listing(folder: Folder = None, passphrase_file: PassphraseFile = None, as_json: options.Json = False) -> None:
    """List what is in the vault."""
    names = sources.open_vault(folder, passphrase_file).names()
    _print({"items": names}, as_json, "\n".join(names))


@app.command("remove")
def remove(
    name: Item, folder: Folder = None, passphrase_file: PassphraseFile = None, as_json: options.Json = False
) -> None:
    """Erase an item."""
    sources.open_vault(folder, passphrase_file).remove(name)
    _print({"removed": name}, as_json, message("vault_removed", name=name))


@app.command("passphrase")
def passphrase_command(
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    new_file: Annotated[Path | None, typer.Option("--new-passphrase-file", metavar="F")] = None,
    as_json: options.Json = False,
) -> None:
    """Change the passphrase. Copies of the vault made before still open with the old one."""
    opened = sources.open_vault(folder, passphrase_file)
    opened.change(sources.passphrase(new_file, "new_passphrase", confirm=True))
    _print({"changed": str(opened.folder)}, as_json, message("vault_changed"))


@app.command("forget")
def forget(
    folder: Folder = None,
    yes: Annotated[bool, typer.Option("--yes", help="Really destroy it.")] = False,
    as_json: options.Json = False,
) -> None:
    """Destroy the vault with everything in it; needs no passphrase."""
    place = folder or vault.default_folder()
    if not yes:
        raise BadOption(message("vault_sure", folder=place))
    vault.forget(place)
    _print({"forgotten": str(place)}, as_json, message("vault_forgotten", folder=place))


def _print(facts: dict[str, object], as_json: bool, line: str) -> None:
    print(json.dumps(facts, ensure_ascii=False) if as_json else line)
