"""The privacy ledger agrees with a second accountant, stops at its limit, and survives a restart."""

from __future__ import annotations

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
