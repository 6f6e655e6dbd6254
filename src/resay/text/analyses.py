"""Texts that were read, kept in a folder: what is read again costs a file. It saves time and changes nothing.

One file an analysis, named by the digest of all that decides it: the text, both languages, the lexicon, and the text
frontend as it is installed. A file that is damaged counts as none.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from . import sentences as read
from .lexicon import Lexicon
from .sentence import Sentence, Word

LONGEST_TEXT = 20_000  # characters; longer texts are read piece by piece and never held whole
MOST_FILES = 64  # in each of 256 folders, about 16,000 analyses; the oldest make room


def default_folder() -> Path:
    """$RESAY_CACHE, or `texts` in the user's cache folder."""
    chosen = os.environ.get("RESAY_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("resay", appauthor=False) / "texts"


class Analyses:
    """Reads texts as `resay.text.sentences` does, each text only once."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder

    def sentences(
        self, text: str, language: str = "auto", lexicon: Lexicon | None = None, default_language: str = "zh"
    ) -> Iterator[Sentence]:
        """The pieces of a text; see `resay.text.sentences`. Raises BadText as that does: refusals are not kept."""
        if len(text) > LONGEST_TEXT:
            yield from read(text, language, lexicon, default_language)
            return
        path = self._path(text, language, lexicon, default_language)
        known = _load(path)
        if known is not None:
            yield from known
            return
        made = []
        for sentence in read(text, language, lexicon, default_language):
            made.append(sentence)
            yield sentence
        _save(path, made)

    def _path(self, text: str, language: str, lexicon: Lexicon | None, default_language: str) -> Path:
        entries = "" if lexicon is None else lexicon.digest
        key = json.dumps([_frontend(), text, language, default_language, entries])
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / name[:2] / name[2:]


@cache
def _frontend() -> str:
    """Digest of the names, sizes and dates of the frontend's files: finer than its version, which people forget."""
    here = Path(__file__).parent
    files = [(str(path.relative_to(here)), path.stat()) for path in sorted(here.rglob("*")) if path.is_file()]
    facts = [(name, about.st_size, about.st_mtime_ns) for name, about in files if not name.endswith(".pyc")]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _load(path: Path) -> list[Sentence] | None:
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return None
        return [_from_json(data) for data in json.loads(content)]
    except OSError:
        return None


def _save(path: Path, sentences: list[Sentence]) -> None:
    content = json.dumps([_to_json(sentence) for sentence in sentences]).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_room(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        Path(name).replace(path)
    except OSError:
        pass  # a full disk or a folder that is not ours costs time, not the sound


def _make_room(folder: Path) -> None:
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for path in files[: max(0, len(files) - MOST_FILES + 1)]:
        path.unlink(missing_ok=True)


def _to_json(sentence: Sentence) -> dict[str, Any]:
    return {
        **vars(sentence),
        "words": [vars(word) for word in sentence.words],
        "breaks": list(sentence.breaks.items()),
    }


def _from_json(data: dict[str, Any]) -> Sentence:
    words = [
        {**word, **{name: tuple(word[name]) for name in ("reading", "span", "phonemes")}} for word in data["words"]
    ]
    start, end = data["span"]
    return Sentence(
        text=data["text"],
        normalised=data["normalised"],
        words=tuple(Word(**word) for word in words),
        phonemes=tuple(data["phonemes"]),
        span=(start, end),
        breaks=dict(data["breaks"]),
    )
