"""Sums under encryption: right, only of enough members, and closed to everybody but the key keeper."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tenseal")

from resay.errors import BadFile, BadOption
from resay.federated import homomorphic
from resay.federated.homomorphic import Adder, KeyKeeper, Member
from resay.federated.quantise import Grid, UselessUpdate

D = homomorphic.SLOTS + 100


def updates(count, seed=0):
    random = np.random.default_rng(seed)
    return [random.standard_normal(D) / D**0.5 for _ in range(count)]


@pytest.fixture(scope="module")
def keeper():
    return KeyKeeper()


@pytest.fixture(scope="module")
def key(keeper):
    return keeper.public_key()


GRID = Grid(clip=0.1, noise=0.0, least=3, most=8, parameters=D)


def test_mean_is_that_of_the_clipped_updates():
    given = [*updates(3), 100 * updates(1, 7)[0]]
    expected = np.mean([GRID.clipped(update) for update in given], axis=0)
    assert np.abs(homomorphic.add_up(given, GRID) - expected).max() < 1e-5 * GRID.clip


def test_noise_of_all_shares_together_is_as_ordered():
    noisy = Grid(clip=0.1, noise=2.0, least=4, most=8, parameters=D)
    found = homomorphic.add_up([np.zeros(D)] * 4, noisy)
    assert found.std() * 4 == pytest.approx(2.0 * 0.1, rel=0.05)


def test_server_and_members_cannot_open_anything(key):
    message = Member(key, GRID).encrypted(updates(1)[0])
    (first, _) = homomorphic._vectors(homomorphic._context(key), message, D + 1)
    with pytest.raises(Exception, match="secret"):
        first.decrypt()


def test_message_tells_nothing_and_never_the_same_twice(key):
    update = updates(1)[0]
    one, other = (Member(key, GRID).encrypted(update) for _ in range(2))
    assert one != other
    assert update[:8].astype("<f8").tobytes() not in one
    words = np.frombuffer(one[5000:300_000], dtype=np.uint8)
    assert abs(np.corrcoef(words[:D], GRID.clipped(update))[0, 1]) < 0.05


def test_key_with_its_secret_half_is_refused(keeper):
    secret = keeper._context.serialize(save_secret_key=True)
    for take in (lambda: Member(secret, GRID), lambda: Adder(secret, D)):
        with pytest.raises(BadFile, match="key keeper"):
            take()


def test_sum_of_too_few_is_not_opened(keeper, key):
    server = Adder(key, D)
    for update in updates(2):
        server.take(Member(key, GRID).encrypted(update))
    with pytest.raises(BadOption, match="a sum of 2 members"):
        keeper.open_sum(server.total(), D, 3)
    with pytest.raises(BadOption, match="hides nobody"):
        keeper.open_sum(server.total(), D, 1)


def test_foreign_and_damaged_messages_are_refused(keeper, key):
    message = Member(key, GRID).encrypted(updates(1)[0])
    short = Member(key, Grid(0.1, 0.0, 3, 8, 50)).encrypted(np.zeros(50))
    for bad in (b"", b"junk" * 99, message[:-1], message + b"\0", short, message[:40] + b"\xff" * 40 + message[80:]):
        server = Adder(key, D)
        with pytest.raises(BadFile):
            server.take(bad)
        with pytest.raises(BadOption, match="nobody"):
            server.total()
    with pytest.raises(BadFile, match="no public key"):
        Adder(b"junk", D)


def test_sum_under_another_key_is_noticed(keeper):
    other = KeyKeeper().public_key()
    server = Adder(other, D)
    for update in updates(3):
        server.take(Member(other, GRID).encrypted(update))
    with pytest.raises(BadFile, match="sensible"):
        keeper.open_sum(server.total(), D, 3)


@pytest.mark.parametrize("update", [np.full(D, np.nan), np.full(D, np.inf), np.zeros(D - 1)])
def test_useless_updates_are_not_sent(key, update):
    with pytest.raises(UselessUpdate):
        Member(key, GRID).encrypted(update)
