"""Semantic vectors of every clip, made once and kept in the cache.

Letters in shapes: P phonemes, N phonemes of all clips.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
from rich.progress import track as progress

from .. import audio, text
from ..errors import BadFile, BadText
from ..semantic import SEMANTIC, SemanticEncoder
from ..text import phonemes
from .annotations import transcribe
from .recordings import Recordings

ROWS, INDEX = "semantic.npy", "semantic.jsonl"


def make(recordings: Recordings, encoder: SemanticEncoder, cache: Path) -> int:
    """Vectors of all clips, in the order of their phonemes in the cache; returns the number of clips that have any."""
    known = transcribe(recordings, cache)
    rows: list[np.ndarray] = []
    index: list[str] = []
    start = 0
    for clip in progress(recordings.clips, "semantic vectors", transient=True):
        symbols = known[clip.id]
        if not symbols:
            continue
        try:
            found = fitted(text.sentence(clip.text, clip.language), symbols, encoder)
        except BadText:
            found = np.zeros((len(symbols), SEMANTIC), np.float32)
        rows.append(found.astype(np.float16))
        index.append(json.dumps({"id": clip.id, "start": start, "phonemes": len(symbols)}))
        start += len(symbols)
    temporary = cache / f"part.{ROWS}"
    np.save(temporary, np.concatenate(rows))
    temporary.replace(cache / ROWS)
    audio.write_bytes(cache / INDEX, ("\n".join(index) + "\n").encode())
    return len(index)


def fitted(sentence: text.Sentence, symbols: Sequence[str], encoder: SemanticEncoder) -> np.ndarray:
    """Vectors of the phonemes that a clip has, float32 (P, 64), where they may differ from how we read its text.

    Synthetic speech comes with the phonemes of its own reading. What both have is matched; what only the clip has takes
    the vector of the sound nearest to it in its word.
    """
    own = encoder.vectors(sentence)
    if tuple(symbols) == sentence.phonemes:
        return own
    place = np.full(len(symbols), -1)
    for start, other, length in SequenceMatcher(None, list(symbols), sentence.phonemes, False).get_matching_blocks():
        place[start : start + length] = range(other, other + length)
    sounding = np.array([not phonemes.is_pause(symbol) for symbol in symbols])
    matched = np.flatnonzero(sounding & (place >= 0))
    found = np.zeros((len(symbols), SEMANTIC), np.float32)
    if not len(matched):
        return found
    words = np.cumsum(~sounding)
    for position in np.flatnonzero(sounding):
        distance = np.abs(matched - position) + len(symbols) * (words[matched] != words[position])
        found[position] = own[place[matched[distance.argmin()]]]
    return found


class Vectors:
    """What `make` left, by clip. Raises BadFile where it has not run."""

    def __init__(self, cache: Path) -> None:
        if not (cache / INDEX).exists():
            raise BadFile(
                f"{cache / INDEX}: no semantic vectors; train the encoder and run `resay train vectors` first"
            )
        self._rows = np.load(cache / ROWS, mmap_mode="r")
        lines = (json.loads(line) for line in (cache / INDEX).read_text(encoding="utf-8").splitlines())
        self._places = {line["id"]: (line["start"], line["phonemes"]) for line in lines}

    def of(self, clip: str, phonemes: int) -> np.ndarray:
        """Vectors of a clip of so many phonemes, float32 (P, 64). Raises BadFile where it was read otherwise then."""
        start, length = self._places.get(clip, (0, 0))
        if length != phonemes:
            raise BadFile(f"{clip}: its semantic vectors are of another reading; run `resay train vectors` again")
        return self._rows[start : start + length].astype(np.float32)
