"""Old sounds go, by age or by the room they take; what somebody refers to stays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import audio, manifest, subtitles
from ..errors import BadFile, BadOption, ResayError
from ..manifest import Manifest
from ..seeds import Role

UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
BESIDE = ("", ".json", *subtitles.ENDINGS.values())
"""Endings of what lies beside a sound and goes with it."""


@dataclass(frozen=True)
class Sound:
    """A sound that resay made, with all that lies beside it."""

    path: Path
    files: tuple[Path, ...]
    bytes: int
    made: float
    """When it was last written, in seconds since 1970."""
    digests: frozenset[str]
    """By which it may be referred to."""


def age(text: str) -> float:
    """Seconds of `30d`, `12h`, `90m`, `2w`. Raises BadOption."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip().lower())
    if found is None:
        raise BadOption(f"--older-than {text[:40]!r} is no age; write 30d, 12h, 90m or 2w")
    return int(found[1]) * UNITS[found[2]]


def size(text: str) -> int:
    """Bytes of `500MB`, `2G`, `100000`. Raises BadOption."""
    found = re.fullmatch(r"(\d{1,12})\s*([kmgt]?)b?", text.strip().lower())
    if found is None:
        raise BadOption(f"--larger-than {text[:40]!r} is no size; write 500MB or 2GB")
    return int(found[1]) * SIZES[found[2]]


def sounds(folder: Path) -> Iterator[Sound]:
    """Every sound under a folder that has its manifest beside it. Everything else is not ours to delete."""
    if not folder.is_dir():
        raise BadFile(f"{folder}: is no folder")
    for path in sorted(folder.rglob("*")):
        # A link may lead to where nobody said that anything should be deleted.
        if path.suffix[1:] not in audio.FILE_FORMATS or path.is_symlink() or not path.is_file():
            continue
        made = _manifest(path)
        if made is not None:
            stem = path.with_suffix("")
            files = [path, *(stem.with_name(stem.name + ending) for ending in BESIDE[1:])]
            there = tuple(file for file in files if file.is_file() and not file.is_symlink())
            facts = [file.stat() for file in there]
            digests = frozenset({made.output.digest, made.output.content or "", manifest.digest_of(path.read_bytes())})
            yield Sound(path, there, sum(one.st_size for one in facts), max(one.st_mtime for one in facts), digests)


def _manifest(path: Path) -> Manifest | None:
    try:
        made = manifest.read(manifest.beside(path))
    except ResayError:
        return None
    return made if made.output.file == path.name else None


def referred_to(roles: Iterable[Role]) -> frozenset[str]:
    """Digests that seed libraries name: accepted sounds and verified clips."""
    return frozenset(digest for role in roles for digest in (role.accepted, role.clip) if digest)


def chosen(
    found: Iterable[Sound],
    *,
    kept: frozenset[str],
    busy: Iterable[Path],
    now: float,
    older: float | None,
    larger: int | None,
) -> list[Sound]:
    """What has to go: sounds older than `older` seconds, then the oldest until the rest takes at most `larger` bytes.

    `kept` are digests that somebody refers to, `busy` folders of jobs that are not finished.
    """
    places = [place.resolve() for place in busy]
    everything = sorted(found, key=lambda sound: (sound.made, str(sound.path)))
    free = [
        sound
        for sound in everything
        if not sound.digests & kept and not any(sound.path.resolve().is_relative_to(place) for place in places)
    ]
    room = sum(sound.bytes for sound in everything)
    going = []
    for sound in free:
        if (older is not None and now - sound.made > older) or (larger is not None and room > larger):
            going.append(sound)
            room -= sound.bytes
    return going


def delete(going: Iterable[Sound], folder: Path) -> None:
    """Delete sounds with what lies beside them, and folders that this leaves empty. Raises BadFile."""
    for sound in going:
        try:
            for file in sound.files:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise BadFile(f"{error.filename or sound.path}: cannot be deleted ({error.strerror})") from error
        place = sound.path.parent
        while place != folder and not any(place.iterdir()):
            place.rmdir()
            place = place.parent
