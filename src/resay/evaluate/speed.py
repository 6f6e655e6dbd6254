"""How fast and how large speaking is: in process, stage by stage, and as a whole cold command.

Medians over several sentences and rounds; what is compared takes turns within one run, so that a busy minute of the
machine hits all alike.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import audio, synthesis
from ..audio import Audio
from ..errors import ResayError
from ..synthesis import Engine, Request
from ..voices import Voice
from .rivals import Rival
from .sentences import LANGUAGES, unseen

TWENTY_WORDS = {
    "en": "When the rain finally stopped, we opened all the windows and listened to the birds in the tall old trees.",
    "zh": "雨终于停了，我们打开所有的窗户，听见院子里那几棵老树上有许多小鸟在唱歌。",
}
"""What the first sound is timed with: twenty English words, thirty-two Mandarin syllables."""
SENTENCES = 5  # of each language and round
STOPWATCH = str(Path(__file__).with_name("stopwatch.py"))
STAGES = ("text", "prosody", "acoustic", "vocoder")
OURS = "resay"


@dataclass(frozen=True)
class Speed:
    """One engine or rival, warm. Medians."""

    threads: int
    real_time_factor: float
    """Seconds of work a second of sound."""
    first_sound: float
    """Seconds from request to the first piece of a twenty-word sentence."""
    stages: dict[str, float]
    """Seconds of work a second of sound by stage; the profiler adds a little to each. A rival's are not known."""
    sentences: int
    system: str = OURS


@dataclass(frozen=True)
class Cold:
    """`resay speak` as a process of its own, from start to written file."""

    seconds: float
    """Median."""
    slowest: float
    sound: float
    """Seconds of sound that it wrote."""
    peak_bytes: int | None
    """Largest resident set of any round; None where the system does not tell."""
    rounds: int


@dataclass(frozen=True, eq=False)
class _Contender:
    """Something that speaks, warm."""

    system: str
    threads: int
    languages: Collection[str]
    say: Callable[[str, str], Iterable[Audio]]
    """Text and language to sound, part by part as it is made."""
    stages: Callable[[str, str], dict[str, float]] | None = None


def _engine(engine: Engine, threads: int, voices: Mapping[str, Voice]) -> _Contender:
    def say(text: str, language: str) -> Iterable[Audio]:
        request = Request(text, seed=42, language=language)
        return (part for piece in engine.stream(request, voices[language]) for part in piece.parts())

    def stages(text: str, language: str) -> dict[str, float]:
        return _stages(engine, voices[language], text, language)

    return _Contender(OURS, threads, voices, say, stages)


def _rival(rival: Rival) -> _Contender:
    def say(text: str, language: str) -> Iterable[Audio]:
        return rival.say(text, language, rival.voices[language][0])

    return _Contender(rival.facts.system, rival.threads, rival.voices, say)


def _work(contender: _Contender, text: str, language: str) -> tuple[float, float, float]:
    """Seconds until everything was said, seconds until the first sound, seconds of sound."""
    started = time.perf_counter()
    first, sound = 0.0, 0.0
    for part in contender.say(text, language):
        first = first or time.perf_counter() - started
        sound += part.seconds
    return time.perf_counter() - started, first, sound


def _module(file: str) -> str:
    """The module of this package that a file belongs to; empty for others'."""
    package = Path(synthesis.__file__).parent
    return Path(Path(file).relative_to(package).parts[0]).stem if Path(file).is_relative_to(package) else ""


def _stages(engine: Engine, voice: Voice, text: str, language: str) -> dict[str, float]:
    """Seconds of work a second of sound in each stage's module, as called from outside it."""
    profile = cProfile.Profile()
    profile.enable()
    sound = sum(piece.audio.seconds for piece in engine.stream(Request(text, seed=42, language=language), voice))
    profile.disable()
    found: dict[str, float] = dict.fromkeys(STAGES, 0.0)
    for (file, _, _), (*_, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        stage = _module(file)
        if stage in found:
            # Only calls from outside: what a stage does inside is part of them.
            found[stage] += sum(
                seconds for (caller, _, _), (*_, seconds) in callers.items() if _module(caller) != stage
            )
    return {stage: seconds / sound for stage, seconds in found.items()}


def warm(
    engines: Mapping[int, Engine], voices: Mapping[str, Voice], rounds: int = 3, rivals: Sequence[Rival] = ()
) -> list[Speed]:
    """Engines by their threads, voices by language; a rival speaks with its first voice of each.

    Each round everybody says the same sentences, turn by turn.
    """
    contenders = [_engine(engine, threads, voices) for threads, engine in engines.items()]
    contenders += [_rival(rival) for rival in rivals]
    factors, firsts = defaultdict(list), defaultdict(list)
    stages: dict[_Contender, list[dict[str, float]]] = defaultdict(list)
    turns = {language: [one for one in contenders if language in one.languages] for language in LANGUAGES}
    for language, several in turns.items():  # graphs allocate and tables load on first use
        for one in several:
            _work(one, TWENTY_WORDS[language], language)
    for round_ in range(rounds):
        for language, several in turns.items():
            for text in unseen(language)[round_ * SENTENCES : (round_ + 1) * SENTENCES]:
                for one in several:
                    taken, _, sound = _work(one, text, language)
                    factors[one].append(taken / sound)
            for one in several:
                firsts[one].append(_work(one, TWENTY_WORDS[language], language)[1])
                if one.stages:
                    stages[one].append(one.stages(TWENTY_WORDS[language], language))
    return [
        Speed(
            threads=one.threads,
            real_time_factor=float(np.median(factors[one])),
            first_sound=float(np.median(firsts[one])),
            stages={stage: float(np.median([found[stage] for found in stages[one]])) for stage in STAGES if one.stages},
            sentences=len(factors[one]),
            system=one.system,
        )
        for one in contenders
    ]


def _run(command: Sequence[str]) -> tuple[float, int | None]:
    """Seconds and peak bytes of one process. Raises ResayError where it fails."""
    done = subprocess.run([sys.executable, STOPWATCH, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ResayError(f"the command that was to be timed failed: {done.stderr.strip() or done.returncode}")
    found = json.loads(done.stdout)
    return found["seconds"], found["peak_bytes"]


def cold(
    voice: str, text: str, models: Path | None = None, threads: int = 2, rounds: int = 5, provider: str = "cpu"
) -> Cold:
    """Time `resay speak` with this interpreter, a process a round. The first round, which reads the disk, is left out.

    Raises ResayError where the command fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "resay", "speak", text, "--voice", voice, "--threads", str(threads)]
        command += ["--provider", provider]
        output = Path(folder) / "cold.wav"
        command += ["-o", str(output), *(["--models", str(models)] if models else [])]
        _run(command)
        found = [_run(command) for _ in range(rounds)]
        sound = audio.read(output).seconds
    peaks = [peak for _, peak in found if peak is not None]
    times = [seconds for seconds, _ in found]
    return Cold(float(np.median(times)), max(times), sound, max(peaks, default=None), rounds)
