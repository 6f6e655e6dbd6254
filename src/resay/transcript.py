"""A clip whose words are known: they are laid along it, and its profile becomes surer.

Where each sound lies is then known rather than guessed: how this speaker makes it, how fast they speak, and a prompt
for the prosody model to go on from.

Letters in shapes: P phonemes, T mel frames, M mel bands, K classes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import acoustic, aligner, audio, pitch
from .aligner import CLASS_OF, SILENCE, UNCERTAIN, Aligner
from .audio import FORMAT, Audio, scaled
from .errors import BadText
from .prompt import Prompt
from .quality import LONGEST, Finding
from .reference import RATE, Profile, Report, UsualRate, canonical
from .semantic import SemanticEncoder
from .text import Sentence, phonemes

LONGEST_PROMPT = 8.0  # seconds
DOUBTFUL, ANOTHER = 0.55, 0.75
"""`misfit` from which words are doubted, and from which they are taken for another clip's (`bench/prompt.py`)."""


def informed(
    profile: Profile,
    report: Report,
    sound: Audio,
    sentence: Sentence,
    listener: Aligner,
    semantic: SemanticEncoder,
    usual: UsualRate | None,
) -> tuple[Profile, Report]:
    """Profile and report of a clip with what its words add; without `usual` the rate stays as it was guessed.

    Raises BadText where these are not its words.
    """
    if sound.seconds > LONGEST:
        raise BadText(f"a clip of {sound.seconds:.0f} s is too long for its words; cut it to {LONGEST:.0f} s")
    clip = canonical(sound)
    mel = audio.log_mel(clip.samples)
    posteriors = listener.log_posteriors(mel)
    try:
        durations = aligner.laid(posteriors, sentence.ids)
    except ValueError as error:
        raise BadText(f"{clip.seconds:.1f} s of speech are too short for these words") from error
    doubt = misfit(posteriors, sentence.ids, durations)
    if doubt >= ANOTHER:
        raise BadText("this is not what is heard in the clip")
    if doubt >= DOUBTFUL:
        text = "the words given and those heard differ in places; write down exactly what is said"
        report = replace(report, findings=(*report.findings, Finding("transcript", "warning", text)))
    style = profile.style.copy()
    deviation = usual.deviation(sentence.ids, durations) if usual else np.nan
    style[RATE] = style[RATE] if np.isnan(deviation) else deviation
    spoken = agreed(aligner.heard(posteriors, listener.certain), np.repeat(CLASS_OF[sentence.ids], durations))
    sounds = aligner.mean_sounds(scaled(mel), spoken)
    plan, voiced = acoustic.measured(mel, pitch.track(clip), durations, profile.pitch)
    meaning = semantic.vectors(sentence).astype(np.float16).astype(np.float32)
    prompt = Prompt(sentence.ids, plan.durations, plan.pitch, plan.energy, voiced, meaning)
    return replace(profile, style=style, sounds=sounds, prompt=last(prompt)), report


def misfit(log_posteriors: np.ndarray, ids: np.ndarray, durations: np.ndarray) -> float:
    """How far words fall behind what is heard, as a share of how far the same words said backwards do.

    Near 0 where every sound is heard where it should be, about 1 for another text. A share, because a voice or a room
    that is hard to hear is so for any text. Backwards is taken three times, begun at other places.
    """
    score = aligner.floored(log_posteriors)
    first, backwards, end = ids[:1], ids[-2:0:-1], ids[-1:]
    others = [np.concatenate([first, np.roll(backwards, third * len(backwards) // 3), end]) for third in range(3)]
    chance = np.mean([_behind(score, other, aligner.laid(log_posteriors, other)) for other in others])
    return _behind(score, ids, durations) / max(float(chance), 1e-6)


def _behind(score: np.ndarray, ids: np.ndarray, durations: np.ndarray) -> float:
    """Mean distance to the likeliest sound, nats a frame, of phonemes (P,) where they lie."""
    owner = np.repeat(CLASS_OF[ids], durations)
    return float((score.max(axis=1) - score[np.arange(len(score)), owner]).mean())


def agreed(heard: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The class of every frame by the words (T,), `UNCERTAIN` where another is plainly `aligner.heard` (T,).

    Pauses take a frame between any two words even where nobody pauses: these count only where silence is heard.
    """
    unheard = (heard == UNCERTAIN) & (classes != SILENCE)
    return np.where((heard == classes) | unheard, classes, UNCERTAIN)


def last(prompt: Prompt, seconds: float = LONGEST_PROMPT) -> Prompt:
    """The end of a prompt, from the first word on from which it lasts so long at most; its start stays in front."""
    left = np.cumsum(prompt.durations[::-1])[::-1]
    if left[0] <= seconds * FORMAT.frame_rate:
        return prompt
    pauses = [phonemes.is_pause(phonemes.SYMBOLS[number]) for number in prompt.ids]
    begins = np.flatnonzero(np.array([False, *pauses[:-1]]) & ~np.array(pauses))
    kept = begins[left[begins] <= seconds * FORMAT.frame_rate]
    if len(kept) == 0:
        return prompt
    rows = np.array([0, *range(kept[0], len(prompt.ids))])
    return Prompt(**{name: values[rows] for name, values in vars(prompt).items()})
