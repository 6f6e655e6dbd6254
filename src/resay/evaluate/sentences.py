"""The sentences that are spoken to be judged: ours, everyday, in no corpus, numbers written as words; or anybody's."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from ..errors import BadFile, BadOption

LANGUAGES = ("zh", "en")


@dataclass(frozen=True)
class Text:
    """Somebody's own sentences."""

    language: str
    file: str
    """Its name, without its folder."""
    digest: str
    """sha256 of its bytes."""
    lines: tuple[str, ...]


@lru_cache(maxsize=1)
def _all() -> dict[str, list[str]]:
    content: dict[str, list[str]] = json.loads((Path(__file__).parent / "sentences.json").read_text(encoding="utf-8"))
    return content


def read(given: Iterable[str]) -> tuple[Text, ...]:
    """Sentences of files, each `LANGUAGE=FILE` with a sentence a line; empty lines do not count.

    Raises BadOption where the language is no such or comes twice, BadFile where the file cannot be read, is not UTF-8
    or says nothing.
    """
    found: dict[str, Text] = {}
    for one in given:
        language, _, place = one.partition("=")
        if language not in LANGUAGES or not place:
            raise BadOption(f"--text {one}: write {' or '.join(f'{name}=FILE' for name in LANGUAGES)}")
        if language in found:
            raise BadOption(f"--text {one}: {language} is given twice")
        path = Path(place)
        try:
            content = path.read_bytes()
            lines = tuple(line.strip() for line in content.decode("utf-8-sig").splitlines() if line.strip())
        except OSError as error:
            raise BadFile(f"{path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise BadFile(f"{path}: not UTF-8") from error
        if not lines:
            raise BadFile(f"{path}: no sentences")
        found[language] = Text(language, path.name, f"sha256:{sha256(content).hexdigest()}", lines)
    return tuple(found.values())


def unseen(language: str, count: int | None = None, own: Iterable[Text] = ()) -> list[str]:
    """The first `count` sentences of a language, all by default: those of its own text, where there is one.

    Raises BadOption for another language or count.
    """
    if language not in LANGUAGES:
        raise BadOption(f"no evaluation sentences in {language!r}; there are {' and '.join(LANGUAGES)}")
    sentences = next((list(text.lines) for text in own if text.language == language), _all()[language])
    if count is not None and not 1 <= count <= len(sentences):
        raise BadOption(f"{count} sentences were asked for; there are 1 to {len(sentences)} in {language}")
    return sentences[:count]
