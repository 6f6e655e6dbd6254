"""What a client keeps: nothing without consent, everything private, pausing refuses, leaving deletes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from resay import consent
from resay.errors import BadFile, BadOption, ConsentMissing
from resay.federated.client import Sent, Terms
from resay.federated.membership import KEY_VARIABLE, Membership, refuse_paused

AGREED = replace(consent.own("Ada"), kind=consent.Kind.WRITTEN)


@pytest.fixture
def membership(tmp_path: Path) -> Membership:
    return Membership.create(tmp_path / "ada", AGREED, Terms(least=20, limit=4.0), Path("models"))


def test_a_membership_is_for_its_owner_alone(membership: Membership) -> None:
    assert membership.folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in membership.folder.iterdir())
    assert membership.terms == Terms(least=20, limit=4.0)
    assert membership.node_key.read_bytes().startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")


@pytest.mark.parametrize(
    "agreed",
    [replace(AGREED, uses=frozenset({consent.Use.SPEAK})), replace(AGREED, until=date(2020, 1, 1))],
)
def test_without_consent_there_is_none(tmp_path: Path, agreed: consent.Consent) -> None:
    with pytest.raises(ConsentMissing):
        Membership.create(tmp_path / "ada", agreed, Terms(), Path("models"))
    assert not (tmp_path / "ada").exists()


def test_a_second_one_does_not_overwrite_the_first(membership: Membership) -> None:
    before = membership.identity.private_bytes_raw()
    with pytest.raises(BadFile, match="membership already"):
        Membership.create(membership.folder, AGREED, Terms(), Path("models"))
    assert membership.identity.private_bytes_raw() == before


def test_pausing_refuses_and_resuming_does_not(membership: Membership) -> None:
    membership.pause(True)
    with pytest.raises(ConsentMissing, match="paused"):
        refuse_paused(Membership.open(membership.folder))
    membership.pause(False)
    refuse_paused(Membership.open(membership.folder))


def test_everything_that_was_sent_is_listed(membership: Membership) -> None:
    entries = [Sent(1, "keys", 128, ""), Sent(1, "masked", 15_360, "epsilon 0.30")]
    for entry in entries:
        membership.tell(entry)
    assert list(membership.sent()) == entries


def test_why_a_question_was_refused_is_told_to_the_owner_alone(membership: Membership) -> None:
    membership.tell_refused("keys", "this round adds no noise")
    assert membership.refused() == [{"phase": "keys", "why": "this round adds no noise"}]


def test_a_sealed_membership_keeps_key_and_features_under_its_passphrase(tmp_path: Path, monkeypatch) -> None:
    made = Membership.create(tmp_path / "ada", AGREED, Terms(), Path("models"), "three quiet words")
    made.keep("features.npz", b"hidden states" * 100)
    held = b"".join(path.read_bytes() for path in made.folder.rglob("*") if path.is_file())
    assert b"hidden states" not in held
    assert made.identity.private_bytes_raw() not in held
    closed = Membership.open(made.folder)
    assert closed.sealed
    with pytest.raises(BadOption, match="passphrase"):
        closed.kept("features.npz")
    with pytest.raises(BadOption, match="does not open"):
        closed.unlocked("three loud words")
    opened = closed.unlocked("three quiet words")
    assert opened.kept("features.npz") == b"hidden states" * 100
    monkeypatch.setenv(KEY_VARIABLE, opened.key.hex())
    assert Membership.open(made.folder).identity.private_bytes_raw() == made.identity.private_bytes_raw()
    assert repr(opened).find(opened.key.hex()) < 0


def test_leaving_a_sealed_membership_forgets_its_vault(tmp_path: Path) -> None:
    made = Membership.create(tmp_path / "ada", AGREED, Terms(), Path("models"), "three quiet words")
    made.keep("features.npz", b"hidden states")
    assert made.leave() == []
    assert not made.folder.exists()


def test_leaving_deletes_everything_of_ours_and_nothing_else(membership: Membership) -> None:
    membership.tell(Sent(1, "keys", 128, ""))
    membership.remember({7: b"k" * 32})
    assert membership.known() == {7: b"k" * 32}
    (membership.folder / "letter.txt").write_text("mine")
    assert membership.leave() == ["letter.txt"]
    assert [path.name for path in membership.folder.iterdir()] == ["letter.txt"]
    with pytest.raises(BadFile, match="no membership"):
        Membership.open(membership.folder)
