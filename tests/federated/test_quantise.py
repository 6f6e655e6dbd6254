"""Whole numbers: nothing useless gets in, nobody counts for more than the clip, the noise is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from resay.federated.quantise import Grid, UselessUpdate, discrete_gaussian

GRID = Grid(clip=0.5, noise=0.0, least=4, most=8, parameters=300)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_not_sent(bad: float) -> None:
    update = np.zeros(300)
    update[7] = bad
    with pytest.raises(UselessUpdate):
        GRID.share(update)


def test_another_length_is_not_sent() -> None:
    with pytest.raises(UselessUpdate):
        GRID.share(np.zeros(299))


def test_a_zero_update_is_a_zero() -> None:
    assert not GRID.share(np.zeros(300)).any()


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e150, 1e300])
def test_nobody_is_longer_than_the_clip(size: float) -> None:
    update = np.random.default_rng(0).standard_normal(300) * size
    numbers = GRID.whole(update)
    assert np.linalg.norm(numbers.astype(float)) <= GRID.length
    direction = numbers @ update.astype(float) / np.linalg.norm(numbers) / np.linalg.norm(update / size) / size
    assert direction > 0.99999


def test_short_updates_come_back_as_they_were() -> None:
    update = np.random.default_rng(0).standard_normal(300) * 0.01
    assert np.allclose(GRID.mean(GRID.whole(update), 1), update, atol=1e-7)


def test_sums_of_the_most_clients_do_not_wrap_around() -> None:
    update = np.zeros(300)
    update[0] = 10.0
    total = sum(GRID.share(update) for _ in range(GRID.most))
    assert int(total[0]) < 2**31
    assert GRID.plausible(total, GRID.most)
    assert not GRID.plausible(total, GRID.most - 1)


@pytest.mark.parametrize("deviation", [0.7, 3.0, 5000.0])
def test_noise_has_its_deviation_and_no_bias(deviation: float) -> None:
    found = discrete_gaussian(deviation, 40_000)
    assert abs(found.mean()) < 6 * deviation / 200
    assert found.std() == pytest.approx(deviation, rel=0.04)


def test_noise_of_small_deviation_has_the_weights_of_a_gaussian() -> None:
    values, counts = np.unique(discrete_gaussian(1.5, 60_000), return_counts=True)
    weights = np.exp(-(np.arange(-30, 31) ** 2) / (2 * 1.5**2))
    expected = np.exp(-(values.astype(float) ** 2) / (2 * 1.5**2)) / weights.sum()
    assert np.abs(counts / 60_000 - expected).max() < 0.012


def test_noise_cannot_be_repeated_with_a_seed() -> None:
    draws = []
    for _ in range(2):
        np.random.seed(0)
        draws.append(discrete_gaussian(1000.0, 50))
    assert (draws[0] != draws[1]).any()


def test_shares_of_the_fewest_clients_add_up_to_the_noise_that_is_promised() -> None:
    grid = Grid(clip=1.0, noise=2.0, least=4, most=8, parameters=20_000)
    total = sum(grid.share(np.zeros(20_000)) for _ in range(4))
    assert total.std() / grid.length == pytest.approx(2.0, rel=0.05)
