"""Sound files that leave piece by piece: what has left is never gone back to."""

from __future__ import annotations

import io
from typing import Protocol

import soundfile

from .. import audio, outputs
from ..audio import FILE_FORMATS, Audio

MEDIA_TYPES = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "pcm": "application/octet-stream",
}
STREAMED = ("wav", "pcm", "opus", "mp3")
"""FLAC's head tells the length, and many readers refuse one that does not: it leaves when it is complete."""
MP3_COMPRESSION = 0.5  # of a constant rate: 80 kbit/s at 24 kHz


class Encoder(Protocol):
    """Sound in, bytes of a file out."""

    def encode(self, piece: Audio) -> bytes: ...

    def rest(self) -> bytes:
        """What is left when there is no more sound."""


class Stream:
    """WAV, PCM and Opus, as `resay speak --stream` makes them."""

    def __init__(self, file_format: str, sample_rate: int) -> None:
        self._bytes = io.BytesIO()
        self._sink = outputs.StreamSink(self._bytes, file_format, sample_rate)

    def encode(self, piece: Audio) -> bytes:
        self._sink.write(piece)
        return self._taken()

    def rest(self) -> bytes:
        self._sink.finish()
        return self._taken()

    def _taken(self) -> bytes:
        content = self._bytes.getvalue()
        self._bytes.seek(0)
        self._bytes.truncate()
        return content


class Mp3Stream:
    """MP3 of a constant rate: with a varying one, readers guess the length wrong where the head was never mended."""

    def __init__(self, sample_rate: int) -> None:
        container, subtype = FILE_FORMATS["mp3"]
        self._bytes, self._sent = io.BytesIO(), 0
        self._file = soundfile.SoundFile(
            self._bytes,
            "w",
            sample_rate,
            1,
            subtype,
            format=container,
            bitrate_mode="CONSTANT",
            compression_level=MP3_COMPRESSION,
        )

    def encode(self, piece: Audio) -> bytes:
        self._file.write(piece.samples)
        return self._new()

    def rest(self) -> bytes:
        self._file.close()
        return self._new()

    def _new(self) -> bytes:
        content = self._bytes.getvalue()[self._sent :]
        self._sent += len(content)
        return content


class Whole:
    """Nothing before the end, then a file with a right head: the one that `resay speak -o` writes."""

    def __init__(self, file_format: str) -> None:
        self._bytes = io.BytesIO()
        self._sink = outputs.WholeSink(self._bytes, file_format)

    @property
    def sound(self) -> Audio:
        """Everything so far, before it was encoded."""
        return self._sink.sound

    def encode(self, piece: Audio) -> bytes:
        self._sink.write(piece)
        return b""

    def rest(self) -> bytes:
        self._sink.finish()
        return self._bytes.getvalue()


def encoder(file_format: str, sample_rate: int, whole: bool) -> Encoder:
    """The encoder for a response, whole for formats that cannot leave early. Raises BadOption for a strange rate."""
    audio.check_rate(file_format, sample_rate)
    if whole or file_format not in STREAMED:
        return Whole(file_format)
    return Mp3Stream(sample_rate) if file_format == "mp3" else Stream(file_format, sample_rate)
