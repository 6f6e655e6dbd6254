"""Other systems' finished audio: a folder with sound files and a table of what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadFile
from .sentences import LANGUAGES


@dataclass(frozen=True)
class Task:
    """One line of the table."""

    system: str
    language: str
    speaker: str
    text: str
    path: Path


def read(folder: Path) -> Iterator[Task]:
    """Lines of every `*.jsonl` in `folder`: `{"text", "audio", "language"}`, with `system` and `speaker` if wanted.

    `audio` is relative to the table; `system` is the folder's name unless given. Raises BadFile, with the line, for
    what is missing or wrong.
    """
    tables = sorted(folder.glob("*.jsonl"))
    if not tables:
        raise BadFile(f"{folder}: no table (*.jsonl) of text, audio and language")
    for table in tables:
        for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                yield _task(table, number, line)


def _task(table: Path, number: int, line: str) -> Task:
    place = f"{table}, line {number}"
    try:
        row = json.loads(line)
        text, name, language = (str(row[field]) for field in ("text", "audio", "language"))
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(f"{place}: needs text, audio and language ({error})") from error
    if language not in LANGUAGES:
        raise BadFile(f"{place}: language {language!r} is none of {', '.join(LANGUAGES)}")
    path = table.parent / name
    if not path.exists():
        raise BadFile(f"{place}: {name} does not exist")
    return Task(str(row.get("system") or table.parent.name), language, str(row.get("speaker") or ""), text, path)
