"""The frame-level view of plans."""

from __future__ import annotations

import numpy as np
import pytest

from resay import acoustic
from resay.planning import Planning
from resay.prosody import Plan
from resay.synthesis import Engine, Request
from resay.text import phonemes
from resay.voices import VoiceLibrary


def plan(durations: list[int], octaves: float = 0.0) -> Plan:
    count = len(durations)
    return Plan(np.array(durations), np.full((count, 3), octaves, np.float32), np.zeros(count, np.float32))


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8, 1.0, 1.3, 2.0, 4.0])
def test_speed_keeps_the_total_and_loses_no_phoneme(speed: float) -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        before = plan(random.integers(1, 30, 40).tolist())
        after = acoustic.with_speed(before, speed)
        assert (after.durations >= 1).all()
        expected = max(40, round(before.durations.sum() / speed))
        assert abs(int(after.durations.sum()) - expected) <= max(1, 0.03 * expected)


def test_a_measured_plan_draws_the_contour_it_was_measured_on() -> None:
    durations = np.array([10, 30, 20, 40])
    time = np.arange(100)
    hertz = 150 * np.exp2(0.3 * np.sin(time / 20))
    loudness = np.repeat([-3.0, 0.5, -1.0, 0.2], durations)
    found = acoustic.measured_plan(hertz, loudness, durations, 150.0)
    np.testing.assert_allclose(found.energy, [-3.0, 0.5, -1.0, 0.2], atol=1e-6)
    drawn = 150 * np.exp2(acoustic.contour(found))
    assert np.abs(np.log2(drawn / hertz))[5:-5].max() < 0.05


def test_columns_say_where_in_the_phoneme_a_frame_is() -> None:
    columns = acoustic.plan_columns(plan([4, 2], octaves=0.5), 300.0)
    assert columns.shape == (6, 85)
    np.testing.assert_allclose(columns[:, 0], 1.5)
    np.testing.assert_allclose(columns[:, 2], [0.125, 0.375, 0.625, 0.875, 0.25, 0.75])
    np.testing.assert_allclose(columns[:, 2] + columns[:, 3], 1.0)
    np.testing.assert_allclose(columns[:, 4] * 3, np.log([4, 4, 4, 4, 2, 2]), rtol=1e-6)


def test_ends_are_short_and_the_inside_is_left_alone() -> None:
    after = acoustic.with_short_ends(plan([40, 5, 60, 6, 70, 20]), 6).durations.tolist()
    assert after == [8, 5, 60, 6, 21, 7]
    assert acoustic.with_short_ends(plan([3, 5, 4, 1]), 4).durations.tolist() == [3, 5, 4, 1]


def test_every_sound_has_time_to_be_heard_and_a_sonorant_after_a_pause_more() -> None:
    symbols = ["^", "l", "ao3", "sh", "i1", "_", "l", "ai2", ",", "N", "OW1", "T", ".", "$"]
    before = plan([8, 1, 14, 1, 1, 1, 1, 9, 1, 2, 7, 1, 5, 2])
    after = acoustic.with_audible_sounds(before, phonemes.ids(symbols))
    assert after.durations.tolist() == [8, 4, 14, 2, 2, 1, 2, 9, 1, 4, 7, 2, 5, 2]
    assert after.pitch is before.pitch
    assert after.energy is before.energy


@pytest.mark.parametrize("name", ["lan", "leo"])
def test_what_is_planned_has_no_sound_that_cannot_be_heard(name: str) -> None:
    engine, voice = Engine(threads=1), VoiceLibrary().get(name)
    text = {"lan": "老师让我们再讲一遍，奶奶来了。", "leo": "Rain fell later, no one knew why."}[name]
    for seed in range(4):
        for piece in engine.stream(Request(text, seed=seed), voice):
            spoken = [not phonemes.is_pause(symbol) for symbol in piece.sentence.phonemes]
            assert piece.plan.durations[spoken].min() >= acoustic.SHORTEST_SOUND


def test_what_comes_in_parts_is_what_the_decoder_says_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, voice = Engine(threads=1), VoiceLibrary().get("ada")
    request = Request("The keeper climbed the stairs every evening to light the lamp.", seed=4, language="en")
    (piece,) = engine.stream(request, voice)
    ids, given = piece.sentence.ids, (voice.profile, np.zeros, engine.semantic.vectors(piece.sentence, None))
    parts = list(engine.acoustic.stream(ids, Planning.of(piece.plan), *given))
    assert [len(part[0]) for part in parts] == [
        acoustic.FIRST_FRAMES,
        piece.plan.durations.sum() - acoustic.FIRST_FRAMES,
    ]
    mel, hertz = engine.acoustic.render(ids, piece.plan, *given)
    np.testing.assert_array_equal(mel, np.concatenate([part[0] for part in parts]))
    pitch = voice.profile.pitch * np.exp2(acoustic.contour(piece.plan))
    np.testing.assert_array_equal(hertz, np.where(hertz > 0, pitch, 0.0).astype(np.float32))
    assert 0.2 < (hertz > 0).mean() < 0.98
    monkeypatch.setattr(acoustic, "FIRST_FRAMES", 10_000)
    whole, _ = engine.acoustic.render(ids, piece.plan, *given)
    np.testing.assert_allclose(mel, whole, atol=2e-3)
