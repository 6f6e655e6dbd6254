"""A clip of a voice: is it good enough, who speaks, and how.

Timbre comes from a network that was trained to tell speakers apart whatever they say; style is measured, not learnt:
sixteen statistics of rate, pauses, pitch contour and energy, none of which looks at the spectrum's shape.

Letters in shapes: S samples, T mel frames, M mel bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import audio, pitch
from .adapter import Adapter
from .aligner import Aligner
from .audio import FORMAT, Audio, scaled
from .errors import BadAudio
from .onnx_graph import OnnxGraph
from .pitch import middle_pitch
from .prompt import Prompt
from .quality import LONGEST, SHORTEST, SILENCE, Finding, runs, syllable_peaks
from .quality import Report as Report
from .quality import check as check
from .text import phonemes

STYLE_NAMES = (
    "syllable_rate",
    "voiced_run",
    "pause_share",
    "pause_rate",
    "pause_length",
    "pitch_spread",
    "pitch_range",
    "pitch_skew",
    "pitch_speed",
    "declination",
    "final_pitch",
    "energy_spread",
    "energy_range",
    "energy_speed",
    "voiced_share",
    "stress_by_pitch",
)
RATE = STYLE_NAMES.index("syllable_rate")
"""Where in a style the rate stands: syllable peaks a second as counted, then what all statistics say of it together."""


@dataclass(frozen=True, eq=False)
class Profile:
    """What reference analysis heard in a clip."""

    timbre: np.ndarray
    """float32 (192,), unit length: who speaks."""
    style: np.ndarray
    """float32 (16,), standard deviations from ordinary speech, in the order of `STYLE_NAMES`: how."""
    pitch: float
    """Middle pitch of the speaker in Hz."""
    sounds: np.ndarray | None = None
    """float32 (K, M + 1), `aligner.mean_sounds` of the clip: how this speaker makes each sound. None: not known."""
    adapter: Adapter | None = None
    """What tuning has added; a clip alone has none."""
    prompt: Prompt | None = None
    """What was said in the clip; None where nobody told."""


LEAST_SOUNDS = 8
"""Fewer tell nothing about the rate."""


def pace(ids: np.ndarray, durations: np.ndarray, usual: np.ndarray) -> float:
    """How much shorter the sounds among phonemes (P,) of so many frames are than is usual for each, nepers.

    Unlike sounds a second it does not depend on which sounds the text has. NaN where there are too few. `usual` holds
    the mean log duration of every symbol.
    """
    heard = phonemes.IS_SOUND[ids]
    if heard.sum() < LEAST_SOUNDS:
        return float("nan")
    return float((usual[ids] - np.log(durations))[heard].mean())


@dataclass(frozen=True, eq=False)
class UsualRate:
    """What the rate of a clip is measured against where its words are known."""

    lengths: np.ndarray
    """Mean log duration of every symbol, in frames."""
    mean: float
    """Of everybody's `pace`, nepers."""
    spread: float
    """Its standard deviation."""

    def deviation(self, ids: np.ndarray, durations: np.ndarray) -> float:
        """`pace` in standard deviations, at most three either way; NaN where there are too few sounds."""
        return float(np.clip((pace(ids, durations, self.lengths) - self.mean) / self.spread, -3.0, 3.0))


def canonical(sound: Audio) -> Audio:
    """The clip as every later stage hears it: 24 kHz, outer silence cut to 0.1 s, speech at the shared level."""
    sound = sound.resampled(FORMAT.sample_rate)
    mel = audio.log_mel(sound.samples)
    if len(mel) == 0:
        return sound
    loudness = audio.energy(mel)
    loud = np.flatnonzero(loudness > np.percentile(loudness, 98) - SILENCE)
    margin = int(0.1 * FORMAT.frame_rate)
    first, last = max(0, loud[0] - margin), min(len(mel), loud[-1] + 1 + margin)
    # The level is taken after the cut: long outer silence would otherwise count as quiet speech.
    gain = np.exp(audio.SPEECH_LEVEL - audio.speech_level(mel[first:last]))
    samples = sound.samples[first * FORMAT.hop : last * FORMAT.hop] * gain
    return Audio(samples[: int(LONGEST * FORMAT.sample_rate)].astype(np.float32))


def _pitch_statistics(track: np.ndarray) -> dict[str, float]:
    voiced = track > 0
    if voiced.sum() < 8:
        return {}
    octaves = np.log2(pitch.filled_pitch(track) / middle_pitch(track))
    heard = octaves[voiced]
    low, high = np.percentile(heard, [5, 95])
    inside = voiced[1:] & voiced[:-1]
    times = np.flatnonzero(voiced) / FORMAT.frame_rate
    final = octaves[np.flatnonzero(voiced)[-24:]]
    return {
        "pitch_spread": float(heard.std()),
        "pitch_range": float(high - low),
        "pitch_skew": float(high + low),
        "pitch_speed": float(np.abs(np.diff(octaves))[inside].mean() * FORMAT.frame_rate),
        "declination": float(np.polyfit(times, heard, 1)[0]),
        "final_pitch": float(final.mean()),
    }


def statistics(mel: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Raw statistics of style, float32 (16,), of log mels (T, M) and pitch (T,) in Hz; 0 where nothing was heard."""
    loudness = audio.energy(mel) - audio.speech_level(mel)
    speech = loudness > -SILENCE
    span = np.flatnonzero(speech)
    inner = ~speech[span[0] : span[-1] + 1]
    pauses = [end - first for first, end in runs(inner) if end - first >= 12]  # 150 ms: longer than a stop's closure
    voiced_runs = [end - first for first, end in runs(track > 0)]
    seconds = max(0.1, FORMAT.seconds(int(speech.sum())))
    heard = loudness[speech]
    both = speech & (track > 0)
    found = {
        "syllable_rate": float(len(syllable_peaks(loudness)) / seconds),
        "voiced_run": float(np.log(np.mean(voiced_runs))) if voiced_runs else 0.0,
        "pause_share": sum(pauses) / max(1, len(inner)),
        "pause_rate": len(pauses) / FORMAT.seconds(max(1, len(inner))),
        "pause_length": FORMAT.seconds(int(np.mean(pauses))) if pauses else 0.0,
        "energy_spread": float(heard.std()),
        "energy_range": float(np.percentile(heard, 95) - np.percentile(heard, 5)),
        "energy_speed": float(np.abs(np.diff(heard)).mean()) if len(heard) > 1 else 0.0,
        "voiced_share": float((track > 0)[speech].mean()),
        **_pitch_statistics(track),
    }
    if both.sum() > 20 and np.ptp(track[both]) > 0 and loudness[both].std() > 0:
        found["stress_by_pitch"] = float(np.corrcoef(np.log(track[both]), loudness[both])[0, 1])
    return np.array([found.get(name, 0.0) for name in STYLE_NAMES], dtype=np.float32)


SAME_SPEAKER = 0.38
"""Cosine of the two halves of a clip: 97 % of held-out speakers are above, 95 % of pairs of different ones below."""


class Reference:
    """The timbre encoder with the corpus statistics that style is measured against."""

    def __init__(
        self,
        graph: OnnxGraph,
        aligner: Aligner,
        style_mean: np.ndarray,
        style_spread: np.ndarray,
        rate_weights: np.ndarray,
    ) -> None:
        self._graph, self._aligner = graph, aligner
        self._mean, self._spread, self._rate_weights = style_mean, style_spread, rate_weights

    def timbre(self, mel: np.ndarray) -> np.ndarray:
        """Unit vector (192,) of log mels (T, M)."""
        return self._graph.run(mel=scaled(mel)[None])["timbre"][0]

    def style(self, mel: np.ndarray, track: np.ndarray) -> np.ndarray:
        """Style (16,) of log mels (T, M) and pitch (T,), in standard deviations, at most three either way."""
        style = np.clip((statistics(mel, track) - self._mean) / self._spread, -3.0, 3.0)
        style[RATE] = np.clip(style @ self._rate_weights, -3.0, 3.0)
        return style.astype(np.float32)

    def listen(self, sound: Audio) -> tuple[Profile, Report]:
        """Profile and quality report of a clip. Raises BadAudio where the report refuses it."""
        report = check(sound)
        refusals = [finding.message for finding in report.findings if finding.severity == "refusal"]
        if refusals:
            raise BadAudio(refusals[0])
        clip = canonical(sound)
        mel, track = audio.log_mel(clip.samples), pitch.track(clip)
        if len(mel) < 40:
            raise BadAudio(f"only {clip.seconds:.1f} s of speech in the clip; a voice needs at least {SHORTEST:.0f} s")
        half = len(mel) // 2
        if half >= 120 and self.timbre(mel[:half]) @ self.timbre(mel[half:]) < SAME_SPEAKER:
            text = "the two halves sound like different people: use a clip with one speaker and no music"
            report = Report(
                **{**report.__dict__, "findings": (*report.findings, Finding("several_speakers", "warning", text))}
            )
        sounds = self._aligner.sounds(mel)
        return Profile(self.timbre(mel), self.style(mel, track), middle_pitch(track), sounds), report
