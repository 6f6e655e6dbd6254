"""Our own engine before the judges: default voices, clones of people it never met, and the vocoder alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from .. import audio, consent, measure, pitch
from ..audio import FORMAT, Audio
from ..errors import BadAudio
from ..synthesis import Engine, Piece, Request, standard_normal
from ..vocoder import Vocoder
from ..voices import Voice
from . import norms
from .hearing import Utterance
from .held_out import Person, Recording
from .norms import Norms, Timing

DEFAULT_VOICES, CLONES = "resay, default voices", "resay, clones of held-out speakers"
PEOPLE, COPIES = "people (held-out recordings)", "resay vocoder alone (copy-synthesis)"


@dataclass(frozen=True, eq=False)
class Spoken:
    """What the engine said and how it had planned to."""

    utterance: Utterance
    monotonic: bool
    timings: tuple[Timing, ...]
    """One a piece."""


def speak(engine: Engine, voice: Voice, text: str, language: str, seed: int, system: str) -> Spoken:
    """One sentence with a fixed seed. `language` is the sentence's; the voice may be of the other one."""
    pieces = list(engine.stream(Request(text, seed=seed, language=language), voice))
    utterance = Utterance(system, language, voice.name, text, Audio.join(piece.audio for piece in pieces))
    known = norms.load()
    return Spoken(
        utterance,
        all(_is_monotonic(piece) for piece in pieces),
        tuple(_timing(piece, language, known) for piece in pieces),
    )


def _is_monotonic(piece: Piece) -> bool:
    frames = round(piece.audio.seconds * FORMAT.frame_rate)
    return measure.is_monotonic(piece.plan.durations, len(piece.sentence.phonemes), frames)


def _timing(piece: Piece, language: str, known: Norms) -> Timing:
    return norms.timing(piece.sentence.phonemes, piece.plan.durations, language, known)


def default_voices(
    engine: Engine, voices: Sequence[Voice], language: str, texts: Sequence[str], seed: int
) -> Iterator[Spoken]:
    """Every voice of the language says every sentence."""
    for voice in voices:
        if voice.language == language:
            for text in texts:
                yield speak(engine, voice, text, language, seed, DEFAULT_VOICES)


def clone(engine: Engine, person: Person) -> Voice | None:
    """A voice from the person's reference clip; None where the product refuses the clip, as it would to a user.

    The corpus' speakers gave their recordings for research and engineering; the voice lives as long as the run.
    """
    try:
        profile, _ = engine.listen(person.reference)
    except BadAudio:
        return None
    return Voice(person.name, person.language, profile, consent.own())


def own_sentences(texts: Sequence[str], place: int, count: int) -> list[str]:
    """Sentences for the speaker at `place` in the list: the next `count`, so that together all are spoken."""
    return [texts[(place * count + offset) % len(texts)] for offset in range(count)]


def people(recordings: Iterable[Recording]) -> Iterator[Utterance]:
    """Held-out recordings as they are: what the judges make of people."""
    for recording in recordings:
        yield Utterance(PEOPLE, recording.language, recording.speaker, recording.text, recording.audio)


def copies(vocoder: Vocoder, recordings: Iterable[Recording]) -> Iterator[Utterance]:
    """The same recordings through mel and pitch and back: what the vocoder alone loses."""
    for recording in recordings:
        copy = copy_synthesis(vocoder, recording.audio)
        yield Utterance(COPIES, recording.language, recording.speaker, recording.text, copy)


def copy_synthesis(vocoder: Vocoder, original: Audio) -> Audio:
    """Sound to mel and pitch, and back through the vocoder with fixed noise."""
    original = original.resampled(FORMAT.sample_rate)
    mel, track = audio.log_mel(original.samples), pitch.track(original)
    random = np.random.Generator(np.random.Philox(0))
    return vocoder.decode(mel, track, partial(standard_normal, random))
