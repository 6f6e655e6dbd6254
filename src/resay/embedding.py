"""A manifest inside its sound: a chunk of our own in WAV, a Vorbis comment in FLAC. The samples stay as they are.

WAV after "Multimedia Programming Interface and Data Specifications 1.0" (IBM and Microsoft, 1991), FLAC after RFC 9639.
Everything read here may be damaged or hostile: lengths are checked before they are believed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .errors import BadFile, BadOption

CHUNK = b"rsay"
COMMENT = "RESAY_MANIFEST"
VORBIS_COMMENT, PADDING = 4, 1  # kinds of FLAC metadata blocks
LAST_BLOCK = 0x80
LONGEST_BLOCK = 2**24 - 1  # a FLAC block's length has 24 bits
FORMATS = ("wav", "flac")


def embed(sound: bytes, file_format: str, manifest: bytes) -> bytes:
    """The sound file with the manifest inside, instead of any that it held. Raises BadOption, BadFile."""
    if file_format not in FORMATS:
        raise BadOption(f"a manifest cannot lie inside {file_format}; use wav or flac, or leave out --embed-manifest")
    return _into_wav(sound, manifest) if file_format == "wav" else _into_flac(sound, manifest)


def extract(sound: bytes) -> bytes | None:
    """The manifest inside a WAV or FLAC file, None where there is none. Raises BadFile for a damaged container."""
    if sound[:4] == b"RIFF":
        return next((content for name, content in _chunks(sound) if name == CHUNK), None)
    if sound[:4] == b"fLaC":
        for kind, content in _blocks(sound)[0]:
            if kind == VORBIS_COMMENT:
                for entry in _comments(content)[1]:
                    key, _, value = entry.partition(b"=")
                    if key.upper() == COMMENT.encode():
                        return value
    return None


def _chunks(sound: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of the chunks of a WAV file; a last one that was cut off comes as far as it goes."""
    if sound[8:12] != b"WAVE":
        raise BadFile("not a WAV file")
    at = 12
    while at + 8 <= len(sound):
        name, length = struct.unpack_from("<4sI", sound, at)
        yield name, sound[at + 8 : at + 8 + length]
        at += 8 + length + length % 2  # chunks begin at even places


def _into_wav(sound: bytes, manifest: bytes) -> bytes:
    parts = [(name, content) for name, content in _chunks(sound) if name != CHUNK]
    # Behind the samples: a player that reads from the front meets them first.
    body = b"WAVE"
    for name, content in [*parts, (CHUNK, manifest)]:
        body += struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)
    if len(body) >= 2**32:
        raise BadFile("the sound is too long for a WAV file with a manifest inside")
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _blocks(sound: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Kinds and contents of a FLAC file's metadata blocks, and the frames behind them."""
    if sound[:4] != b"fLaC":
        raise BadFile("not a FLAC file")
    found: list[tuple[int, bytes]] = []
    at = 4
    while at + 4 <= len(sound):
        head = sound[at]
        length = int.from_bytes(sound[at + 1 : at + 4], "big")
        found.append((head & ~LAST_BLOCK, sound[at + 4 : at + 4 + length]))
        at += 4 + length
        if head & LAST_BLOCK and at <= len(sound):
            return found, sound[at:]
    raise BadFile("the FLAC file is damaged: its metadata does not end")


def _comments(block: bytes) -> tuple[bytes, list[bytes]]:
    """Vendor and entries of a Vorbis comment."""
    try:
        (length,) = struct.unpack_from("<I", block, 0)
        vendor, at = block[4 : 4 + length], 4 + length
        (count,) = struct.unpack_from("<I", block, at)
        entries, at = [], at + 4
        for _ in range(count):
            (length,) = struct.unpack_from("<I", block, at)
            entries.append(block[at + 4 : at + 4 + length])
            at += 4 + length
    except struct.error as error:
        raise BadFile("the FLAC file is damaged: its comments do not end") from error
    return vendor, entries


def _into_flac(sound: bytes, manifest: bytes) -> bytes:
    blocks, frames = _blocks(sound)
    vendor = b"resay"
    entries: list[bytes] = []
    for kind, content in blocks:
        if kind == VORBIS_COMMENT:
            vendor, entries = _comments(content)
    entries = [entry for entry in entries if not entry.upper().startswith(f"{COMMENT}=".encode())]
    entries.append(f"{COMMENT}=".encode() + manifest)
    comment = struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(entries))
    comment += b"".join(struct.pack("<I", len(entry)) + entry for entry in entries)
    if len(comment) > LONGEST_BLOCK:
        raise BadFile("the manifest is too long for a FLAC file; leave out --embed-manifest")
    kept = [(kind, content) for kind, content in blocks if kind not in (VORBIS_COMMENT, PADDING)]
    kept.insert(1, (VORBIS_COMMENT, comment))  # the stream's own description must stay first
    result = b"fLaC"
    for place, (kind, content) in enumerate(kept):
        head = kind | (LAST_BLOCK if place == len(kept) - 1 else 0)
        result += bytes([head]) + len(content).to_bytes(3, "big") + content
    return result + frames
