"""People that no network was trained on, straight from the corpus folder."""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from .. import audio
from ..audio import Audio
from ..errors import BadFile
from ..train.recordings import Clip, is_held_out

REFERENCE_SECONDS = (3.0, 10.0)  # what a user is advised to give
_HALVES_FROM = 10.0  # seconds; a single clip as long as this is cut into a reference and another half


@dataclass(frozen=True, eq=False)
class Person:
    """A held-out speaker with the clip to clone from and another one to compare with."""

    name: str
    language: str
    set: str
    reference: Audio
    other: Audio
    words: str = ""
    """What is said in the other clip; empty where it is the second half of one."""
    reference_words: str = ""
    """What is said in the clip to clone from; empty where it is the first half of one."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A held-out clip with what is said in it."""

    speaker: str
    language: str
    set: str
    text: str
    audio: Audio


def _rows(corpus: Path) -> list[tuple[Clip, float]]:
    """Every real clip of held-out speakers with its seconds."""
    try:
        with (corpus / "metadata.tsv").open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except OSError as error:
        raise BadFile(f"{corpus}: no corpus folder with a metadata.tsv ({error.strerror})") from error
    rows = []
    for row in table:
        language, speaker, gender = row["language"], row["speaker"], row["gender"][:1].lower()
        clip = Clip(
            row["clip"], row["set"], language, speaker, gender, row["text"], 0, 0, row["licence"], shard=row["shard"]
        )
        if is_held_out(clip):
            rows.append((clip, float(row["seconds"])))
    return rows


def _order(name: str) -> str:
    """A shuffle that stays the same for ever, whatever else joins the corpus."""
    return hashlib.sha256(f"evaluate:{name}".encode()).hexdigest()


def _sounds(corpus: Path, clips: list[Clip]) -> dict[str, Audio]:
    """Sound of every clip by its name."""
    shards: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        shards[clip.shard].add(clip.id)
    sounds = {}
    for shard, wanted in shards.items():
        try:
            with tarfile.open(corpus / f"{shard}.tar") as tar:
                for member in tar:
                    name = Path(member.name).name
                    file = tar.extractfile(member) if name in wanted else None
                    if file:
                        sounds[name] = audio.read(file.read())
        except (OSError, tarfile.TarError) as error:
            raise BadFile(f"{corpus / shard}.tar: cannot be read ({error})") from error
    return sounds


def people(corpus: Path, count: int | None = None) -> list[Person]:
    """Held-out speakers with two clips, the one to clone from 3 to 10 s long; at most `count`, in a fixed order.

    Where a speaker has one long clip only, its first 8 s are the reference and the rest is the other one.
    """
    by_speaker: dict[str, list[tuple[Clip, float]]] = defaultdict(list)
    for clip, seconds in _rows(corpus):
        by_speaker[clip.speaker].append((clip, seconds))
    chosen: list[tuple[Clip, Clip | None]] = []
    shortest, longest = REFERENCE_SECONDS
    for speaker in sorted(by_speaker, key=_order):
        # Clips nearest to five seconds first: neither a scrap nor a story.
        clips = sorted(by_speaker[speaker], key=lambda row: (abs(row[1] - 5.0), row[0].id))
        usable = [clip for clip, seconds in clips if shortest <= seconds <= longest]
        if len(usable) > 1:
            chosen.append((usable[0], usable[1]))
        elif clips[-1][1] >= _HALVES_FROM:
            chosen.append((clips[-1][0], None))
    chosen = chosen[:count]
    sounds = _sounds(corpus, [clip for pair in chosen for clip in pair if clip])
    return [_person(sounds, clip, other) for clip, other in chosen]


def _person(sounds: dict[str, Audio], clip: Clip, other: Clip | None) -> Person:
    sound = sounds[clip.id]
    if other:
        return Person(clip.speaker, clip.language, clip.set, sound, sounds[other.id], other.text, clip.text)
    cut = min(8 * sound.sample_rate, len(sound.samples) // 2)
    first, second = Audio(sound.samples[:cut], sound.sample_rate), Audio(sound.samples[cut:], sound.sample_rate)
    return Person(clip.speaker, clip.language, clip.set, first, second)


def recordings(corpus: Path, language: str, count: int) -> list[Recording]:
    """Up to `count` held-out clips of one language, 2 to 20 s, with transcripts; each speaker once before any twice."""
    turns: list[tuple[int, str, Clip]] = []
    seen: dict[str, int] = defaultdict(int)
    rows = [row for row in _rows(corpus) if row[0].language == language and 2.0 <= row[1] <= 20.0 and row[0].text]
    for clip, _ in sorted(rows, key=lambda row: _order(row[0].id)):
        turns.append((seen[clip.speaker], _order(clip.id), clip))
        seen[clip.speaker] += 1
    clips = [clip for _, _, clip in sorted(turns, key=lambda turn: turn[:2])][:count]
    sounds = _sounds(corpus, clips)
    return [Recording(clip.speaker, language, clip.set, clip.text, sounds[clip.id]) for clip in clips]
