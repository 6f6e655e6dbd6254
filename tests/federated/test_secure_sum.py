"""The sum is exact, whoever drops out when; nobody learns more than the sum, whatever the server asks."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cryptography")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from resay.federated import secure_sum, shamir
from resay.federated.secure_sum import Collector, Keys, Member, Refused, Round

SIZE = 50


def crowd(count: int, least: int, degree: int = 40, number: int = 1) -> tuple[Round, dict, dict]:
    members = tuple(range(10, 10 + count))
    random = np.random.default_rng(count)
    vectors = {member: random.integers(-(2**20), 2**20, SIZE) for member in members}
    identities = {member: Ed25519PrivateKey.generate() for member in members}
    return Round("run", number, members, SIZE, least, degree), vectors, identities


@pytest.mark.parametrize(("count", "degree"), [(3, 40), (8, 40), (30, 12)])
def test_the_sum_is_exact(count: int, degree: int) -> None:
    round_, vectors, identities = crowd(count, 3, degree)
    assert (secure_sum.run(round_, vectors, identities) == sum(vectors.values())).all()


@pytest.mark.parametrize("phase", ["keys", "shares", "masked", "unmask"])
def test_whoever_drops_out_is_left_out_and_nobody_else(phase: str) -> None:
    round_, vectors, identities = crowd(10, 5)
    lost = [12, 17]
    found = secure_sum.run(round_, vectors, identities, {phase: lost})
    stayed = [member for member in vectors if phase == "unmask" or member not in lost]
    assert (found == sum(vectors[member] for member in stayed)).all()


def test_too_few_survivors_give_no_sum_at_all() -> None:
    round_, vectors, identities = crowd(8, 6)
    with pytest.raises(Refused, match="only 5 of 6"):
        secure_sum.run(round_, vectors, identities, {"masked": [10, 11, 12]})


def test_sparse_neighbours_are_mutual_and_as_many_as_asked() -> None:
    round_, _, _ = crowd(50, 3, 12)
    for member in round_.members:
        near = round_.neighbours(member)
        assert len(near) == 12
        assert member not in near
        assert all(member in round_.neighbours(other) for other in near)
    assert round_.threshold == 9


def at_unmask(count: int = 8) -> tuple[Round, dict[int, Member], Collector, dict[int, np.ndarray]]:
    """A round whose vectors have all been sent."""
    round_, vectors, identities = crowd(count, 5)
    roster = {member: key.public_key().public_bytes_raw() for member, key in identities.items()}
    members = {member: Member(round_, member, identities[member]) for member in round_.members}
    collector = Collector(round_, roster)
    for member, one in members.items():
        collector.take_keys(member, one.keys())
    for member, one in members.items():
        collector.take_shares(member, one.shares(collector.keys_for(member), roster))
    for member, one in members.items():
        collector.take_masked(member, one.masked(vectors[member], collector.shares_for(member)))
    return round_, members, collector, vectors


def test_masked_words_are_uniform_and_have_nothing_of_the_vector() -> None:
    round_, vectors, identities = crowd(4, 3)
    zero = {member: np.zeros(20_000, np.int64) for member in vectors}
    round_ = Round("run", 1, round_.members, 20_000, 3)
    roster = {member: key.public_key().public_bytes_raw() for member, key in identities.items()}
    members = {member: Member(round_, member, identities[member]) for member in round_.members}
    collector = Collector(round_, roster)
    for member, one in members.items():
        collector.take_keys(member, one.keys())
    for member, one in members.items():
        collector.take_shares(member, one.shares(collector.keys_for(member), roster))
    masked = members[10].masked(zero[10], collector.shares_for(10))
    counts = np.bincount(masked >> 24, minlength=256)
    expected = len(masked) / 256
    # Chi-square with 255 degrees of freedom stays below 400 in all but one of 10⁸ draws.
    assert ((counts - expected) ** 2 / expected).sum() < 400


def test_both_shares_of_one_member_are_never_given() -> None:
    round_, members, _, _ = at_unmask()
    everybody = list(round_.members)
    with pytest.raises(Refused, match="both alive and dead"):
        members[10].unmask(everybody, [13])
    # And what was refused is not answered the second time either.
    with pytest.raises(Refused, match="out of turn"):
        members[10].unmask(everybody, [])


def test_two_stories_to_two_groups_give_neither_secret() -> None:
    """Half the neighbours hear that 13 lives, the others that it is dead: no group reaches the threshold."""
    round_, members, _, _ = at_unmask()
    victim, others = 13, [member for member in round_.members if member != 13]
    half = len(others) // 2
    own = {m: members[m].unmask(round_.members, [])[victim] for m in others[:half]}
    pairwise = {m: members[m].unmask(others, [victim])[victim] for m in others[half:]}
    assert max(len(own), len(pairwise)) < round_.threshold
    for shares in (own, pairwise):
        numbered = {round_.number_of(member): share for member, share in shares.items()}
        with pytest.raises(ValueError, match="fewer"):
            shamir.join(numbered, round_.threshold, secure_sum.KEY)


def test_a_sum_over_too_few_is_not_unmasked() -> None:
    round_, members, _, _ = at_unmask()
    with pytest.raises(Refused, match="only 2 members"):
        members[10].unmask([10, 11], [member for member in round_.members if member not in (10, 11)])


def test_members_cannot_be_left_out_of_the_lists() -> None:
    round_, members, _, _ = at_unmask()
    with pytest.raises(Refused, match="not complete"):
        members[10].unmask([member for member in round_.members if member != 13], [])


def test_keys_that_are_not_signed_by_the_member_are_refused() -> None:
    round_, _, identities = crowd(4, 3)
    roster = {member: key.public_key().public_bytes_raw() for member, key in identities.items()}
    keys = {member: Member(round_, member, identities[member]).keys() for member in round_.members}
    forged = Member(round_, 11, Ed25519PrivateKey.generate()).keys()
    honest = Member(round_, 10, identities[10])
    honest.keys()
    given = {member: key for member, key in keys.items() if member != 10} | {11: forged}
    with pytest.raises(Refused, match="member 11 are not signed"):
        honest.shares(given, roster)


def test_keys_of_another_round_are_refused() -> None:
    round_, _, identities = crowd(4, 3)
    later, _, _ = crowd(4, 3, number=2)
    old = Member(round_, 11, identities[11]).keys()
    with pytest.raises(Refused, match="not signed by it for this round"):
        old.check(later, 11, identities[11].public_key().public_bytes_raw())


def test_changed_shares_do_not_open() -> None:
    round_, vectors, identities = crowd(4, 3)
    roster = {member: key.public_key().public_bytes_raw() for member, key in identities.items()}
    members = {member: Member(round_, member, identities[member]) for member in round_.members}
    collector = Collector(round_, roster)
    for member, one in members.items():
        collector.take_keys(member, one.keys())
    for member, one in members.items():
        collector.take_shares(member, one.shares(collector.keys_for(member), roster))
    sealed = collector.shares_for(10)
    sealed[11] = bytes([sealed[11][0] ^ 1]) + sealed[11][1:]
    with pytest.raises(Refused, match="shares of 11"):
        members[10].masked(vectors[10], sealed)


def test_a_member_goes_on_in_another_process() -> None:
    round_, _, identities = crowd(4, 3)
    member = Member(round_, 10, identities[10])
    first = member.keys()
    again = Member.from_bytes(member.to_bytes(), round_, 10, identities[10])
    with pytest.raises(Refused, match="out of turn"):
        again.keys()
    assert isinstance(first, Keys)


@pytest.mark.parametrize("holders", [[1, 2], [1, 2, 3, 4, 5, 6, 7]])
def test_shares_give_the_secret_back_and_fewer_do_not(holders: list[int]) -> None:
    secret, threshold = bytes(range(32)), len(holders) // 2 + 1
    shares = shamir.split(secret, holders, threshold)
    assert shamir.join(dict(list(shares.items())[-threshold:]), threshold, 32) == secret
    with pytest.raises(ValueError, match="fewer"):
        shamir.join(dict(list(shares.items())[: threshold - 1]), threshold, 32)


def test_a_round_says_what_is_wrong_with_it() -> None:
    with pytest.raises(Refused, match="hides nobody"):
        Round("run", 1, (1, 2), 5, 2)
    with pytest.raises(Refused, match="rising"):
        Round("run", 1, (3, 2, 1), 5, 3)
    with pytest.raises(Refused, match="no announcement"):
        Round.from_json("{}")
