"""What the default voices are made of."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

from resay.aligner import UNCERTAIN
from resay.train.annotations import Profiles
from resay.train.recordings import Clip
from resay.train.release import Speakers


def speakers(clips: list[tuple[str, str, float]]) -> Speakers:
    """Of clips, each by a speaker in a language at a pitch; style and timbre follow from the number of the clip."""
    random = np.random.default_rng(0)
    rows = [
        Clip(str(at), "synthetic", language, name, "m", "", 0, 0, "") for at, (name, language, _) in enumerate(clips)
    ]
    recordings = SimpleNamespace(clips=rows, mel=lambda _: np.full((9, 80), -4.0, np.float32))
    heard = SimpleNamespace(of=lambda _: np.full(9, UNCERTAIN, np.uint8))
    pitch = np.array([hertz for _, _, hertz in clips], np.float32)
    profiles = Profiles(random.random((len(clips), 192)), random.random((len(clips), 16)), pitch)
    return Speakers(recordings, profiles, heard)


def test_a_voice_has_the_delivery_of_its_own_language() -> None:
    """A man whose Mandarin was delivered by a woman, as was one of his English clips, stays a man."""
    clips = [
        ("leo", "en", 110.0),
        ("leo", "zh", 240.0),
        ("leo", "en", 120.0),
        ("leo", "en", 230.0),
        ("ada", "en", 200.0),
    ]
    made = speakers(clips)
    profile = made.profile("leo", "en")
    assert profile.pitch == 120.0
    np.testing.assert_allclose(profile.style, made.profiles.style[[0, 2, 3]].mean(axis=0), rtol=1e-5)
    timbre = made.profiles.timbre[[0, 2, 3]].mean(axis=0)
    np.testing.assert_allclose(profile.timbre, timbre / np.linalg.norm(timbre), rtol=1e-5)


def test_a_speaker_without_clips_in_the_language_is_named() -> None:
    made = speakers([("leo", "en", 110.0)])
    with pytest.raises(ValueError, match="leo zh"):
        made.profile("leo", "zh")
    with pytest.raises(ValueError, match="bo"):
        made.profile("bo")
