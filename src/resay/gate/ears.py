"""What disturbs a voice and no single figure shows: music, echo, somebody else.

Letters in shapes: T mel frames, M mel bands, U units of four frames, K kinds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..audio import FORMAT, scaled
from ..errors import BrokenModel
from ..onnx_graph import OnnxGraph
from . import speakers

SHIPPED = Path(__file__).parent.parent / "models" / "gate"
KINDS = ("music", "echo", "voices")
"""What the network listens for, in the order of its outputs."""
UNIT = 4  # frames
LONGEST_LOOK = 2400  # frames; a longer clip is heard in parts


@dataclass(frozen=True)
class Heard:
    """One disturbance: how sure, above 0 is over the threshold, and from when to when it is strongest."""

    kind: str
    sureness: float
    start: float
    end: float


class Ears:
    """The exported network with the thresholds that were fitted to it."""

    def __init__(self, folder: Path = SHIPPED, threads: int = 2) -> None:
        path = folder / "thresholds.json"
        self._graph = OnnxGraph(folder / "ears.onnx", threads)
        try:
            fitted = json.loads(path.read_text(encoding="utf-8"))
            self._thresholds = np.array([fitted["kinds"][kind] for kind in KINDS], dtype=np.float32)
            self._change = np.array(fitted["change"]["weights"], dtype=np.float32)
            self._line = float(fitted["change"]["threshold"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BrokenModel(f"{path}: missing or damaged ({error}); reinstall resay") from error
        if self._change.shape != (speakers.FEATURES,):
            raise BrokenModel(f"{path}: made for another version; reinstall resay")

    def logits(self, mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of units (U, K) and of the whole clip (K,), from log mels (T, M); of a long clip its worst part."""
        parts = [mel[at : at + LONGEST_LOOK] for at in range(0, max(1, len(mel) - LONGEST_LOOK // 2), LONGEST_LOOK)]
        found = [self._graph.run(mel=scaled(part)[None]) for part in parts]
        units = np.concatenate([one["units"][0] for one in found])
        return units, np.max([one["clip"][0] for one in found], axis=0)

    def hear(self, mel: np.ndarray) -> list[Heard]:
        """Every kind that is over its threshold."""
        units, clip = self.logits(mel)
        found = []
        for number in np.flatnonzero(clip > self._thresholds):
            there = np.flatnonzero(units[:, number] > min(0.0, float(np.percentile(units[:, number], 75))))
            start, end = FORMAT.seconds(int(there[0]) * UNIT), FORMAT.seconds((int(there[-1]) + 1) * UNIT)
            found.append(Heard(KINDS[number], float(clip[number] - self._thresholds[number]), start, end))
        return found

    def other_speaker(
        self, mel: np.ndarray, track: np.ndarray, speech: np.ndarray, timbre: Callable[[np.ndarray], np.ndarray]
    ) -> Heard | None:
        """A stretch spoken by somebody else than the rest, where there is one."""
        change = speakers.change(mel, track, speech, timbre)
        if change is None:
            return None
        sureness = float(change.features @ self._change) - self._line
        return Heard("other_speaker", sureness, change.start, change.end) if sureness > 0 else None
