"""Packed tables answer as the dictionaries they were packed from."""

from __future__ import annotations

import pytest

from resay.text import tables

WORDS = {"a": "1", "aa": "", "ab": "22", "é": "3", "银行": "yin2 hang2", "𠮷": "4", "z": "5"}


def packed(table: dict[str, str]) -> tables.Table:
    keys = sorted(table)
    return tables.Table("\n".join(keys).encode(), "\n".join(table[key] for key in keys).encode())


def test_every_key_is_found_and_nothing_else():
    table = packed(WORDS)
    assert dict(table.items()) == WORDS
    assert all(table[key] == value for key, value in WORDS.items())
    for missing in ("", "A", "aaa", "b", "银", "行", "zz", "\ud800"):
        assert missing not in table
        assert table.get(missing) is None
    with pytest.raises(KeyError):
        table["b"]


def test_one_entry_is_a_table():
    assert dict(packed({"only": "one"}).items()) == {"only": "one"}


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="equally long"):
        tables.Table(b"a\nb", b"1")


@pytest.mark.parametrize("name", ["english", "mandarin_characters", "mandarin_phrases", "heteronyms"])
def test_shipped_tables_are_sorted(name):
    table = tables.read(name)
    keys = list(table)
    assert keys == sorted(set(keys))
    assert all(key in table for key in keys[:: max(1, len(keys) // 500)])
