"""The speakers of a corpus as clients that have never met: each has its own clips, and nobody else's.

Letters in shapes: P phonemes of all clips, C channels, N clips.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import audio
from ..train import recordings
from ..train.acoustic_stage import Example as Row
from ..train.acoustic_stage import examples as aligned
from ..train.loop import mixed_precision
from . import public_base
from .features import spoken
from .local import Example, Frozen

MOST_CLIPS = 4
"""Of one speaker: with the same number of steps for everybody, more clips would only cost time."""
CANARY_SHARE = 4
"""One held-out speaker in so many is the server's own, for its judgement; the others are for the measurement."""


@dataclass(frozen=True, eq=False)
class Population:
    """Speakers and their examples, in files that any number of processes can share."""

    folder: Path

    @classmethod
    def prepare(cls, cache: Path, models: Path, folder: Path, clients: int) -> Population:
        """Put every speaker's clips through the frozen layers, once. Raises BadFile where the cache is empty."""
        found = cls(folder)
        if (folder / "speakers.json").exists():
            return found
        folder.mkdir(parents=True, exist_ok=True)
        data = recordings.Recordings(cache)
        collator, frozen = public_base.collator(data, cache), Frozen(models)
        groups = _by_speaker(public_base.private(aligned(data, cache)))[:clients]
        kept = _by_speaker(public_base.private(aligned(data, cache, held_out=True)))
        rows = [row for _, clips in [*groups, *kept] for row in clips]
        with mixed_precision("cpu"):
            examples = frozen.examples(spoken(collator, rows, frozen))
        np.save(folder / "hidden.npy", np.concatenate([example.hidden for example in examples]))
        np.save(folder / "tokens.npy", np.concatenate([example.tokens for example in examples]))
        np.save(folder / "ends.npy", np.cumsum([len(example.tokens) for example in examples]))
        content = {
            "clients": [len(clips) for _, clips in groups],
            "held_out": [len(clips) for _, clips in kept],
            "sets": sorted({row.clip.set for row in rows}),
        }
        audio.write_bytes(folder / "speakers.json", json.dumps(content).encode())
        return found

    def _counts(self) -> tuple[list[int], list[int]]:
        content = json.loads((self.folder / "speakers.json").read_bytes())
        return content["clients"], content["held_out"]

    def __len__(self) -> int:
        return len(self._counts()[0])

    def _clips(self, first: int, count: int) -> list[Example]:
        ends = np.load(self.folder / "ends.npy")
        hidden, tokens = (np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in ("hidden", "tokens"))
        starts = np.concatenate([[0], ends])
        return [
            Example(hidden[starts[clip] : starts[clip + 1]], tokens[starts[clip] : starts[clip + 1]])
            for clip in range(first, first + count)
        ]

    def client(self, number: int) -> list[Example]:
        """All clips of one client."""
        counts = self._counts()[0]
        return self._clips(sum(counts[:number]), counts[number])

    def held_out(self) -> tuple[list[list[Example]], list[list[Example]]]:
        """Clips of speakers who are no clients: the server's own, and those to measure on, a list for each speaker."""
        clients, counts = self._counts()
        firsts = np.cumsum([sum(clients), *counts])
        people = [self._clips(int(first), count) for first, count in zip(firsts, counts, strict=False)]
        return people[::CANARY_SHARE], [person for place, person in enumerate(people) if place % CANARY_SHARE]


def _by_speaker(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Clips of each speaker, in an order that is fixed but has nothing to do with who they are."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(f"{row.clip.set}/{row.clip.speaker}", []).append(row)
    order = np.random.Generator(np.random.Philox(0)).permutation(len(groups))
    names = sorted(groups)
    return [(names[index], groups[names[index]][:MOST_CLIPS]) for index in order]
