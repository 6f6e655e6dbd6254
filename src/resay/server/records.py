"""What a caller has had spoken: manifests by id, with the subtitles that were asked for."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .. import audio, subtitles
from .problems import NotThere

ID = re.compile("[0-9a-f]{32}")
MANIFEST = ".manifest.json"
SHARE = 50
"""The folder is looked through once for every so many parts of what it may hold."""


def new_id() -> str:
    """Cannot be guessed, and can be told to the client before the sound is made."""
    return secrets.token_hex(16)


class Records:
    """Manifests of one caller in one folder. The oldest go when there are more than `most`, or soon after."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most

    def add(self, record_id: str, manifest: bytes, timed: tuple[str, str] | None) -> None:
        """Keep a manifest, and subtitles as (format, content)."""
        if timed is not None:
            audio.write_bytes(self._folder / f"{record_id}{subtitles.ENDINGS[timed[0]]}", timed[1].encode())
        audio.write_bytes(self._path(record_id), manifest)
        # To look through a full folder for every record would take more time and memory than the record itself.
        if int(record_id, 16) % max(1, self._most // SHARE) == 0:
            self._forget_oldest()

    def get(self, record_id: str) -> bytes:
        """A manifest. Raises NotThere."""
        return self._read(record_id, self._path(record_id))

    def subtitles(self, record_id: str, file_format: str) -> str:
        """The subtitles that were asked for with the request. Raises NotThere."""
        path = self._folder / f"{record_id}{subtitles.ENDINGS[file_format]}"
        return self._read(record_id, path).decode()

    def ids(self) -> list[str]:
        """The newest first."""
        if not self._folder.is_dir():
            return []
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                # A file may go while we look: another request may be forgetting the oldest, too.
                with suppress(FileNotFoundError):
                    if entry.name.endswith(MANIFEST):
                        found.append((entry.stat().st_mtime_ns, entry.name.removesuffix(MANIFEST)))
        return [record_id for _, record_id in sorted(found, reverse=True)]

    def remove(self, record_id: str) -> None:
        """Raises NotThere."""
        self.get(record_id)
        for path in self._files(record_id):
            path.unlink(missing_ok=True)

    def _path(self, record_id: str) -> Path:
        return self._folder / f"{record_id}{MANIFEST}"

    def _read(self, record_id: str, path: Path) -> bytes:
        if not ID.fullmatch(record_id):
            raise NotThere("a manifest's id has 32 hexadecimal digits")
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise NotThere(f"nothing like that is kept for {record_id}") from None

    def _files(self, record_id: str) -> Iterator[Path]:
        return (self._folder / f"{record_id}{ending}" for ending in (MANIFEST, *subtitles.ENDINGS.values()))

    def _forget_oldest(self) -> None:
        for record_id in self.ids()[self._most :]:
            for file in self._files(record_id):
                file.unlink(missing_ok=True)
