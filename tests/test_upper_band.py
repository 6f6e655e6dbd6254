"""What lies above 12 kHz at 32 kHz: as loud as the network says, and nothing below."""

from __future__ import annotations

import numpy as np
import pytest

from resay import audio, upper_band
from resay.audio import Audio
from resay.synthesis import SHIPPED, Engine, Request
from resay.upper_band import BANDS, FADES, HIGHEST, LOWEST, WIDE, UpperBand
from resay.voices import VoiceLibrary

FRAMES = 120


class Says:
    """A graph that says the same levels in every frame, or those of a row for each."""

    def __init__(self, levels: np.ndarray) -> None:
        self.levels = levels

    def run(self, features: np.ndarray) -> dict[str, np.ndarray]:
        shape = (1, features.shape[1], BANDS)
        return {"levels": np.broadcast_to(self.levels, shape).astype(np.float32)}


def made(levels: np.ndarray) -> np.ndarray:
    band = UpperBand(Says(levels))
    noise = np.random.default_rng(0).standard_normal(band.noise_shape(FRAMES)).astype(np.float32)
    return band.samples(np.full((FRAMES, 80), -4.0, np.float32), np.zeros(FRAMES, np.float32), noise)


def power(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.fft.rfftfreq(len(samples), 1 / WIDE.sample_rate), np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2


def test_a_tone_is_heard_in_its_own_band() -> None:
    width = (HIGHEST - LOWEST) / BANDS
    time = np.arange(FRAMES * WIDE.hop) / WIDE.sample_rate
    tone = 0.1 * np.sin(2 * np.pi * (LOWEST + 2.5 * width) * time)
    found = upper_band.levels(tone)
    assert found.shape == (FRAMES, BANDS)
    assert (found.argmax(axis=1) == 2).all()
    # The energy of a windowed sine, spread over the bins of the band.
    peak = 0.05 * np.sqrt(np.square(audio.hann(WIDE.window)).sum() * WIDE.window / (width / 20))
    assert np.median(found[:, 2]) == pytest.approx(np.log(peak), abs=0.05)
    assert np.median(found[:, 6]) < np.median(found[:, 2]) - 5


def test_noise_is_as_loud_as_it_shall_be_in_every_band_and_silent_below() -> None:
    wanted = np.linspace(0.5, -2.0, BANDS)
    samples = made(wanted)
    assert samples.shape == (FRAMES * WIDE.hop,)
    np.testing.assert_allclose(upper_band.levels(samples)[4:-4].mean(axis=0), wanted, atol=0.2)
    hertz, found = power(samples)
    assert found[hertz < FADES[0] - 100].sum() < 1e-4 * found.sum()


def test_noise_follows_the_frames() -> None:
    loud = np.where(np.arange(FRAMES) < FRAMES // 2, 0.0, -6.0)[:, None]
    found = upper_band.levels(made(loud)).mean(axis=1)
    assert found[10:50].mean() - found[70:110].mean() == pytest.approx(6.0, abs=0.3)


def test_parts_of_any_length_are_added_to_the_same_whole() -> None:
    random = np.random.default_rng(1)
    sound, above = (0.1 * random.standard_normal(4000).astype(np.float32) for _ in range(2))
    whole = Audio.join(upper_band.added(iter([Audio(sound, 32_000)]), above))
    parts = [Audio(part, 32_000) for part in np.split(sound, [1, 700, 701, 3999])]
    np.testing.assert_array_equal(Audio.join(upper_band.added(iter(parts), above)).samples, whole.samples)
    np.testing.assert_array_equal(whole.samples, np.clip(sound + above, -1, 1))
    longer = Audio.join(upper_band.added(iter(parts), above[:3000])).samples  # nothing more to add
    np.testing.assert_array_equal(longer[3000:], sound[3000:])


def test_speech_has_breath_above_12_khz_and_is_the_same_below() -> None:
    engine, voice = Engine(SHIPPED, threads=1), VoiceLibrary().get("ada")
    text = "She sells six sea shells. And a moon."
    usual, wide = (engine.say(Request(text, sample_rate=rate), voice) for rate in (24_000, 32_000))
    assert (wide.audio.sample_rate, 3 * len(wide.audio.samples)) == (32_000, 4 * len(usual.audio.samples))
    hertz, found = power(wide.audio.samples)
    low = np.fft.rfftfreq(len(usual.audio.samples), 1 / 24_000)
    low_found = np.abs(np.fft.rfft(usual.audio.samples.astype(np.float64))) ** 2
    assert found[hertz < 11_000].sum() == pytest.approx((4 / 3) ** 2 * low_found[low < 11_000].sum(), rel=1e-3)
    # No hole where the resampled sound ends and the noise begins.
    steps = np.array([found[(hertz >= at) & (hertz < at + 200)].mean() for at in range(10_600, 12_800, 200)])
    assert steps.min() > 0.3 * np.median(steps)
    assert 1e-6 < found[hertz > 12_100].sum() / found.sum() < 0.05
    # Fricatives are where the breath is.
    levels = upper_band.levels(wide.audio.samples).mean(axis=1)
    piece, first, heard = wide.pieces[0], 0, {"S": [], "IY1": [], "IH1": [], "EH1": []}
    for phoneme, frames in zip(piece.sentence.phonemes, piece.plan.durations, strict=True):
        heard.setdefault(phoneme, []).append(levels[first : first + frames].mean())
        first += frames
    vowels = [level for name in ("IY1", "IH1", "EH1") for level in heard[name]]
    assert np.mean(heard["S"]) > np.mean(vowels) + 1.0
    parts = [part for piece in engine.stream(Request(text, sample_rate=32_000), voice) for part in piece.parts()]
    assert len(parts) > 2
    np.testing.assert_array_equal(Audio.join(parts).samples, wide.audio.samples)
    other = engine.say(Request(text, sample_rate=32_000, seed=1), voice).audio
    assert other.digest() != wide.audio.digest()
