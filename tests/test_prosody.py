"""Sampling, and tokens as plans."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from resay.errors import BadOption
from resay.prosody import SAMPLERS, Codes, Plan, Sampling

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.04, 0.01]))


def draws(method: str, count: int = 4000, history: list[int] | None = None, **options: float) -> np.ndarray:
    sampling = Sampling(method, temperature=1.0, **options)  # type: ignore[arg-type]
    random = np.random.default_rng(0)
    tokens = [SAMPLERS[method](LOGITS, history or [], random.random(2), sampling) for _ in range(count)]
    return np.bincount(tokens, minlength=5) / count


def test_greedy_takes_the_likeliest() -> None:
    assert draws("greedy", 50).tolist() == [1, 0, 0, 0, 0]


def test_top_k_draws_from_the_k_likeliest_in_proportion() -> None:
    np.testing.assert_allclose(draws("topk", top_k=2), [0.625, 0.375, 0, 0, 0], atol=0.03)


def test_ras_draws_from_the_nucleus() -> None:
    np.testing.assert_allclose(draws("ras", top_p=0.7), [0.625, 0.375, 0, 0, 0], atol=0.03)


def test_ras_leaves_the_nucleus_only_to_avoid_repetition() -> None:
    # Token 0 fills the window: whoever draws it draws again from everything (VALL-E 2, algorithm 1).
    shares = draws("ras", history=[0] * 10, top_p=0.7)
    np.testing.assert_allclose(
        shares, [0.625 * 0.5, 0.375 + 0.625 * 0.3, 0.625 * 0.15, 0.625 * 0.04, 0.625 * 0.01], atol=0.03
    )


def test_the_published_defaults() -> None:
    sampling = Sampling()
    assert (sampling.method, sampling.top_p, sampling.window, sampling.repetition) == ("ras", 0.8, 10, 0.1)


@pytest.mark.parametrize("method", list(SAMPLERS))
def test_last_bits_do_not_change_the_token(method: str) -> None:
    random = np.random.default_rng(1)
    sampling = Sampling(method)
    for _ in range(300):
        logits = np.round(random.standard_normal(50) * 64) / 64
        uniforms = random.random(2)
        noisy = logits + random.uniform(-1e-3, 1e-3, 50)
        assert SAMPLERS[method](logits, [], uniforms, sampling) == SAMPLERS[method](noisy, [], uniforms, sampling)


@pytest.mark.parametrize(
    "options", [{"method": "beam"}, {"temperature": 0.0}, {"temperature": 9.0}, {"top_k": 0}, {"top_p": 0.0}]
)
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadOption):
        Sampling(**options)  # type: ignore[arg-type]


@pytest.fixture
def codes() -> Codes:
    pitch = np.array([[0, 0, 0], [-0.2, 0, 0.2], [0.2, 0, -0.2], [0.4, 0.4, 0.4]], np.float32)
    return Codes(np.array([1, 2, 4, 8], np.float32), pitch, np.array([-4, -2, 0], np.float32))


def test_tokens_are_the_nearest(codes: Codes) -> None:
    plan = Plan(
        np.array([3, 9]), np.array([[-0.1, 0, 0.15], [0.5, 0.4, 0.3]], np.float32), np.array([-3.2, 0.4], np.float32)
    )
    assert codes.tokens(plan, np.array([True, True])).tolist() == [[2, 1, 0], [3, 3, 2]]
    assert codes.tokens(plan, np.array([False, True]))[:, 1].tolist() == [0, 3]


def test_pitch_is_bridged_over_what_has_none(codes: Codes) -> None:
    plan = codes.plan(np.array([[0, 1, 0], [1, 0, 1], [3, 3, 2]]))
    assert plan.durations.tolist() == [1, 2, 8]
    np.testing.assert_allclose(plan.pitch[1], [0.25, 0.3, 0.35], atol=1e-6)
    silent = codes.plan(np.array([[0, 0, 0]]))
    assert not silent.pitch.any()


def test_a_plan_survives_json(codes: Codes) -> None:
    plan = codes.plan(np.array([[0, 1, 0], [3, 3, 2]]))
    awkward = replace(plan, energy=np.float32([1 / 3, -2e-7]))
    again = Plan.from_json(json.loads(json.dumps(awkward.to_json())))
    for name in ("durations", "pitch", "energy"):
        np.testing.assert_array_equal(getattr(again, name), getattr(awkward, name))
    with pytest.raises(ValueError, match="belong"):
        Plan.from_json({**plan.to_json(), "energy": [0.0]})
