"""How long phonemes ordinarily last, and how far a plan strays from it.

The norms are counted over the corpus' synthetic speech, whose durations are exact (`resay evaluate norms CORPUS`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .. import audio
from ..audio import FORMAT
from ..errors import BadFile
from ..text import phonemes as table
from ..train.recordings import TEACHER_UNIT

FILE = Path(__file__).parent / "norms.json"
_RAREST = 30  # occurrences that a norm needs
STRANGE = 3.0  # standard deviations


@dataclass(frozen=True)
class Norm:
    """Mean and standard deviation of something, and how many cases it comes from."""

    mean: float
    deviation: float
    count: int


@dataclass(frozen=True)
class Norms:
    """What is ordinary."""

    durations: dict[str, Norm]
    """Natural logarithm of seconds, by phoneme without tone or stress."""
    rates: dict[str, Norm]
    """Phonemes a second, pauses left out, by language."""


@dataclass(frozen=True)
class Timing:
    """One plan against the norms."""

    language: str
    phonemes: int
    rate: float
    """Phonemes a second of speech, pauses left out."""
    rate_score: float
    """Standard deviations from the corpus' rate."""
    strange: int
    """Phonemes more than three standard deviations from their own length, once the speaker's rate is taken out."""


def _base(symbol: str) -> str:
    return symbol.rstrip("012345")


def _norm(values: Sequence[float]) -> Norm:
    return Norm(round(float(np.mean(values)), 4), round(float(np.std(values)), 4), len(values))


def _rate(symbols: Sequence[str], seconds: np.ndarray) -> float:
    sounds = [length for symbol, length in zip(symbols, seconds, strict=True) if not table.is_pause(symbol)]
    return len(sounds) / max(float(sum(sounds)), 1e-6)


def count(corpus: Path) -> Norms:
    """The norms of a corpus folder with synthetic speech (`*.jsonl`). Raises BadFile where there is none."""
    durations: dict[str, list[float]] = defaultdict(list)
    rates: dict[str, list[float]] = defaultdict(list)
    for path in sorted(corpus.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            seconds = np.array(row["dur"]) * TEACHER_UNIT / FORMAT.frame_rate
            rates[row["lang"]].append(_rate(row["phones"], seconds))
            for symbol, length in zip(row["phones"], seconds, strict=True):
                if not table.is_pause(symbol) and length > 0:
                    durations[_base(symbol)].append(float(np.log(length)))
    if not rates:
        raise BadFile(f"{corpus}: no synthetic speech (*.jsonl) to count durations over")
    kept = {symbol: _norm(values) for symbol, values in sorted(durations.items()) if len(values) >= _RAREST}
    return Norms(kept, {language: _norm(values) for language, values in sorted(rates.items())})


def save(norms: Norms, path: Path = FILE) -> None:
    audio.write_bytes(path, (json.dumps(asdict(norms), ensure_ascii=False, indent=1) + "\n").encode())


def load(path: Path = FILE) -> Norms:
    """The norms that ship with resay."""
    content = json.loads(path.read_text(encoding="utf-8"))
    durations, rates = ({name: Norm(**norm) for name, norm in content[part].items()} for part in ("durations", "rates"))
    return Norms(durations, rates)


def timing(symbols: Sequence[str], durations: np.ndarray, language: str, norms: Norms) -> Timing:
    """A plan's durations, int64 (P,) mel frames, against the norms."""
    seconds = durations / FORMAT.frame_rate
    rate, norm = _rate(symbols, seconds), norms.rates[language]
    known = [
        (np.log(max(length, 1e-3)) - norms.durations[_base(symbol)].mean, norms.durations[_base(symbol)].deviation)
        for symbol, length in zip(symbols, seconds, strict=True)
        if not table.is_pause(symbol) and _base(symbol) in norms.durations
    ]
    # A slow speaker is not strange: the middle of all deviations is the speaker's own rate.
    middle = float(np.median([difference for difference, _ in known])) if known else 0.0
    strange = sum(abs(difference - middle) > STRANGE * deviation for difference, deviation in known)
    return Timing(language, len(known), rate, (rate - norm.mean) / norm.deviation, int(strange))
