"""Other bodies and paces: what moves, and what stays. Needs no torch."""

from __future__ import annotations

import numpy as np
import pytest

from resay.audio import FORMAT, log_mel
from resay.train import perturbation


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    """Log mels of a sine."""
    at = np.arange(int(seconds * FORMAT.sample_rate)) / FORMAT.sample_rate
    return log_mel(np.sin(2 * np.pi * hertz * at).astype(np.float32))


@pytest.mark.parametrize("hertz", [400.0, 1500.0, 4000.0])
@pytest.mark.parametrize("factor", [0.88, 1.12])
def test_every_frequency_is_multiplied(hertz: float, factor: float) -> None:
    moved = perturbation.formants_moved(tone(hertz), factor)[5:-5].mean(axis=0)
    meant = tone(hertz * factor)[5:-5].mean(axis=0)
    assert abs(int(moved.argmax()) - int(meant.argmax())) <= 1


def test_a_body_like_the_speakers_own_changes_nothing() -> None:
    mel = np.random.default_rng(0).standard_normal((30, FORMAT.mel_bands)).astype(np.float32)
    np.testing.assert_allclose(perturbation.formants_moved(mel, 1.0), mel, atol=1e-5)


def test_labels_keep_to_their_frames_at_another_pace() -> None:
    mel = np.repeat(np.arange(10.0, dtype=np.float32), 8)[:, None] * np.ones((1, FORMAT.mel_bands), np.float32)
    labels = np.repeat(np.arange(10), 8)
    for factor in (0.8, 1.0, 1.3):
        paced, own = perturbation.at_pace(mel, labels, np.full(80, factor))
        assert len(paced) == len(own) == round(80 / factor)
        assert np.abs(paced[:, 0] - own).max() <= 0.5
        counts = np.bincount(own)
        assert len(counts) == 10
        assert np.abs(counts - 8 / factor).max() <= 1.5


def test_a_stretch_in_a_hurry_leaves_the_rest_at_its_pace() -> None:
    mel = np.arange(80.0, dtype=np.float32)[:, None] * np.ones((1, FORMAT.mel_bands), np.float32)
    pace = np.where(np.arange(80) // 20 == 1, 2.0, 1.0)
    paced, own = perturbation.at_pace(mel, np.arange(80), pace)
    assert len(paced) == 70
    assert np.abs(paced[:20, 0] - np.arange(20)).max() < 1.0
    assert np.abs(np.diff(paced[24:28, 0]) - 2.0).max() < 0.1
    assert np.abs(paced[-38:, 0] - np.arange(42, 80)).max() < 1.0
    assert np.abs(own - paced[:, 0]).max() <= 0.5


def test_some_clips_have_a_stretch_in_a_hurry() -> None:
    drawn = [perturbation.paces(200, np.random.default_rng(seed)) for seed in range(200)]
    hurried = [pace for pace in drawn if np.ptp(pace) > 0]
    assert 30 <= len(hurried) <= 90
    assert all(len(np.unique(pace)) == 2 for pace in hurried)
    low, high = min(map(np.min, drawn)), max(map(np.max, drawn))
    assert 0.85 <= low < 0.9
    assert 1.7 < high <= 1.15 * perturbation.HURRY


def test_the_same_generator_gives_the_same_body() -> None:
    mel, labels = tone(700.0), np.zeros(len(tone(700.0)), np.int64)
    one, other = (perturbation.perturbed(mel, labels, np.random.default_rng(seed))[0] for seed in (3, 3))
    np.testing.assert_array_equal(one, other)
    assert len(perturbation.perturbed(mel, labels, np.random.default_rng(4))[0]) != len(one)


@pytest.mark.parametrize("factor", [0.88, 1.0, 1.12])
def test_played_faster_pitch_and_formants_rise_and_nothing_is_lost(factor: float) -> None:
    sped = perturbation.Sped(factor)
    at = np.arange(FORMAT.sample_rate) / FORMAT.sample_rate
    mel = sped.mel(np.sin(2 * np.pi * 600.0 * at).astype(np.float32))
    assert len(mel) == pytest.approx(80 / factor, abs=1)
    assert abs(int(mel[20].argmax()) - int(tone(600.0 * factor)[20].argmax())) <= 1
    durations = np.array([1, 1, 1, 30, 1, 1, 40, 4, 1])
    found = sped.durations(durations, len(mel))
    assert found.sum() == len(mel)
    assert found.min() >= 1
    assert np.abs(np.cumsum(found) - np.cumsum(durations) / factor).max() <= 2
    owner = sped.along(np.repeat(np.arange(9), durations), len(mel))
    assert (np.abs(np.bincount(owner, minlength=9) - found) <= 2).all()


def test_a_clip_that_is_too_short_for_its_phonemes_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer frames"):
        perturbation.Sped(1.1).durations(np.ones(12, np.int64), 11)
    assert perturbation.Sped(1.1).durations(np.ones(12, np.int64), 12).tolist() == [1] * 12
