"""The privacy ledger agrees with a second accountant, stops at its limit, and survives a restart."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("dp_accounting")

from resay.errors import BadFile
from resay.federated.ledger import Ledger, Release, Spent, epsilon, in_words, usual_delta

CASES = [
    (1000, Release(0.05, 1.0, 100), 2.9),
    (10_000, Release(0.02, 1.0, 500), 2.86),
    (100, Release(1.0, 8.0, 50), 2.5),
]


@pytest.mark.parametrize(("population", "release", "known"), CASES)
def test_two_accountants_agree(population: int, release: Release, known: float) -> None:
    delta = usual_delta(population)
    renyi, distribution = (epsilon([release], delta, method) for method in ("rdp", "pld"))
    assert renyi == pytest.approx(known, rel=0.02)
    assert distribution == pytest.approx(renyi, rel=0.25)
    assert distribution <= renyi


def numerical(release: Release, delta: float, step: float = 1e-3, widest: float = 60.0) -> float:
    """ε by convolving the privacy loss on a grid: an accountant that shares no line with the library's."""
    points = np.arange(-12 * release.noise, 1 + 12 * release.noise, release.noise / 2000)
    without = np.exp(-((points / release.noise) ** 2) / 2)
    with_one = np.exp(-(((points - 1) / release.noise) ** 2) / 2)
    without, with_one = (density / density.sum() for density in (without, with_one))
    mixed = (1 - release.sampling) * without + release.sampling * with_one
    found = []
    for upper, lower in ((mixed, without), (without, mixed)):
        loss = np.rint((np.log(upper) - np.log(lower)) / step).astype(int)
        grid = np.zeros(2 * round(widest / step))
        np.add.at(grid, loss % len(grid), upper)
        composed = np.fft.irfft(np.fft.rfft(grid) ** release.rounds, len(grid))
        losses = np.fft.fftfreq(len(grid), 1 / len(grid)) * step
        low, high = 0.0, widest / 2
        for _ in range(40):
            middle = (low + high) / 2
            over = losses > middle
            exceeded = float((composed[over] * -np.expm1(middle - losses[over])).sum())
            low, high = (middle, high) if exceeded > delta else (low, middle)
        found.append(high)
    return max(found)


@pytest.mark.parametrize(
    ("population", "release"),
    [(4000, Release(0.025, 1.0, 8)), (1000, Release(0.05, 1.0, 100)), (1000, Release(0.1, 1.0, 200))],
    ids=["epsilon 0.6", "epsilon 2.4", "epsilon 7.6"],
)
def test_the_second_accountant_is_right_and_the_ledger_is_never_below_it(population: int, release: Release) -> None:
    delta = usual_delta(population)
    renyi, distribution = (epsilon([release], delta, method) for method in ("rdp", "pld"))
    assert distribution == pytest.approx(numerical(release, delta), rel=0.02)
    assert renyi >= distribution


def test_rounds_one_by_one_cost_what_they_cost_together() -> None:
    ledger = Ledger(1e-4)
    for _ in range(5):
        ledger.spend(Release(0.1, 1.0))
    assert ledger.rounds == 5
    assert ledger.spent() == pytest.approx(epsilon([Release(0.1, 1.0, 5)], 1e-4))


def test_the_limit_is_the_end_also_after_a_restart() -> None:
    ledger = Ledger(1e-3, limit=2.0)
    release = Release(0.1, 1.0)
    while ledger.allows(release):
        ledger.spend(release)
    with pytest.raises(Spent):
        ledger.spend(release)
    again = Ledger.from_json(ledger.to_json())
    assert again.spent() == ledger.spent() <= 2.0
    with pytest.raises(Spent):
        again.spend(Release(0.1, 1.0))


def test_without_noise_nothing_is_private() -> None:
    ledger = Ledger(1e-3, limit=8.0)
    with pytest.raises(Spent):
        ledger.spend(Release(0.1, 0.0))
    assert "no noise" in in_words(float("inf"), 1e-3)


@pytest.mark.parametrize("damage", [None, {}, {"delta": 0.1}, {"delta": 2, "limit": None, "releases": []}])
def test_a_damaged_ledger_is_no_empty_ledger(damage: object) -> None:
    with pytest.raises(BadFile):
        Ledger.from_json(damage)
