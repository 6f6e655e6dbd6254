"""What happens to mels between the acoustic model and the vocoder."""

from __future__ import annotations

import numpy as np

from resay import audio, postfilter


def speech(seed: int = 0, frames: int = 200) -> np.ndarray:
    """Log mels with formants that move, pauses, and a floor."""
    random = np.random.Generator(np.random.Philox(seed))
    bands = np.arange(audio.FORMAT.mel_bands)
    formants = 20.0 + 8.0 * np.sin(np.arange(frames) / 15)[:, None] + np.array([0.0, 25.0])
    peaks = np.exp(-(((bands[None, None] - formants[..., None]) / 4.0) ** 2)).sum(axis=1)
    mel = -5.0 + 4.0 * peaks + 0.1 * random.standard_normal((frames, len(bands)))
    mel[80:110] = -9.0
    return mel.astype(np.float32)


def test_formants_stand_out_more_and_stay_where_they_are() -> None:
    mel = speech()
    clear = postfilter.clarified(mel)
    sounding = [*range(80), *range(110, 200)]
    assert clear.dtype == mel.dtype
    assert clear.shape == mel.shape
    assert (clear[sounding].std(axis=1) > 1.02 * mel[sounding].std(axis=1)).all()
    assert (np.abs(clear.argmax(axis=1) - mel.argmax(axis=1))[sounding] <= 2).mean() > 0.9


def test_the_floor_is_lowered_and_speech_keeps_its_level() -> None:
    mel = speech()
    clear = postfilter.clarified(mel)
    assert clear[85:105].mean() < mel[85:105].mean() - 0.5
    assert abs(audio.speech_level(clear) - audio.speech_level(mel)) < 0.3


def test_an_even_sound_at_the_speech_level_is_left_alone() -> None:
    mel = np.full((40, audio.FORMAT.mel_bands), -4.0, np.float32)
    np.testing.assert_allclose(postfilter.clarified(mel), mel, atol=1e-6)


def test_speech_may_come_in_parts() -> None:
    mel = speech()
    parts = [postfilter.clarified(mel[:90]), postfilter.clarified(mel[90:])]
    np.testing.assert_array_equal(np.concatenate(parts), postfilter.clarified(mel))
