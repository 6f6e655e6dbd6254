"""The audit: attacks that find what lies open, forged messages that are refused, bytes that tell nothing."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("dp_accounting")

from resay import shared_adapter, synthesis
from resay.federated import attacks, audit, forgery
from resay.federated.attacks import Crowd, Matcher, Training
from resay.federated.audit import Line, Stage


def test_line_knows_when_it_fails():
    assert audit.control("a", "b", 0.95, 0.1).passed
    assert not audit.control("a", "b", 0.94, 0.1).passed
    assert audit.protected("a", "b", 0.3, 0.1).passed
    assert not audit.protected("a", "b", 0.31, 0.1).passed
    assert Line("a", "b", 1.0, 0.1, "open", 1.0).passed


def test_matcher_finds_the_open_and_is_blind_to_noise():
    random = np.random.default_rng(0)
    updates = random.standard_normal((20, 500))
    matcher = Matcher(np.broadcast_to(updates + 0.5 * random.standard_normal((20, 500)), (20, 20, 500)))
    assert matcher.recovered(updates) == 1.0
    blind = np.mean([matcher.recovered(random.standard_normal((20, 500))) for _ in range(40)])
    assert blind == pytest.approx(0.05, abs=0.03)


def test_crowd_has_the_mean_and_the_covariance_it_was_made_of():
    random = np.random.default_rng(0)
    updates = 3.0 + random.standard_normal((400, 4)) * np.array([1.0, 2.0, 0.5, 0.0])
    crowd = Crowd.of(updates)
    sums = np.array([crowd.total(10, random) for _ in range(4000)])
    np.testing.assert_allclose(sums.mean(axis=0), 10 * updates.mean(axis=0), atol=0.2)
    np.testing.assert_allclose(sums.std(axis=0), np.sqrt(10) * updates.std(axis=0), rtol=0.1, atol=1e-9)


def test_filter_looks_away_from_where_the_crowd_is():
    crowd = Crowd(np.zeros(3), np.array([[0.0, 10.0, 0.0]]))
    filtered = crowd.filtered(np.array([1.0, 1.0, 0.0]), 100, 1.0)
    assert abs(filtered[1]) < 1e-3 < filtered[0]


def test_area_is_the_chance_to_rank_a_member_higher():
    assert attacks.area(np.array([2.0, 3.0]), np.array([1.0, 0.0])) == 1.0
    assert attacks.area(np.array([1.0]), np.array([1.0])) == 0.5


ADAPTER = shared_adapter.fresh("sha256:tests", 16)


def test_every_forgery_is_refused_in_its_phase():
    assert {name for name, refusal in forgery.refused(ADAPTER).items() if not refusal} == set()


def test_forgery_that_goes_through_is_told(monkeypatch):
    monkeypatch.setattr(forgery, "FORGERIES", {"an honest message": ("masked", lambda forger, question: question)})
    assert forgery.refused(ADAPTER) == {"an honest message": False}


# Canaries


def played(random):
    updates = 0.1 * random.standard_normal((forgery.MEMBERS, ADAPTER.parameters))
    lab = forgery.Lab(ADAPTER, lambda member: lambda adapter, settings: updates[member])
    assert lab.play() == "kept"
    return lab, updates


def test_whole_round_holds_no_canary_and_every_answer_is_searched():
    lab, updates = played(np.random.default_rng(0))
    assert {phase for _, phase, _ in lab.sent} == {"enrol", "keys", "shares", "masked", "unmask"}
    assert len({member for member, _, _ in lab.sent}) == forgery.MEMBERS
    content = forgery.contents(lab.sent)
    assert len(content) > forgery.MEMBERS * 4 * ADAPTER.parameters
    for member in range(forgery.MEMBERS):
        for name, canary in forgery.canaries("update", updates[member]).items():
            assert canary not in content, name


@pytest.mark.parametrize(
    "value",
    [np.linspace(-1, 1, 192, dtype=np.float32), np.arange(40), "我的行长来了", "a private sentence", np.arange(9.0)],
    ids=["timbre", "phonemes", "Chinese", "English", "float64"],
)
def test_canary_is_found_wherever_it_leaks(value):
    lab, _ = played(np.random.default_rng(1))
    raw = value.encode() if isinstance(value, str) else np.asarray(value).tobytes()
    for leak in ({"vector": b"xyz" + raw}, {"members": [1, [b"", raw]]}, {"a": {"b": raw}}):
        content = forgery.contents([*lab.sent, (1, "masked", leak)])
        assert any(canary in content for canary in forgery.canaries("it", value).values())
    text = forgery.contents([(1, "masked", {"note": value})]) if isinstance(value, str) else raw
    assert any(canary in text for canary in forgery.canaries("it", value).values())


def test_masked_words_are_uniform():
    lab, _ = played(np.random.default_rng(2))
    words = np.frombuffer(b"".join(a["vector"] for _, phase, a in lab.sent if phase == "masked"), dtype=np.uint8)
    counts = np.bincount(words, minlength=256)
    expected = len(words) / 256
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < 340  # 255 degrees of freedom: more than this once in 3,000 times


@pytest.mark.slow
def test_whole_audit_passes_with_the_usual_settings():
    stage = Stage.made(synthesis.SHIPPED, Training(), 48, 3)
    failed = [line for line in audit.lines(stage, 16) if not line.passed]
    assert failed == []


@pytest.mark.slow
def test_audit_fails_without_noise():
    stage = Stage.made(synthesis.SHIPPED, Training(population=12, sampling=1.0, noise=0.0, rounds=10), 24, 3)
    failed = {line.attack for line in audit.lines(stage, 8) if not line.passed}
    assert "took part, by alignment" in failed
