"""What can be measured of a recording's quality without knowing its words: levels, silence, clipping, band, rate.

Letters in shapes: S samples, T mel frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import audio, pitch
from .audio import FORMAT, Audio

SILENCE = 3.0  # nepers under the speech level (26 dB): quieter frames count as pause
SHORTEST, ADVISED_SHORTEST, ADVISED_LONGEST, LONGEST = 1.0, 3.0, 10.0, 30.0  # seconds
LONGEST_SILENCE = 1.5
"""Seconds at the head, at the tail or between words: about one is asked for, more is no speech."""
QUIETEST_LEVEL = -38.0
"""dB below full scale, root mean square of the speech: 98 of 100 held-in clips of home microphones are louder."""
NARROWEST, WIDE_ENOUGH = 4_700.0, 9_000.0  # Hz
SMALLEST_DISTANCE = 15.0
"""dB from the noise up to the voice."""
MOST_CLIPPED = 3e-4
"""Share of samples that lie in the highest 3 % of the amplitudes: of clean speech a tenth of it."""
UNEVEN = 0.55
"""Spread of the rate of speech over its mean, in stretches of a second and a half."""


@dataclass(frozen=True)
class Finding:
    """One thing about a clip that its owner should know."""

    code: str
    severity: str
    """`advice`, `warning`, or `refusal` where no voice can be taken from the clip."""
    message: str
    """What it is, what it does to the voice, and what to do about it."""
    start: float | None = None
    """Seconds from the clip's start; None where it is about the whole clip."""
    end: float | None = None
    effect: str = ""
    """What it does to the voice, in plain words."""
    advice: str = ""
    """What to do about it."""
    clip: str = ""
    """Name of the file, where several were checked."""


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
    """Share of samples at the clip's own limit, where that is a limit."""
    bandwidth_hz: float
    pitch_hz: float
    findings: tuple[Finding, ...]
    head_silence: float = 0.0
    """Seconds before the first word."""
    tail_silence: float = 0.0
    longest_pause: float = 0.0
    """Seconds between words."""
    rate: float = 0.0
    """Syllables a second of speech, by the peaks of loudness."""
    rate_spread: float = 0.0
    """How much the rate changes from stretch to stretch, as a share of it."""

    @property
    def accepted(self) -> bool:
        return all(finding.severity != "refusal" for finding in self.findings)


def finding(
    code: str,
    severity: str,
    what: str,
    effect: str,
    advice: str,
    where: tuple[float, float] | None = None,
) -> Finding:
    """A finding whose message says all three: what, to what effect, and what to do."""
    start, end = (round(time, 2) for time in where) if where else (None, None)
    return Finding(code, severity, f"{what}: {effect}; {advice}", start, end, effect, advice)


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of True as (first, past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def decibel(level: float) -> float:
    """A mel level as decibels below full scale: a full-scale sine has a mean mel magnitude near e^0.5 here."""
    return 20 / np.log(10) * (level - 0.5)


def syllable_peaks(loudness: np.ndarray) -> np.ndarray:
    """Frames where loudness (T,), in nepers around the speech level, has a peak of a syllable, int (N,)."""
    smooth = np.convolve(loudness, np.hanning(11) / np.hanning(11).sum(), mode="same")
    rising = np.diff(smooth) > 0
    return np.flatnonzero(rising[:-1] & ~rising[1:] & (smooth[1:-1] > -1.5)) + 1


def speech_frames(loudness: np.ndarray, level: float) -> np.ndarray:
    """Which frames hold speech, bool (T,): louder than silence and than the clip's own noise, 60 ms at least."""
    floor = float(np.percentile(loudness, 5))
    # In noise, pauses are not 26 dB down: the line then lies a third of the way from noise to speech.
    line = max(level - SILENCE, floor + (level - floor) / 3)
    loud = np.zeros(len(loudness), bool)
    for first, end in runs(loudness > line):
        if end - first >= 5:
            loud[first:end] = True
    return loud


def bandwidth(sound: Audio) -> float:
    """Highest frequency within 50 dB of the strongest, by the mean power spectrum, Hz."""
    size = 2048
    count = len(sound.samples) // size
    if count == 0:
        return sound.sample_rate / 2
    windows = sound.samples[: count * size].reshape(count, size) * audio.hann(size)
    power = (np.abs(np.fft.rfft(windows, axis=1)) ** 2).mean(axis=0)
    within = np.flatnonzero(power > power.max() * 1e-5)
    return float(within[-1] * sound.sample_rate / size) if len(within) else 0.0


def clipping(sound: Audio) -> tuple[float, tuple[float, float] | None]:
    """Share of samples cut off at a limit, and from when to when.

    The limit is the clip's own: what was clipped and made quieter afterwards is still clipped. Speech thins out towards
    its highest amplitudes; where instead they pile up just under the highest, something cut them off.
    """
    worst, places = 0.0, np.zeros(0, np.int64)
    for side in (sound.samples, -sound.samples):
        top = float(side.max(initial=0.0))
        if top < 1e-3:
            continue
        near = side >= 0.97 * top
        below = int(((side >= 0.85 * top) & ~near).sum())
        share = float(near.mean())
        if near.sum() >= 10 and near.sum() > 0.7 * below and share > worst:
            worst, places = share, np.flatnonzero(near)
    if not len(places):
        return 0.0, None
    return worst, (float(places[0] / sound.sample_rate), float((places[-1] + 1) / sound.sample_rate))


def evenness(loudness: np.ndarray, speech: np.ndarray) -> tuple[float, float]:
    """Syllables a second of speech, and the spread of that over stretches of a second and a half as a share of it."""
    peaks = np.zeros(len(loudness), bool)
    peaks[syllable_peaks(loudness)] = True
    size = int(1.5 * FORMAT.frame_rate)
    spoken = peaks[speech]
    rate = float(spoken.mean() * FORMAT.frame_rate) if len(spoken) else 0.0
    stretches = [spoken[at : at + size].mean() for at in range(0, len(spoken) - size + 1, size // 2)]
    if len(stretches) < 3 or not rate:
        return rate, 0.0
    return rate, float(np.std(stretches) * FORMAT.frame_rate / rate)


def _silences(speech: np.ndarray) -> tuple[float, float, tuple[float, float]]:
    """Seconds before the first and after the last word, and the longest pause between words as (start, end)."""
    there = np.flatnonzero(speech)
    if not len(there):
        return 0.0, 0.0, (0.0, 0.0)
    inner = runs(~speech[there[0] : there[-1] + 1])
    first, end = max(inner, key=lambda run: run[1] - run[0], default=(0, 0))
    pause = (FORMAT.seconds(int(there[0] + first)), FORMAT.seconds(int(there[0] + end)))
    return FORMAT.seconds(int(there[0])), FORMAT.seconds(int(len(speech) - 1 - there[-1])), pause


def _unusable(sound: Audio, short: bool) -> Report:
    if short:
        what = f"the clip is {sound.seconds:.1f} s long; a voice needs at least {SHORTEST:.0f} s, better 3 to 10 s"
        found = Finding("too_short", "refusal", what, advice="record 3 to 10 s")
    else:
        what = "the clip is silent; check the microphone and record again"
        found = Finding("silent", "refusal", what, advice="check the microphone and record again")
    return Report(sound.seconds, 0.0, sound.sample_rate, -100.0, -100.0, 0.0, 0.0, 0.0, (found,))


def check(sound: Audio) -> Report:
    """Measure a clip and say what would spoil a voice taken from it. Raises nothing: refusals are findings."""
    peak = float(np.abs(sound.samples).max(initial=0.0))
    shared = sound.resampled(FORMAT.sample_rate)
    mel = audio.log_mel(shared.samples)
    if sound.seconds < SHORTEST or len(mel) == 0 or peak < 1e-3:
        return _unusable(sound, short=sound.seconds < SHORTEST)
    track = pitch.track(shared)
    loudness, level = audio.energy(mel), audio.speech_level(mel)
    speech = speech_frames(loudness, level)
    clipped, where_clipped = clipping(sound)
    head, tail, pause = _silences(speech)
    rate, spread = evenness(loudness - level, speech)
    report = Report(
        seconds=round(sound.seconds, 3),
        speech_seconds=round(FORMAT.seconds(int((loudness > level - SILENCE).sum())), 3),
        sample_rate=sound.sample_rate,
        level_db=round(decibel(level), 1),
        noise_floor_db=round(decibel(float(np.percentile(loudness, 5))), 1),
        clipped=round(clipped, 5),
        bandwidth_hz=round(bandwidth(sound)),
        pitch_hz=round(pitch.middle_pitch(track), 1),
        findings=(),
        head_silence=round(head, 3),
        tail_silence=round(tail, 3),
        longest_pause=round(pause[1] - pause[0], 3),
        rate=round(rate, 2),
        rate_spread=round(spread, 3),
    )
    found = []
    # A steady tone or noise has voiced or loud frames, but no syllables: its loudness hardly moves.
    if float((track > 0).mean()) < 0.08 or float(loudness.std()) < 0.25:
        found.append(Finding("no_speech", "refusal", "no speech found in the clip; record somebody speaking"))
    found += [*_timing(report, pause), *_levels(report, _root_mean_square(shared, speech), where_clipped)]
    return replace(report, findings=tuple(found))


def _root_mean_square(sound: Audio, speech: np.ndarray) -> float:
    """Of the frames that hold speech, dB below full scale."""
    spoken = sound.samples[: len(speech) * FORMAT.hop].reshape(-1, FORMAT.hop)[speech]
    return float(10 * np.log10((spoken.astype(np.float64) ** 2).mean() + 1e-12)) if len(spoken) else -100.0


def _timing(report: Report, pause: tuple[float, float]) -> list[Finding]:
    found = []
    if report.seconds < ADVISED_SHORTEST:
        text = f"only {report.seconds:.1f} s: the voice will be less like its speaker; 3 to 10 s are advised"
        found.append(Finding("short", "warning", text, advice="record 3 to 10 s"))
    if report.seconds > ADVISED_LONGEST:
        text = f"{report.seconds:.0f} s is more than is needed; the first {LONGEST:.0f} s are used"
        found.append(Finding("long", "warning", text, advice="keep the best 10 s"))
    end = report.seconds - report.tail_silence
    outer = (
        ("silence_head", "before the first word", report.head_silence, (0.0, report.head_silence)),
        ("silence_tail", "after the last word", report.tail_silence, (end, report.seconds)),
    )
    for code, place, seconds, where in outer:
        if seconds > LONGEST_SILENCE:
            what, effect = f"{seconds:.1f} s of silence {place}", "training would learn pauses for words"
            found.append(finding(code, "warning", what, effect, "cut it to about one second", where))
    if report.longest_pause > LONGEST_SILENCE:
        what, effect = f"a pause of {report.longest_pause:.1f} s", "the voice would take its pauses as long"
        found.append(finding("long_pause", "warning", what, effect, "cut the clip there or shorten the pause", pause))
    if report.rate_spread > UNEVEN:
        what, effect = "the rate of speech changes a lot", "the rhythm of the voice becomes restless"
        found.append(finding("uneven_rate", "advice", what, effect, "read the text again at one steady rate"))
    return found


def _levels(report: Report, level: float, where_clipped: tuple[float, float] | None) -> list[Finding]:
    found = []
    if report.clipped > MOST_CLIPPED:
        what, advice = f"{report.clipped:.2%} of the samples are clipped", "record at a lower level"
        found.append(finding("clipped", "warning", what, "the voice will sound harsh", advice, where_clipped))
    distance = report.level_db - report.noise_floor_db
    if distance < SMALLEST_DISTANCE:
        what, advice = f"noise only {distance:.0f} dB under the voice", "record in a quieter place"
        found.append(finding("noisy", "warning", what, "it will colour the voice", advice))
    if level < QUIETEST_LEVEL:
        what, advice = f"very quiet ({level:.0f} dB)", "go nearer to the microphone"
        found.append(finding("quiet", "warning", what, "noise comes up with the voice", advice))
    if report.bandwidth_hz < NARROWEST:
        what = f"nothing above {report.bandwidth_hz / 1000:.1f} kHz, as on a telephone"
        advice = "record at 24 kHz or more, not over the telephone"
        found.append(finding("narrow_band", "warning", what, "the voice will sound dull", advice))
    elif report.bandwidth_hz < WIDE_ENOUGH:
        what = f"nothing above {report.bandwidth_hz / 1000:.1f} kHz"
        advice = "record at 24 kHz or more where you can"
        found.append(finding("narrow_band", "advice", what, "s and f will be a little dull", advice))
    return found
