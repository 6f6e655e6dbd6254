"""The sentences that are spoken to be judged: ours, everyday, in no corpus, numbers written as words."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from ..errors import BadOption

LANGUAGES = ("zh", "en")


@lru_cache(maxsize=1)
def _all() -> dict[str, list[str]]:
    content: dict[str, list[str]] = json.loads((Path(__file__).parent / "sentences.json").read_text(encoding="utf-8"))
    return content


def unseen(language: str, count: int | None = None) -> list[str]:
    """The first `count` sentences of a language, all by default. Raises BadOption for another language or count."""
    if language not in LANGUAGES:
        raise BadOption(f"no evaluation sentences in {language!r}; there are {' and '.join(LANGUAGES)}")
    sentences = _all()[language]
    if count is not None and not 1 <= count <= len(sentences):
        raise BadOption(f"{count} sentences were asked for; there are 1 to {len(sentences)} in {language}")
    return sentences[:count]
