"""Forgetting a voice: its file, what was derived from it in resay's own folders, and a search for whatever is left."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import audio, consent, vault
from .errors import BadFile
from .seeds import Role, SeedLibrary
from .voices import Voice, VoiceLibrary

RUN = 8
"""Floats in a row of a vector that count as a trace of it: two voices do not share them by chance."""
LARGEST_FILE = 2**28
"""Bytes of a file that are searched; sounds and archives are far smaller."""


@dataclass(frozen=True)
class Forgotten:
    """What became of a voice."""

    path: Path
    """Where it was."""
    roles: tuple[Role, ...]
    """Of the seed library, gone with it."""
    searched: int
    """Files that were read for traces."""
    left: tuple[Path, ...]
    """Files that still hold the voice's vectors, or a digest that names it. They are not ours to delete."""


def forget(library: VoiceLibrary, seeds: SeedLibrary, name: str, others: Sequence[Path] = ()) -> Forgotten:
    """Erase a voice of the user's with its roles, then search resay's folders and `others` for traces of it.

    Raises UnknownVoice, BadOption for a shipped voice, BadFile where something cannot be erased.
    """
    try:
        voice = library.get(name)
    except BadFile:
        voice = None  # a damaged voice can be erased, but nobody knows any more what to look for
    path = library.remove(name)
    for unfinished in path.parent.glob(f".{path.name}.*"):
        audio.erase(unfinished)  # of a process that was killed while it wrote the voice
    if voice is None:
        return Forgotten(path, (), 0, ())
    roles = tuple(role for role in seeds if role.voice_digest == voice.digest)
    for role in roles:
        seeds.remove(f"#{role.number}")
    folders = {library.folders[-1], seeds.path.parent, consent.folder(), vault.default_folder(), *others}
    searched, left = search(sorted(folders), traces(voice))
    return Forgotten(path, roles, searched, left)


def traces(voice: Voice) -> tuple[bytes, ...]:
    """Byte strings that only files about this voice hold: pieces of its vectors, its digest, that of its clip."""
    found = []
    for vector in (voice.profile.timbre, voice.profile.style):
        content = np.ascontiguousarray(vector, dtype="<f4")
        found += [content[start : start + RUN].tobytes() for start in range(0, len(content) - RUN + 1, RUN)]
    if voice.profile.sounds is not None:
        content = np.ascontiguousarray(voice.profile.sounds, dtype="<f2").ravel()
        runs = (content[start : start + 2 * RUN] for start in range(0, len(content) - 2 * RUN + 1, 2 * RUN))
        found += [run.tobytes() for run in runs if np.ptp(run) > 0]  # sounds that were not heard are all zeros
    if voice.profile.prompt is not None:
        content = np.ascontiguousarray(voice.profile.prompt.table(), dtype="<f4").ravel()
        found += [content[start : start + RUN].tobytes() for start in range(0, len(content) - RUN + 1, RUN)]
    digests = [voice.digest, *([voice.source] if voice.source.startswith("sha256:") else [])]
    return (*found, *(digest.removeprefix("sha256:").encode() for digest in digests))


def search(folders: Iterable[Path], wanted: Sequence[bytes]) -> tuple[int, tuple[Path, ...]]:
    """How many files were read, and those that hold any of the byte strings; ZIP archives are searched inside."""
    searched, left = 0, []
    for path in _files(folders):
        searched += 1
        if any(trace in content for content in _contents(path) for trace in wanted):
            left.append(path)
    return searched, tuple(left)


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.is_file() and path.resolve() not in seen and path.stat().st_size <= LARGEST_FILE:
                seen.add(path.resolve())
                yield path


def _contents(path: Path) -> Iterator[bytes]:
    try:
        yield path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    if entry.file_size <= LARGEST_FILE:
                        yield archive.read(entry)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise BadFile(f"{path}: cannot be searched for traces ({error})") from error
