"""The judges together, from one folder. Which are there decides which columns a report has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import BadFile
from ..train.speaker_levels import FILE_NAME
from .dnsmos import Dnsmos
from .ge2e import FILE_NAME as GE2E_FILE_NAME
from .ge2e import Ge2eEncoder
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

    @classmethod
    def open(cls, folder: Path | None, threads: int = 1) -> Judges:
        """Every judge that `folder` holds; none for None. Raises BadFile for a folder without any."""
        if folder is None:
            return cls()
        judges = cls(
            Recogniser(folder, threads) if any(folder.rglob("decoder_model_merged*.onnx")) else None,
            SpeakerEncoder(folder) if any(folder.rglob(FILE_NAME)) else None,
            Dnsmos(folder, threads) if any(folder.rglob("sig_bak_ovr.onnx")) else None,
            Ge2eEncoder(folder) if any(folder.rglob(GE2E_FILE_NAME)) else None,
        )
        if judges == cls():
            raise BadFile(f"{folder}: holds no judge; fetch them with `resay evaluate judges --into {folder}`")
        return judges

    @property
    def encoders(self) -> list[SpeakerEncoder | Ge2eEncoder]:
        """Those that judge likeness."""
        return [encoder for encoder in (self.speaker_encoder, self.second_encoder) if encoder]

    @property
    def names(self) -> list[str]:
        """Of those that are there, as a report names them."""
        return [judge.name for judge in (self.recogniser, *self.encoders, self.dnsmos) if judge]
