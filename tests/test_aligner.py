"""Alignment search against a search that tries every path."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from resay import aligner
from resay.aligner import CLASS_OF, CLASSES, SILENCE, UNCERTAIN, monotonic_search
from resay.text import phonemes


def every_path(score: np.ndarray) -> np.ndarray:
    """Best durations (P,) of a score (P, T), by trying all of them."""
    phonemes, frames = score.shape
    best, found = -np.inf, None
    for cuts in combinations(range(1, frames), phonemes - 1):
        bounds = np.array([0, *cuts, frames])
        total = sum(score[p, bounds[p] : bounds[p + 1]].sum() for p in range(phonemes))
        if total > best:
            best, found = total, np.diff(bounds)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(30))
def test_finds_the_best_path(seed: int) -> None:
    random = np.random.default_rng(seed)
    phonemes, frames = int(random.integers(1, 6)), int(random.integers(6, 12))
    score = random.standard_normal((phonemes, frames)).astype(np.float32)
    found = monotonic_search(score[None], np.array([phonemes]), np.array([frames]))
    np.testing.assert_array_equal(found[0], every_path(score))


def test_a_batch_is_as_each_alone() -> None:
    random = np.random.default_rng(7)
    counts, lengths = np.array([3, 5, 1, 4]), np.array([9, 12, 7, 4])
    score = random.standard_normal((4, 5, 12)).astype(np.float32)
    together = monotonic_search(score, counts, lengths)
    for row in range(4):
        alone = monotonic_search(
            score[row : row + 1, : counts[row], : lengths[row]], counts[row : row + 1], lengths[row : row + 1]
        )
        np.testing.assert_array_equal(together[row, : counts[row]], alone[0])
        assert together[row].sum() == lengths[row]
        assert (together[row, : counts[row]] >= 1).all()
        assert (together[row, counts[row] :] == 0).all()


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer frames"):
        monotonic_search(np.zeros((1, 3, 2), np.float32), np.array([3]), np.array([2]))


def test_pauses_are_silence_and_tones_do_not_count() -> None:
    classes = {symbol: CLASS_OF[phonemes.INDEX[symbol]] for symbol in phonemes.SYMBOLS}
    assert {classes[symbol] for symbol in ("^", "$", "_", ",", ".")} == {SILENCE}
    assert classes["a1"] == classes["a4"] != classes["o1"]
    assert classes["AA0"] == classes["AA1"] != classes["a1"]
    assert set(classes.values()) == set(range(CLASSES))


def test_mean_sounds_are_of_the_frames_where_a_class_is_heard() -> None:
    random = np.random.default_rng(0)
    mel = random.standard_normal((40, 80)).astype(np.float32)
    posteriors = np.full((40, CLASSES), np.log(0.001), np.float32)
    posteriors[:10, 3] = posteriors[10:30, SILENCE] = np.log(0.9)
    classes = aligner.heard(posteriors, 0.8)
    assert classes.tolist() == [3] * 10 + [SILENCE] * 20 + [UNCERTAIN] * 10
    sounds = aligner.mean_sounds(mel, classes)
    assert sounds.shape == aligner.SOUNDS
    np.testing.assert_allclose(sounds[3, :-1], mel[:10].mean(axis=0), atol=1e-3)
    assert sounds[3, -1] == 10
    assert sounds[SILENCE, -1] == 20
    assert not np.delete(sounds, [SILENCE, 3], axis=0).any()
