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
SILENCE = 3.0  # nepers under the speech level (26 dB): quieter frames count as pause
SHORTEST, ADVISED_SHORTEST, ADVISED_LONGEST, LONGEST = 1.0, 3.0, 10.0, 30.0  # seconds


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


@dataclass(frozen=True)
class Finding:
    """One thing about a clip that its owner should know."""

    code: str
    severity: str
    """`warning`, or `refusal` where no voice can be taken from the clip."""
    message: str
    """What it does to the voice, and what to do about it."""


@dataclass(frozen=True)
class Report:
    """The measured quality of a clip."""

    seconds: float
    speech_seconds: float
    sample_rate: int
    level_db: float
    noise_floor_db: float
    """Of the quietest tenth of the frames, relative to full scale."""
    clipped: float
    """Share of samples at full scale."""
    bandwidth_hz: float
    pitch_hz: float
    findings: tuple[Finding, ...]

    @property
    def accepted(self) -> bool:
        return all(finding.severity != "refusal" for finding in self.findings)


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


def middle_pitch(track: np.ndarray) -> float:
    """Median of the voiced frames in Hz, the networks' centre where nothing is voiced."""
    voiced = track[track > 0]
    return float(np.exp(np.median(np.log(voiced)))) if len(voiced) else pitch.PITCH_CENTRE


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of True as (first, past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


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
    smooth = np.convolve(loudness, np.hanning(11) / np.hanning(11).sum(), mode="same")
    rising = np.diff(smooth) > 0
    peaks = rising[:-1] & ~rising[1:] & (smooth[1:-1] > -1.5)
    span = np.flatnonzero(speech)
    inner = ~speech[span[0] : span[-1] + 1]
    pauses = [end - first for first, end in _runs(inner) if end - first >= 12]  # 150 ms: longer than a stop's closure
    voiced_runs = [end - first for first, end in _runs(track > 0)]
    seconds = max(0.1, FORMAT.seconds(int(speech.sum())))
    heard = loudness[speech]
    both = speech & (track > 0)
    found = {
        "syllable_rate": float(peaks.sum() / seconds),
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


def _bandwidth(sound: Audio) -> float:
    """Highest frequency within 50 dB of the strongest, by the mean power spectrum, Hz."""
    size = 2048
    count = len(sound.samples) // size
    if count == 0:
        return sound.sample_rate / 2
    windows = sound.samples[: count * size].reshape(count, size) * audio.hann(size)
    power = (np.abs(np.fft.rfft(windows, axis=1)) ** 2).mean(axis=0)
    within = np.flatnonzero(power > power.max() * 1e-5)
    return float(within[-1] * sound.sample_rate / size) if len(within) else 0.0


def check(sound: Audio) -> Report:
    """Measure a clip and say what would spoil a voice taken from it. Raises nothing: refusals are findings."""
    peak = float(np.abs(sound.samples).max(initial=0.0))
    mel = audio.log_mel(sound.resampled(FORMAT.sample_rate).samples)
    findings: list[Finding] = []
    if sound.seconds < SHORTEST or len(mel) == 0 or peak < 1e-3:
        short = sound.seconds < SHORTEST
        message = (
            f"the clip is {sound.seconds:.1f} s long; a voice needs at least {SHORTEST:.0f} s, better 3 to 10 s"
            if short
            else "the clip is silent; check the microphone and record again"
        )
        findings.append(Finding("too_short" if short else "silent", "refusal", message))
        return Report(sound.seconds, 0.0, sound.sample_rate, -100.0, -100.0, 0.0, 0.0, 0.0, tuple(findings))
    track = pitch.track(sound.resampled(FORMAT.sample_rate))
    loudness = audio.energy(mel)
    level = audio.speech_level(mel)
    speech_seconds = FORMAT.seconds(int((loudness > level - SILENCE).sum()))
    floor = float(np.percentile(loudness, 5))
    # A steady tone or noise has voiced or loud frames, but no syllables: its loudness hardly moves.
    voiced = float((track > 0).mean())
    clipped = float((np.abs(sound.samples) >= 0.999 * max(peak, 0.98)).mean())
    report = Report(
        seconds=round(sound.seconds, 3),
        speech_seconds=round(speech_seconds, 3),
        sample_rate=sound.sample_rate,
        level_db=round(_decibel(level), 1),
        noise_floor_db=round(_decibel(floor), 1),
        clipped=round(clipped, 5),
        bandwidth_hz=round(_bandwidth(sound)),
        pitch_hz=round(middle_pitch(track), 1),
        findings=(),
    )
    findings += _findings(report, voiced, float(loudness.std()))
    return Report(**{**report.__dict__, "findings": tuple(findings)})


def _decibel(level: float) -> float:
    # A full-scale sine has a mean mel magnitude near e^0.5 in this front end.
    return 20 / np.log(10) * (level - 0.5)


def _findings(report: Report, voiced: float, movement: float) -> list[Finding]:
    found = []
    if voiced < 0.08 or movement < 0.25:
        found.append(Finding("no_speech", "refusal", "no speech found in the clip; record somebody speaking"))
    if report.seconds < ADVISED_SHORTEST:
        text = f"only {report.seconds:.1f} s: the voice will be less like its speaker; 3 to 10 s are advised"
        found.append(Finding("short", "warning", text))
    if report.seconds > ADVISED_LONGEST:
        text = f"{report.seconds:.0f} s is more than is needed; the first {LONGEST:.0f} s are used"
        found.append(Finding("long", "warning", text))
    if report.clipped > 0.001:
        text = f"{report.clipped:.1%} of the samples are clipped: the voice will sound harsh; record at a lower level"
        found.append(Finding("clipped", "warning", text))
    distance = report.level_db - report.noise_floor_db
    if distance < 18:
        text = f"noise only {distance:.0f} dB under the voice: it will colour the voice; record in a quieter place"
        found.append(Finding("noisy", "warning", text))
    if report.level_db < -50:
        text = f"very quiet ({report.level_db:.0f} dB): noise comes up with the voice; go nearer to the microphone"
        found.append(Finding("quiet", "warning", text))
    if report.bandwidth_hz < 5_000:
        text = f"nothing above {report.bandwidth_hz / 1000:.1f} kHz, as on a telephone: the voice will sound dull"
        found.append(Finding("narrow_band", "warning", text))
    return found


SAME_SPEAKER = 0.38
"""Cosine of the two halves of a clip: 97 % of held-out speakers are above, 95 % of pairs of different ones below."""


class Reference:
    """The timbre encoder with the corpus statistics that style is measured against."""

    def __init__(self, graph: OnnxGraph, aligner: Aligner, style_mean: np.ndarray, style_spread: np.ndarray) -> None:
        self._graph, self._aligner = graph, aligner
        self._mean, self._spread = style_mean, style_spread

    def timbre(self, mel: np.ndarray) -> np.ndarray:
        """Unit vector (192,) of log mels (T, M)."""
        return self._graph.run(mel=scaled(mel)[None])["timbre"][0]

    def style(self, mel: np.ndarray, track: np.ndarray) -> np.ndarray:
        """Style (16,) of log mels (T, M) and pitch (T,), in standard deviations, at most three either way."""
        return np.clip((statistics(mel, track) - self._mean) / self._spread, -3.0, 3.0).astype(np.float32)

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
