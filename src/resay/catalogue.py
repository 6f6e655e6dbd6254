"""Thousands of voices by name, language and tag, without opening a file twice.

What a listing shows of each voice is kept in one file of the user's folder, under the modification time and size of
the voice's own. It is only a memory: whoever speaks reads the voice itself, and a missing or damaged catalogue is made
anew.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import audio, voices
from .errors import BadFile
from .voices import Voice, VoiceLibrary

FILE = ".catalogue.json"
VERSION = 1
KEPT_FROM = 100
"""Voices of a folder; fewer are read sooner than remembered."""


@dataclass(frozen=True)
class Entry:
    """What a listing shows of a voice."""

    name: str
    language: str
    gender: str
    description: str
    seed: int | None
    tags: tuple[str, ...]
    shipped: bool
    digest: str


FACTS = {"language", "gender", "description", "seed", "tags", "digest"}


def entries(library: VoiceLibrary, damaged: Callable[[str], None]) -> list[Entry]:
    """Every voice in the order of the names. Damaged ones are told to `damaged` and left out."""
    own = library.folders[-1]
    kept = _kept(own)
    fresh: dict[str, list[Any]] = {}
    found = []
    for name, path in sorted(library.places().items()):
        mine = path.parent == own
        try:
            status = path.stat()
            stamp = [status.st_mtime_ns, status.st_size]
            facts = (_known(kept.get(path.name), stamp) if mine else None) or _facts(voices.load(path))
        except (BadFile, OSError) as error:
            damaged(str(error))
            continue
        found.append(Entry(name=name, shipped=not mine, **{**facts, "tags": tuple(facts["tags"])}))
        if mine:
            fresh[path.name] = [stamp, facts]
    if len(fresh) >= KEPT_FROM and fresh != kept:
        _keep(own, fresh)
    return found


def matching(
    found: Sequence[Entry], words: str = "", language: str | None = None, tags: Sequence[str] = ()
) -> list[Entry]:
    """Entries that have all the words in name, description or tags, the language, and every one of the tags."""
    wanted = _plain(words).split()
    return [
        entry
        for entry in found
        if language in (None, entry.language)
        and {_plain(tag) for tag in tags} <= {_plain(tag) for tag in entry.tags}
        and all(word in _plain(" ".join((entry.name, entry.description, entry.gender, *entry.tags))) for word in wanted)
    ]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _facts(voice: Voice) -> dict[str, Any]:
    facts = {"language": voice.language, "gender": voice.gender, "description": voice.description}
    return {**facts, "seed": voice.seed, "tags": list(voice.tags), "digest": voice.digest}


def _known(row: Any, stamp: list[int]) -> dict[str, Any] | None:
    """What was kept of a voice, where it still is the same file."""
    if not isinstance(row, list) or len(row) != 2 or row[0] != stamp or not isinstance(row[1], dict):
        return None
    return row[1] if set(row[1]) == FACTS and isinstance(row[1]["tags"], list) else None


def _kept(folder: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        rows = content["voices"] if content["version"] == VERSION else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return rows if isinstance(rows, dict) else {}


def _keep(folder: Path, rows: dict[str, list[Any]]) -> None:
    content = json.dumps({"version": VERSION, "voices": rows}, ensure_ascii=False)
    if os.access(folder, os.W_OK):
        audio.write_bytes(folder / FILE, content.encode())
