"""Plans that are made while they are spoken: what is settled stays, and nothing else is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from resay import acoustic
from resay.audio import FORMAT
from resay.planning import Planning
from resay.prosody import Codes, Plan
from resay.synthesis import Engine, Request
from resay.voices import VoiceLibrary

TEXT = "The keeper climbed the stairs every evening, and lit the lamp above the quiet harbour before the boats came in."
CODES = Codes(
    np.geomspace(1, 40, 12).astype(np.float32),
    np.random.default_rng(0).normal(0, 0.2, (9, 3)).astype(np.float32),
    np.linspace(-2, 1, 6).astype(np.float32),
)


class Tokens:
    """Counts what was asked for."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows, self.taken = rows, 0

    def __iter__(self) -> Iterator[list[int]]:
        for row in self.rows.tolist():
            self.taken += 1
            yield row


def tokens(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    pitch = np.where(random.random(count) < 0.4, 0, random.integers(1, 9, count))
    return np.stack([random.integers(12, size=count), pitch, random.integers(6, size=count)], axis=1)


def changed(plan: Plan) -> Plan:
    """Depends on what came before, as another speed does, and on the end where there is one."""
    return acoustic.with_short_ends(acoustic.with_speed(plan, 1.3), 60)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_settled_is_what_the_whole_says(seed: int) -> None:
    rows = tokens(60, seed)
    whole = changed(CODES.plan(rows))
    meant = acoustic.contour(whole), acoustic.plan_columns(whole, 150.0)
    for frames in (0, 30, 110, 300, 5_000):
        coming = Tokens(rows)
        planning = Planning(iter(coming), 60, CODES, changed)
        beginning = planning.settled(frames)
        if len(beginning.durations) < 60:
            assert beginning.durations[:-1].sum() > frames
            assert coming.taken == len(beginning.durations)
            found = acoustic.contour(beginning), acoustic.plan_columns(beginning, 150.0)
            for one, other in zip(found, meant, strict=True):
                np.testing.assert_array_equal(one[: frames + 1], other[: frames + 1])
        else:
            assert whole.durations.sum() < 5_000
        for name in ("durations", "pitch", "energy"):
            np.testing.assert_array_equal(getattr(planning.whole(), name), getattr(whole, name))
        assert coming.taken == 60
        assert planning.settled(frames) is planning.whole()


def test_no_more_is_waited_for_than_is_wanted() -> None:
    coming = Tokens(np.tile([[6, 3, 2]], (60, 1)))
    planning = Planning(iter(coming), 60, CODES, lambda plan: plan)
    each = int(np.rint(CODES.durations[6]))
    planning.settled(10 * each)
    assert coming.taken == 12
    planning.settled(4 * each)
    assert coming.taken == 12


def test_a_sentence_without_voice_is_settled_when_it_is_whole() -> None:
    rows = tokens(20, 1)
    rows[:, 1] = 0
    coming = Tokens(rows)
    plan = Planning(iter(coming), 20, CODES, lambda plan: plan).settled(5)
    assert coming.taken == len(plan.durations) == 20


def test_a_plan_that_is_there_is_spoken_as_it_is() -> None:
    plan = CODES.plan(tokens(20, 2))
    assert Planning.of(plan).settled(3) is plan
    assert Planning.of(plan).whole() is plan


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.6])
def test_the_first_sound_does_not_wait_for_the_whole_plan(speed: float, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, voice = Engine(threads=1), VoiceLibrary().get("ada")
    request = Request(f'{TEXT[:18]}<break time="300ms"/>{TEXT[18:]}', seed=3, language="en", speed=speed)
    sampled = engine.prosody.tokens
    taken = 0

    def counted(*arguments) -> Iterator[list[int]]:
        nonlocal taken
        for token in sampled(*arguments):
            taken += 1
            yield token

    monkeypatch.setattr(engine.prosody, "tokens", counted)
    (piece,) = engine.stream(request, voice)
    parts = piece.parts()
    first = next(parts)
    assert 0.2 < first.seconds < 0.6
    count = len(piece.sentence.phonemes)
    assert taken < count / 2
    rest = list(parts)
    assert taken == count
    (again,) = engine.stream(request, voice, plans=[piece.plan])
    np.testing.assert_array_equal(again.audio.samples, np.concatenate([part.samples for part in (first, *rest)]))
    (planned,) = engine.stream(request, voice)
    assert planned.plan.durations.tolist() == piece.plan.durations.tolist()
    np.testing.assert_array_equal(planned.audio.samples, again.audio.samples)
    assert len(again.audio.samples) == piece.plan.durations.sum() * FORMAT.hop


def test_the_same_is_said_at_both_sample_rates_from_a_plan_in_parts() -> None:
    engine, voice = Engine(threads=1), VoiceLibrary().get("leo")
    request = Request(TEXT, seed=5, language="en")
    (low,), (high,) = (engine.stream(it, voice) for it in (request, replace(request, sample_rate=32_000)))
    assert high.audio.seconds == pytest.approx(low.audio.seconds)
    assert high.plan.durations.tolist() == low.plan.durations.tolist()
