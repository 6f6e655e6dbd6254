"""Where speech goes: files that appear together or not at all, or a stream that is written while it is made."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import soundfile

from . import audio, ogg
from .audio import FILE_FORMATS, Audio
from .errors import BadFile, BadOption

STREAM_FORMATS = ("wav", "pcm", "opus")
"""Formats whose head is right before the end is known, or never says a length. FLAC and MP3 go back to mend theirs."""
UNKNOWN_LENGTH = 0xFFFFFFFF  # what a WAV header says where nobody can know yet


class Sink(Protocol):
    """Takes sound piece by piece."""

    def write(self, piece: Audio) -> None: ...

    def finish(self) -> None:
        """Everything was written: complete the output."""


class Staging:
    """Files under temporary names beside their targets, renamed all at once when everything succeeded."""

    def __init__(self) -> None:
        self._places: dict[Path, Path] = {}

    def place(self, target: Path) -> Path:
        """A temporary, empty file for `target`. Raises BadFile where the target cannot be written."""
        if target.exists() and not target.is_file():
            raise BadFile(f"{target}: is not a plain file; use -o - to write to standard output")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
        except OSError as error:
            raise BadFile(f"{target}: cannot be written ({error.strerror or error})") from error
        os.close(handle)
        self._places[target] = Path(name)
        return self._places[target]

    def add(self, target: Path, content: bytes) -> None:
        """Stage a whole file."""
        place = self.place(target)
        try:
            place.write_bytes(content)
        except OSError as error:
            raise BadFile(f"{target}: cannot be written ({error.strerror or error})") from error

    def content(self, target: Path) -> bytes:
        """What has been staged for `target`."""
        return self._places[target].read_bytes()

    def rewrite(self, target: Path, content: bytes) -> None:
        """Put other content in the place of what has been staged for `target`. Raises BadFile."""
        try:
            self._places[target].write_bytes(content)
        except OSError as error:
            raise BadFile(f"{target}: cannot be written ({error.strerror or error})") from error

    def commit(self) -> None:
        for target, place in self._places.items():
            try:
                place.chmod(0o644)  # mkstemp keeps files private; outputs are as open as any other file
                place.replace(target)
            except OSError as error:
                raise BadFile(f"{target}: cannot be written ({error.strerror or error})") from error

    def discard(self) -> None:
        for place in self._places.values():
            place.unlink(missing_ok=True)


@contextmanager
def staging() -> Iterator[Staging]:
    """Commits at the end of the block; discards everything if the block raises, even when the user interrupts it."""
    staged = Staging()
    try:
        yield staged
        staged.commit()
    finally:
        staged.discard()


class FileSink:
    """A sound file that grows under its temporary name."""

    def __init__(self, staged: Staging, target: Path, file_format: str, sample_rate: int) -> None:
        self._target = target
        audio.check_rate(file_format, sample_rate)
        self._container, self._subtype = FILE_FORMATS[file_format]
        self._staged = staged
        place = staged.place(target)
        self._file = soundfile.SoundFile(str(place), "w", sample_rate, 1, self._subtype, format=self._container)

    def write(self, piece: Audio) -> None:
        try:
            self._file.write(piece.pcm16() if self._subtype == "PCM_16" else piece.samples)
        except (soundfile.LibsndfileError, AssertionError) as error:
            raise BadFile(f"{self._target}: cannot be written (is the disk full?)") from error

    def finish(self) -> None:
        self._file.close()
        if self._container == "OGG":
            self._staged.rewrite(self._target, ogg.steady(self._staged.content(self._target)))


class StreamSink:
    """Bytes that leave as soon as a piece is made."""

    def __init__(self, stream: BinaryIO, file_format: str, sample_rate: int) -> None:
        if file_format not in STREAM_FORMATS:
            raise BadOption(
                f"{file_format} cannot be streamed; use --format {', '.join(STREAM_FORMATS)}, or leave out --stream"
            )
        audio.check_rate(file_format, sample_rate)
        self._stream = stream
        self._encoder = _Ogg(sample_rate) if file_format == "opus" else None
        if file_format == "wav":
            self._stream.write(wav_header(sample_rate))

    def write(self, piece: Audio) -> None:
        self._stream.write(piece.pcm16().tobytes() if self._encoder is None else self._encoder.encode(piece))
        self._stream.flush()

    def finish(self) -> None:
        if self._encoder is not None:
            self._stream.write(self._encoder.rest())
        self._stream.flush()


class Collected:
    """Keeps the sound instead of writing it."""

    def __init__(self) -> None:
        self._pieces: list[Audio] = []

    @property
    def sound(self) -> Audio:
        """Everything so far."""
        return Audio.join(self._pieces)

    def write(self, piece: Audio) -> None:
        self._pieces.append(piece)

    def finish(self) -> None:
        """There is nothing to complete."""


class WholeSink(Collected):
    """Nothing leaves before everything is made: for a receiver that wants a right header or nothing."""

    def __init__(self, stream: BinaryIO, file_format: str) -> None:
        super().__init__()
        self._stream = stream
        self._format = file_format

    def finish(self) -> None:
        self._stream.write(audio.encode(self.sound, self._format))
        self._stream.flush()


class RunningDigest:
    """`Audio.digest` of all pieces together, without keeping them."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.samples = 0
        self._hash = hashlib.sha256(f"{sample_rate}:".encode())

    def add(self, piece: Audio) -> None:
        self.samples += len(piece.samples)
        self._hash.update(piece.pcm16().tobytes())

    def value(self) -> str:
        return "sha256:" + self._hash.hexdigest()


class _Ogg:
    """Opus in Ogg pages. Pages are never gone back to, so what the encoder has put out may leave at once."""

    def __init__(self, sample_rate: int) -> None:
        self._pages = io.BytesIO()
        self._sent = 0
        self._file = soundfile.SoundFile(self._pages, "w", sample_rate, 1, "OPUS", format="OGG")

    def encode(self, piece: Audio) -> bytes:
        self._file.write(piece.samples)
        self._file.flush()
        return self._new()

    def rest(self) -> bytes:
        self._file.close()
        return self._new()

    def _new(self) -> bytes:
        content = self._pages.getvalue()[self._sent :]
        self._sent += len(content)
        return ogg.steady(content)


def wav_header(sample_rate: int) -> bytes:
    """Head of a mono 16-bit WAV of unknown length; the samples follow."""
    width = 2  # bytes a sample
    layout = struct.pack("<IHHIIHH", 16, 1, 1, sample_rate, sample_rate * width, width, 8 * width)
    length = struct.pack("<I", UNKNOWN_LENGTH)
    return b"RIFF" + length + b"WAVEfmt " + layout + b"data" + length
