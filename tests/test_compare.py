"""Comparing: differences come in the units in which they are heard, and criteria fail where they should."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from resay import compare
from resay.audio import FORMAT, Audio


@pytest.fixture
def sound(buzz) -> Audio:
    return buzz(2.0)


def test_equal_sounds_do_not_differ(sound):
    found = compare.compare(sound, Audio(sound.samples.copy()))
    assert found.overlap == 1.0
    assert (found.pitch_hz, found.pause_ms, found.key_frame_ms, found.log_mel_db) == (0, 0, 0, 0)
    assert found.reproduces


def test_last_bits_are_within_the_criteria(sound):
    noise = np.random.default_rng(0).standard_normal(len(sound.samples)).astype(np.float32)
    found = compare.compare(sound, Audio(sound.samples + 1e-5 * noise))
    assert 0.99 < found.overlap < 1.0
    assert found.reproduces


def test_delay_is_seen_in_key_frames(sound):
    late = Audio(np.concatenate([np.zeros(240, np.float32), sound.samples]))
    found = compare.compare(sound, late)
    assert found.key_frames_ms[0] == pytest.approx(10.0, abs=1.0)
    assert found.length_ms == pytest.approx(10.0)
    assert not found.criteria["key_frames"]


def test_higher_voice_is_told_in_hertz():
    at = np.arange(FORMAT.sample_rate) / FORMAT.sample_rate

    def voice(hertz):
        tone = sum(np.sin(2 * np.pi * hertz * harmonic * at) / harmonic for harmonic in range(1, 15))
        return Audio((0.1 * tone).astype(np.float32))

    found = compare.compare(voice(140), voice(150))
    assert found.pitch_hz == pytest.approx(10.0, abs=1.5)
    assert found.final_pitch_hz == pytest.approx(10.0, abs=1.5)
    assert not found.criteria["prosody"]


def test_longer_pause_is_told_in_milliseconds(buzz):
    half, silence = buzz(0.5).samples, np.zeros(FORMAT.sample_rate, np.float32)
    first = Audio(np.concatenate([half, silence[:4800], half]))
    second = Audio(np.concatenate([half, silence[:9600], half]))
    found = compare.compare(first, second)
    assert found.pause_ms == pytest.approx(200.0, abs=5.0)
    assert not found.criteria["prosody"]


def test_quieter_sound_is_told_in_decibels(sound):
    found = compare.compare(sound, Audio(sound.samples * 0.5))
    assert found.level_db == pytest.approx(-6.02, abs=0.01)
    assert found.overlap == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("samples", [0, 1, 10, 300, 2400])
def test_very_short_and_silent_sounds_are_compared(samples, sound):
    silent = Audio(np.zeros(samples, np.float32))
    assert compare.compare(silent, silent).overlap == 1.0
    compare.compare(silent, sound)
    compare.compare(sound, silent)


def test_rates_may_differ(sound):
    assert compare.compare(sound, sound.resampled(32_000)).overlap > 0.95


def test_picture_is_a_whole_svg_with_both_names(sound):
    picture = compare.picture(("a<b.wav", sound), ("c&d.wav", sound))
    root = ElementTree.fromstring(picture)
    assert root.tag.endswith("svg")
    labels = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a<b.wav", "c&d.wav"} <= set(labels)
    assert "href" not in picture
    compare.picture(("silent", Audio(np.zeros(0, np.float32))), ("sound", sound))
