"""Everything that a replay in three years needs, in one ZIP file: manifests, sounds, voices, lexicons, weights.

    index.json                 what belongs to what, a digest of every file, versions, a seal
    takes/0001.json, .wav      manifest and sound
    voices/, clips/, lexicons/ by the first digits of their digest
    models/                    the weights, unless they were left out

An archive may come from anywhere: nothing in it is believed before it has been checked, and nothing is written outside
the folder that it is unpacked into.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import manifest
from .errors import BadFile
from .manifest import Manifest
from .voices import Voice

VERSION = 1
INDEX = "index.json"
MOST_FILES = 20_000
LARGEST_INDEX = 2**24  # bytes
LARGEST_FILE, LARGEST_ARCHIVE = 2**31, 2**33  # bytes, unpacked
_NAME = re.compile(r"(takes|voices|clips|lexicons|models)/[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}")
_OLDEST = (1980, 1, 1, 0, 0, 0)  # of every entry: equal contents give equal archives


@dataclass(frozen=True, eq=False)
class Entry:
    """One sound with what made it, to be packed."""

    manifest: Manifest
    sound: Path | None
    voice: Voice
    style: Voice | Path | None = None
    """A voice, or the clip that the style came from."""
    lexicons: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Unpacked:
    """One sound of an archive, where it now lies."""

    manifest: Path
    sound: Path | None
    voice: Path
    style: Path | None
    lexicons: tuple[Path, ...]


@dataclass(frozen=True)
class Contents:
    """An archive that has been unpacked and checked."""

    takes: tuple[Unpacked, ...]
    models: Path | None
    """Folder with the weights, where the archive has them."""


class _Packing:
    """Files of an archive under way, each only once."""

    def __init__(self, target: Path) -> None:
        self._zip = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self.digests: dict[str, str] = {}

    def add(self, name: str, content: bytes) -> str:
        if name not in self.digests:
            self.digests[name] = manifest.digest_of(content)
            self._zip.writestr(_dated(name), content)
        return name

    def close(self, index: dict[str, Any]) -> None:
        index = {**index, "files": self.digests}
        self._zip.writestr(_dated(INDEX), manifest.canonical({**index, "seal": manifest.seal(index)}))
        self._zip.close()


def _dated(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _OLDEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def pack(target: Path, entries: Sequence[Entry], models: Path | None) -> None:
    """Write an archive to `target`; without `models` it holds only their digests. Raises BadFile."""
    try:
        packing = _Packing(target)
        takes = [_packed(packing, number, entry) for number, entry in enumerate(entries, start=1)]
        if models is not None:
            for path in sorted(models.iterdir()):
                if path.is_file():
                    packing.add(f"models/{path.name}", path.read_bytes())
        packing.close({"resay_archive": VERSION, "takes": takes, "runtime": dict(manifest.runtime())})
    except OSError as error:
        raise BadFile(f"{error.filename or target}: cannot be packed ({error.strerror or error})") from error


def _packed(packing: _Packing, number: int, entry: Entry) -> dict[str, Any]:
    stem = f"takes/{number:04d}"
    return {
        "manifest": packing.add(f"{stem}.json", entry.manifest.to_bytes()),
        "sound": entry.sound and packing.add(f"{stem}.{entry.manifest.output.format}", entry.sound.read_bytes()),
        "voice": _add_voice(packing, entry.voice),
        "style": None if entry.style is None else _add_style(packing, entry.style),
        "lexicons": [_add_lexicon(packing, path) for path in entry.lexicons],
    }


def _add_voice(packing: _Packing, voice: Voice) -> str:
    content = voice.to_bytes()
    return packing.add(f"voices/{_head(manifest.digest_of(content))}.voice", content)


def _add_style(packing: _Packing, style: Voice | Path) -> str:
    if isinstance(style, Voice):
        return _add_voice(packing, style)
    content = style.read_bytes()
    ending = style.suffix.lower() if re.fullmatch(r"\.[a-z0-9]{1,5}", style.suffix.lower()) else ".wav"
    return packing.add(f"clips/{_head(manifest.digest_of(content))}{ending}", content)


def _add_lexicon(packing: _Packing, path: Path) -> str:
    content = path.read_bytes()
    ending = path.suffix.lower() if path.suffix.lower() in (".pls", ".xml") else ".jsonl"
    return packing.add(f"lexicons/{_head(manifest.digest_of(content))}{ending}", content)


def _head(digest: str) -> str:
    return digest.removeprefix("sha256:")[:16]


def unpack(archive: Path, folder: Path) -> Contents:
    """Check an archive and unpack it into an empty folder. Raises BadFile where it is damaged, hostile or too large."""
    try:
        with zipfile.ZipFile(archive) as file:
            index = _index(file)
            _extract(file, index["files"], folder)
        return _contents(index, folder)
    except BadFile as error:
        raise BadFile(f"{archive}: {error}") from error
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError) as error:
        raise BadFile(f"{archive}: damaged, or not an archive of resay's ({error})") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadFile(f"{archive}: its index is damaged ({error!r})") from error


def _index(file: zipfile.ZipFile) -> dict[str, Any]:
    if len(file.infolist()) > MOST_FILES:
        raise BadFile(f"more than {MOST_FILES} files")
    if INDEX not in file.namelist():
        raise BadFile("not an archive of resay's: it has no index")
    index = json.loads(_bounded(file, INDEX, LARGEST_INDEX))
    if index["resay_archive"] > VERSION:
        raise BadFile(f"an archive of version {index['resay_archive']}; this resay reads up to {VERSION}")
    if index["seal"] != manifest.seal(index):
        raise BadFile("its index was changed after it was sealed")
    return index


def _bounded(file: zipfile.ZipFile, name: str, most: int) -> bytes:
    """One entry. What its head says of its size is not believed."""
    with file.open(name) as entry:
        content = entry.read(most + 1)
    if len(content) > most:
        raise BadFile(f"{name} is larger than {most} bytes")
    return content


def _extract(file: zipfile.ZipFile, files: dict[str, str], folder: Path) -> None:
    """Only what the index names, only under names that we give, only with the right digest."""
    left = LARGEST_ARCHIVE
    for name, digest in files.items():
        if not _NAME.fullmatch(name) or ".." in name:
            raise BadFile(f"{name!r} is no name that an archive of resay's can hold")
        content = _bounded(file, name, min(LARGEST_FILE, left))
        left -= len(content)
        if manifest.digest_of(content) != digest:
            raise BadFile(f"{name} is damaged")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _contents(index: dict[str, Any], folder: Path) -> Contents:
    def place(name: str) -> Path:
        if name not in index["files"]:
            raise BadFile(f"{name} is not in the archive")
        return folder / name

    takes = tuple(
        Unpacked(
            manifest=place(entry["manifest"]),
            sound=place(entry["sound"]) if entry["sound"] else None,
            voice=place(entry["voice"]),
            style=place(entry["style"]) if entry["style"] else None,
            lexicons=tuple(place(name) for name in entry["lexicons"]),
        )
        for entry in index["takes"]
    )
    models = folder / "models"
    return Contents(takes, models if (models / "model.json").is_file() else None)
