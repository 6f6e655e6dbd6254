"""Dictionaries that learn from each other: counted in secret, published when many hold an entry, merged by a rule."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pycrdt")

from resay.errors import BadFile, BadLexicon, BadOption
from resay.federated import dictionaries, dictionary_command
from resay.federated.dictionaries import Published, Record, Shelf, count_round, resolved
from resay.text import Lexicon

NONCE = b"round 1"
COMMON, RARE = ("重庆", "chóng qìng"), ("Zyx", "ei1 bi4")


def plain(vectors):
    """A sum with everything in the open; what was added is kept to be looked at."""
    return np.sum(list(vectors.values()), axis=0)


def test_only_what_k_clients_hold_comes_out():
    clients = {number: [COMMON] for number in range(5)}
    clients[0] = [COMMON, RARE]
    clients[1] = [COMMON, ("AI", "ei1 ai4")]
    clients[2] = [COMMON, ("AI", "ei1 ai4")]
    assert count_round(clients, NONCE, 3, plain) == {COMMON: 5}
    assert count_round(clients, NONCE, 5, plain) == {COMMON: 5}
    assert count_round(clients, NONCE, 6, plain) == {}


def test_two_readings_of_a_word_are_two_entries():
    other = ("重庆", "zhòng qìng")
    clients = {number: [COMMON if number < 4 else other] for number in range(7)}
    assert count_round(clients, NONCE, 3, plain) == {COMMON: 4, other: 3}
    assert count_round(clients, NONCE, 4, plain) == {COMMON: 4}


def test_large_dictionaries_are_counted_exactly():
    draw = random.Random(1)
    words = [(f"word {number}", "ei1") for number in range(600)]
    clients = {number: draw.sample(words[:200], 60) + draw.sample(words[200:], 40) for number in range(40)}
    counts = {word: sum(word in own for own in clients.values()) for word in words}
    assert max(counts.values()) > 12
    found = count_round(clients, NONCE, 10, plain)
    assert found.items() <= counts.items()
    expected = {word: count for word, count in counts.items() if count >= 10}
    assert expected.keys() >= found.keys()
    assert len(found) >= 0.9 * len(expected)  # two entries in one bucket hide each other; the next nonce parts them


def test_sums_hold_nothing_of_an_entry_that_few_hold(monkeypatch):
    totals = []

    def watched(vectors):
        totals.append(plain(vectors))
        return totals[-1]

    clients = {number: [COMMON] for number in range(5)}
    clients[0] = [COMMON, RARE]
    count_round(clients, NONCE, 3, watched)
    first, second = totals
    assert set(np.unique(first)) <= {0, 1, 5, 6}
    # The second sum speaks of one bucket only, and all of it is the common entry.
    content = bytes((second[1:] // 5).astype(np.uint8))
    assert len(second) == dictionaries.WIDTH
    assert "重庆".encode() in content
    assert b"Zyx" not in content


def test_poisoned_content_is_not_published():
    def poisoned(vectors):
        total = plain(vectors)
        if len(total) == dictionaries.WIDTH:
            total[10] += 5
        return total

    assert count_round({number: [COMMON] for number in range(5)}, NONCE, 3, poisoned) == {}


def test_small_crowds_long_entries_and_full_tables_are_refused():
    with pytest.raises(BadOption, match="3 or more"):
        count_round({0: [COMMON]}, NONCE, 2, plain)
    with pytest.raises(BadOption, match="too long"):
        dictionaries.held([("字" * 60, "zì")], NONCE)
    with pytest.raises(BadOption, match="too many"):
        dictionaries.held([(str(number), "ei1") for number in range(300)], NONCE)


# Copies and their increments


def record(round_, phoneme, holders, word="重庆"):
    return Record(round_, word, phoneme, holders)


def test_most_holders_win_then_the_earlier_then_code_points():
    assert resolved([record(1, "a1", 3), record(2, "b1", 5)]) == {"重庆": "b1"}
    assert resolved([record(1, "a1", 9), record(2, "b1", 5), record(3, "a1", 4)]) == {"重庆": "b1"}
    assert resolved([record(2, "a1", 5), record(1, "b1", 5)]) == {"重庆": "b1"}
    assert resolved([record(1, "b1", 5), record(1, "a1", 5)]) == {"重庆": "a1"}


def test_retraction_takes_back_what_came_before_it():
    assert resolved([record(1, "a1", 5), record(2, "", 0)]) == {}
    assert resolved([record(1, "a1", 5), record(2, "", 0), record(3, "b1", 3)]) == {"重庆": "b1"}


RECORDS = st.lists(
    st.builds(
        Record, st.integers(0, 5), st.sampled_from("甲乙"), st.sampled_from(["", "ba1", "bu4"]), st.integers(3, 9)
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.randoms(use_true_random=False))
def test_copies_come_together_whatever_the_order(records, order):
    copies = [Published() for _ in range(3)]
    for entry in records:
        copy = order.choice(copies)
        copy.publish(entry.round, {(entry.grapheme, entry.phoneme): entry.holders})
    updates = [copy.increment() for copy in copies]
    for copy in copies:
        for update in order.sample(updates * 2, len(updates) * 2):
            copy.merge(update)
    assert copies[0].lexicon() == copies[1].lexicon() == copies[2].lexicon()


def test_increments_are_small_and_carry_only_what_is_new():
    server, client = Published(), Published()
    server.publish(1, {(f"word {number}", "ei1"): 5 for number in range(2000)})
    client.merge(server.increment(client.state))
    server.publish(2, {COMMON: 7})
    increment = server.increment(client.state)
    assert len(increment) < 200 < 50 * len(increment) < len(server.increment())
    client.merge(increment)
    client.merge(increment)
    assert client.lexicon() == server.lexicon()
    assert client.lexicon().version == 2


@pytest.mark.parametrize("junk", [b"junk", b"\0", b"\xff" * 40])
def test_damaged_increments_are_refused_and_change_nothing(tmp_path, junk):
    shelf = Shelf.open(tmp_path)
    server = Published()
    server.publish(1, {COMMON: 5})
    shelf.take(server.increment())
    with pytest.raises(BadLexicon):
        shelf.take(junk)
    assert shelf.lexicon().entries == dict([COMMON])


def test_reading_that_is_none_is_neither_published_nor_believed():
    server = Published()
    with pytest.raises(BadLexicon):
        server.publish(1, {("重庆", "???"): 5})
    server._records['[1, "重庆", "???"]'] = 5
    server._records["nonsense"] = 5
    assert server.lexicon() == Lexicon()


# A client's shelf


@pytest.fixture
def shelf(tmp_path):
    Lexicon(dict([COMMON, RARE, ("secret project", "ei1")])).save(tmp_path / "own.jsonl")
    return Shelf.open(tmp_path)


def test_nothing_is_shared_unless_opted_in(shelf):
    assert shelf.shared() == []
    shelf.opt_in(["重庆"])
    assert Shelf.open(shelf.folder).shared() == [COMMON]
    shelf.opt_out(["重庆"])
    assert Shelf.open(shelf.folder).shared() == []
    with pytest.raises(BadOption, match="not in your lexicon"):
        shelf.opt_in(["北京"])


def test_own_entries_win_over_agreed_ones(shelf):
    server = Published()
    server.publish(1, {("重庆", "zhòng qìng"): 9, ("北京", "běi jīng"): 4})
    shelf.take(server.increment(shelf.published.state))
    assert shelf.lexicon().entries["重庆"] == "chóng qìng"
    assert shelf.lexicon().entries["北京"] == "běi jīng"


def test_damaged_shelf_is_told(shelf):
    (shelf.folder / "opted_in.json").write_text("{")
    with pytest.raises(BadFile):
        Shelf.open(shelf.folder)


def test_commands_share_take_and_write(tmp_path, capsys):
    lexicon, shelf, increment = tmp_path / "mine.jsonl", tmp_path / "shelf", tmp_path / "increment"
    Lexicon(dict([COMMON, RARE])).save(lexicon)
    server = Published()
    server.publish(4, {("北京", "běi jīng"): 5})
    increment.write_bytes(server.increment())

    def run(*arguments):
        typer.main.get_command(dictionary_command.app).main(args=[str(it) for it in arguments], standalone_mode=False)
        return capsys.readouterr().out

    assert json.loads(run("opt-in", shelf, "重庆", "--lexicon", lexicon, "--json"))["counted"] == ["重庆"]
    told = json.loads(run("take", shelf, increment, "--json"))
    assert told == {"own": 2, "counted": ["重庆"], "agreed": 1, "round": 4}
    run("write", shelf, "-o", tmp_path / "all.jsonl")
    assert set(Lexicon.load(tmp_path / "all.jsonl").entries) == {"重庆", "Zyx", "北京"}
    assert "counted: nothing" in run("opt-out", shelf, "重庆")
    assert "2 entries of your own" in run("status", shelf)
    with pytest.raises(BadFile):
        run("take", shelf, tmp_path / "none")


def test_counting_through_the_secure_sum():
    secure_sum = pytest.importorskip("resay.federated.secure_sum")
    clients = {number: [COMMON] if number else [COMMON, RARE] for number in range(4)}
    identities = {number: Ed25519PrivateKey.generate() for number in clients}

    def masked(vectors):
        length = len(next(iter(vectors.values())))
        round_ = secure_sum.Round("dictionary", length, tuple(sorted(vectors)), length, 3)
        return secure_sum.run(round_, vectors, identities)

    assert count_round(clients, NONCE, 3, masked) == {COMMON: 4}
