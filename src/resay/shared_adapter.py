"""What many speakers have taught the prosody model together: a low-rank change before its heads, in a file of its own.

Of the change W + B·A to what the heads for duration, pitch and energy read, A is drawn once and frozen and B is learnt,
together with a shift. It stands after the last layer: nothing in it reads the speaker's timbre vector.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from . import audio
from .errors import BadFile

VERSION = 1
"""Of the file's layout."""
HEADER = "resay"
HEADS = ("durations", "pitches", "energies")
BASE = ("prosody_text", "prosody_steps", "prosody_heads")
"""Graphs that an adapter was learnt on: it fits no others."""
RANK = 4
STAGE = "shared_adapter"
"""Its name among the digests of a manifest."""


@dataclass(frozen=True, eq=False)
class SharedAdapter:
    """Letters in shapes: C channels of the hidden layer, R rank."""

    base: str
    """Digest of the graphs that it was learnt on."""
    down: np.ndarray
    """float32 (R, C): A, drawn once."""
    up: np.ndarray
    """float32 (3, C, R + 1): B of each head, and in the last column its shift."""
    number: int = 0
    """0 is the start, which changes nothing; every published version counts on."""
    origin: Mapping[str, Any] | None = None
    """Who made it: run, rounds, privacy spent. It is part of the digest."""

    @property
    def parameters(self) -> int:
        """How many numbers are learnt."""
        return self.up.size

    def moved(self, change: np.ndarray) -> SharedAdapter:
        """The same adapter with a change, (3 · C · (R + 1),), added to what is learnt."""
        return replace(self, up=(self.up.astype(np.float64) + change.reshape(self.up.shape)).astype(np.float32))

    def hidden(self, hidden: np.ndarray, head: str) -> np.ndarray:
        """What a head reads in place of `hidden` (..., C). Zeros in B leave every bit as it is."""
        up = self.up[HEADS.index(head)]
        # As in `log_mel`: a matrix product's last bits would follow from the number of cores.
        narrow = np.einsum("...c,rc->...r", hidden, self.down)
        return hidden + (np.einsum("...r,cr->...c", narrow, up[:, :-1]) + up[:, -1])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return "sha256:" + hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The content of an adapter file: equal adapters give equal bytes."""
        header = {"resay_adapter": VERSION, "base": self.base, "number": self.number, "origin": self.origin}
        arrays = {name: np.ascontiguousarray(array, dtype="<f4") for name, array in self._arrays().items()}
        text = json.dumps(header, ensure_ascii=False, sort_keys=True, allow_nan=False)
        return safetensors.numpy.save(arrays, metadata={HEADER: text})

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"down": self.down, "up": self.up}

    def save(self, path: str | Path) -> None:
        """Write the file whole or not at all."""
        audio.write_bytes(path, self.to_bytes())

    def fit(self, digests: Mapping[str, str]) -> None:
        """Raises BadFile unless it was learnt on the graphs of these digests."""
        if self.base != base_digest(digests):
            raise BadFile("the adapter was learnt on other weights; get the one for this version of the model")


def base_digest(digests: Mapping[str, str]) -> str:
    """One digest of the graphs that an adapter stands on."""
    return digest_of([digests[name] for name in BASE])


def digest_of(texts: Sequence[str]) -> str:
    """One digest of several texts in their order."""
    return "sha256:" + hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()


def fresh(base: str, channels: int, seed: int = 0, rank: int = RANK) -> SharedAdapter:
    """An adapter that changes nothing yet: A from a seed, B zero."""
    random = np.random.Generator(np.random.Philox(seed))
    down = (random.standard_normal((rank, channels)) / np.sqrt(channels)).astype(np.float32)
    return SharedAdapter(base, down, np.zeros((len(HEADS), channels, rank + 1), np.float32))


def load(path: str | Path) -> SharedAdapter:
    """Read an adapter file. Raises BadFile, in one line, where it is missing, damaged or of a later version."""
    try:
        return parse(Path(path).read_bytes())
    except OSError as error:
        raise BadFile(f"{path}: the adapter cannot be read ({error.strerror or error})") from error
    except BadFile as error:
        raise BadFile(f"{path}: {error}") from None


def parse(content: bytes) -> SharedAdapter:
    """The adapter that bytes are. Raises BadFile."""
    try:
        arrays = safetensors.numpy.load(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][HEADER])
        version, base, number = int(header["resay_adapter"]), str(header["base"]), int(header["number"])
        origin = header["origin"]
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RecursionError):
        raise BadFile("damaged, or not an adapter of resay's") from None
    if version > VERSION:
        raise BadFile(f"an adapter of version {version}; this resay reads up to {VERSION}, so update resay")
    down, up = arrays.get("down"), arrays.get("up")
    if down is None or up is None or down.ndim != 2 or up.shape != (len(HEADS), down.shape[1], len(down) + 1):
        raise BadFile("the adapter lacks an array, or has one of a wrong shape")
    if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in (down, up)):
        raise BadFile("the adapter holds what is no number")
    return SharedAdapter(base, down, up, number, origin if isinstance(origin, dict) else None)
