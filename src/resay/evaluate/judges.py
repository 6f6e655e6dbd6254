"""The judges together, from one folder. Which are there decides which columns a report has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..audio import Audio
from ..errors import BadFile
from ..train.speaker_levels import FILE_NAME
from .dnsmos import Dnsmos
from .ge2e import FILE_NAME as GE2E_FILE_NAME
from .ge2e import Ge2eEncoder
from .memory import Memory
from .recogniser import Recogniser
from .speaker_encoder import SpeakerEncoder

__all__ = ["Dnsmos", "Ge2eEncoder", "Judges", "Recogniser", "SpeakerEncoder"]


@dataclass(frozen=True)
class Judges:
    """None stands for a judge whose files are not there."""

    recogniser: Recogniser | None = None
    speaker_encoder: SpeakerEncoder | None = None
    dnsmos: Dnsmos | None = None
    second_encoder: Ge2eEncoder | None = None
    """Another ear for likeness: the first has taught the networks."""
    memory: Memory = field(default_factory=Memory, compare=False)

    @classmethod
    def open(cls, folder: Path | None, threads: int = 1, keep: Path | None = None) -> Judges:
        """Every judge that `folder` holds; none for None. What they say is kept in the file `keep`, if any.

        Raises BadFile for a folder without any judge, and for a file that keeps something else.
        """
        if folder is None:
            return cls()
        memory = Memory(keep)
        judges = cls(
            Recogniser(folder, threads) if any(folder.rglob("decoder_model_merged*.onnx")) else None,
            SpeakerEncoder(folder) if any(folder.rglob(FILE_NAME)) else None,
            Dnsmos(folder, threads) if any(folder.rglob("sig_bak_ovr.onnx")) else None,
            Ge2eEncoder(folder) if any(folder.rglob(GE2E_FILE_NAME)) else None,
            memory,
        )
        if judges == cls():
            raise BadFile(f"{folder}: holds no judge; fetch them with `resay evaluate judges --into {folder}`")
        return judges

    @property
    def encoders(self) -> list[SpeakerEncoder | Ge2eEncoder]:
        """Those that judge likeness."""
        return [encoder for encoder in (self.speaker_encoder, self.second_encoder) if encoder]

    def transcribed(self, sound: Audio, language: str) -> str:
        """The words that the recogniser hears."""
        judge = self.recogniser
        assert judge
        return self.memory.ask(f"{judge.name}, {language}", sound, lambda: judge.transcribe(sound, language))

    def quality(self, sound: Audio) -> float:
        """DNSMOS overall."""
        judge = self.dnsmos
        assert judge
        return self.memory.ask(f"{judge.name}, overall", sound, lambda: judge.score(sound)["overall"])

    def embedded(self, encoder: SpeakerEncoder | Ge2eEncoder, sound: Audio) -> np.ndarray:
        """The vector that one of `encoders` gives a voice, float32."""
        kept = self.memory.ask(f"{encoder.name}, vector", sound, lambda: encoder.embed(sound).astype(float).tolist())
        return np.array(kept, dtype=np.float32)

    @property
    def names(self) -> list[str]:
        """Of those that are there, as a report names them."""
        return [judge.name for judge in (self.recogniser, *self.encoders, self.dnsmos) if judge]
