"""Quality checks and style statistics, on sounds that the tests make."""

from __future__ import annotations

import numpy as np
import pytest

from resay import audio, pitch, reference
from resay.audio import Audio


def babble(seconds: float = 5.0, hertz: float = 140.0, noise: float = 0.0005, rate: float = 3.0) -> Audio:
    """Harmonics with a moving pitch and syllable-like loudness."""
    random = np.random.default_rng(0)
    time = np.arange(int(seconds * 24_000)) / 24_000
    glide = hertz * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * time))
    phase = 2 * np.pi * np.cumsum(glide) / 24_000
    tone = sum(np.sin(k * phase) / k for k in range(1, 60))
    loud = np.clip(np.sin(2 * np.pi * rate * time) + 0.5, 0.0, 1.0)
    return Audio((0.12 * tone * loud + noise * random.standard_normal(len(time))).astype(np.float32))


def codes_of(sound: Audio) -> dict[str, str]:
    return {finding.code: finding.severity for finding in reference.check(sound).findings}


def test_a_good_clip_passes() -> None:
    report = reference.check(babble())
    assert report.accepted
    assert abs(report.pitch_hz - 140) < 8
    assert codes_of(babble()) == {}


@pytest.mark.parametrize(
    ("sound", "code", "severity"),
    [
        (babble(0.3), "too_short", "refusal"),
        (Audio(np.zeros(72_000, np.float32)), "silent", "refusal"),
        (Audio(0.1 * np.random.default_rng(0).standard_normal(72_000).astype(np.float32)), "no_speech", "refusal"),
        (babble(2.0), "short", "warning"),
        (babble(14.0), "long", "warning"),
        (babble(noise=0.05), "noisy", "warning"),
        (Audio(np.clip(babble().samples * 12, -1, 1)), "clipped", "warning"),
        (Audio(babble().samples * 0.006), "quiet", "warning"),
        (babble().resampled(8_000), "narrow_band", "warning"),
    ],
)
def test_what_would_spoil_the_voice_is_found(sound: Audio, code: str, severity: str) -> None:
    assert codes_of(sound).get(code) == severity


def test_the_canonical_clip_depends_on_neither_level_nor_outer_silence() -> None:
    plain = reference.canonical(babble())
    padded = Audio(np.concatenate([np.zeros(24_000), babble().samples * 0.3, np.zeros(30_000)]).astype(np.float32))
    other = reference.canonical(padded)
    assert abs(plain.seconds - other.seconds) < 0.3
    for clip in (plain, other):
        assert abs(audio.speech_level(audio.log_mel(clip.samples)) - audio.SPEECH_LEVEL) < 0.1


def style_of(sound: Audio) -> dict[str, float]:
    values = reference.statistics(audio.log_mel(sound.samples), pitch.track(sound))
    return dict(zip(reference.STYLE_NAMES, values.tolist(), strict=True))


def test_style_measures_what_its_names_say() -> None:
    slow, fast = style_of(babble(rate=2.0)), style_of(babble(rate=5.0))
    assert abs(slow["syllable_rate"] * slow["voiced_share"]) < fast["syllable_rate"]
    assert fast["syllable_rate"] > 1.5 * slow["syllable_rate"]
    gap = np.zeros(24_000, np.float32)
    paused = Audio(np.concatenate([babble(2.0).samples, gap, babble(2.0).samples]))
    assert style_of(paused)["pause_length"] > 0.6
    assert style_of(paused)["pause_share"] > style_of(babble(rate=5.0))["pause_share"] + 0.1


def test_style_does_not_hear_who_speaks() -> None:
    low, high = style_of(babble(hertz=110.0)), style_of(babble(hertz=220.0))
    for name in ("pitch_spread", "pitch_range", "syllable_rate"):
        assert abs(low[name] - high[name]) < 0.25 * abs(low[name]) + 0.02
