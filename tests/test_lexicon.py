"""The user's lexicon: what wins, what is refused and where, and how it travels."""

from __future__ import annotations

from pathlib import Path

import pytest

from resay.errors import BadLexicon
from resay.text import Lexicon, sentences
from resay.text import lexicon as lexicons


def readings(text: str, entries: dict[str, str]) -> dict[str, str]:
    """Word → reading of a text under a lexicon."""
    return {
        word.text: " ".join(word.reading) for found in sentences(text, lexicon=Lexicon(entries)) for word in found.words
    }


@pytest.mark.parametrize(
    ("written", "reading"),
    [
        ("chóng qìng", "chong2 qing4"),
        ("chong2 qing4", "chong2 qing4"),
        ("chóngqìng", "chong2 qing4"),
        ("lǜ", "lv4"),
        ("EY1 AY1", "EY1 AY1"),
        ("ˈriːseɪ", "R IY1 S EY2"),
        ("hā chī tī pí", "ha1 chi1 ti1 pi2"),
        ("ei ai", "ei1 ai1"),
    ],
)
def test_notations(written: str, reading: str) -> None:
    assert readings("好词语好", {"词语": written})["词语"] == reading


def test_entries_win() -> None:
    found = readings("AI和HTTP，行长在重庆。", {"AI": "ei ai", "HTTP": "hā chī tī pí", "行长": "xíng cháng"})
    assert found["AI"] == "ei1 ai1"
    assert found["HTTP"] == "ha1 chi1 ti1 pi2"
    assert found["行长"] == "xing2 chang2"


def test_longest_entry_wins() -> None:
    assert readings("重庆市", {"重庆": "zhòng qìng", "重庆市": "chóng qìng shì"}) == {"重庆市": "chong2 qing4 shi4"}


def test_letters_match_whole_words() -> None:
    found = readings("AI MAIN resay Resay", {"AI": "EY1", "resay": "R IY1"})
    assert found["MAIN"] == "M EY1 N"
    assert found["Resay"] == "R IY1"


def test_entry_beats_numbers() -> None:
    assert readings("5G网络", {"5G": "wǔ jī"})["5G"] == "wu3 ji1"


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ('{"grapheme": "重庆", "phoneme": "chóng qxng4"}', 38, "unknown phoneme"),
        ('{"grapheme": "重庆", "phoneme": }', 31, "not JSON"),
        ('{"grapheme": "重庆"}', 1, "phoneme is missing"),
        ('{"grapheme": "", "phoneme": "a1"}', 15, "grapheme is empty"),
        ('{"grapheme": "好", "phoneme": ""}', 31, "reading is empty"),
        ('{"grapheme": "好", "phoneme": 5}', 30, "must be text"),
        ('["重庆"]', 1, "expected an object"),
    ],
)
def test_bad_line_says_where(tmp_path: Path, line: str, column: int, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"grapheme": "好", "phoneme": "hao3"}\n\n' + line + "\n", encoding="utf-8")
    with pytest.raises(BadLexicon, match=f"line 3, column {column}: .*{message}"):
        Lexicon.load(path)
    assert [problem.line for problem in lexicons.check(path)] == [3]


def test_missing_file() -> None:
    with pytest.raises(BadLexicon, match="cannot be read"):
        Lexicon.load("nowhere.jsonl")


@pytest.mark.parametrize("name", ["lexicon.jsonl", "lexicon.pls"])
def test_written_and_read_again(tmp_path: Path, name: str) -> None:
    entries = Lexicon({"重庆": "chóng qìng", "AI": "EY1 AY1", "a<b&c": "hao3"})
    entries.save(tmp_path / name)
    again = Lexicon.load(tmp_path / name)
    assert again.entries == entries.entries
    assert again.digest == entries.digest


def test_pls_with_ipa(tmp_path: Path) -> None:
    path = tmp_path / "x.pls"
    path.write_text(
        '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" xml:lang="en">'
        "<lexeme><grapheme>tomato</grapheme><phoneme>təmeɪtoʊ</phoneme></lexeme></lexicon>",
        encoding="utf-8",
    )
    found = next(sentences("tomato", lexicon=Lexicon.load(path)))
    assert found.words[0].reading == ("T", "AH0", "M", "EY1", "T", "OW2")


def test_pls_entities_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pls"
    path.write_text('<?xml version="1.0"?>\n<!DOCTYPE l [<!ENTITY a "aaa">]><lexicon>&a;</lexicon>', encoding="utf-8")
    with pytest.raises(BadLexicon, match=r"line 2, column 1: .*document type"):
        Lexicon.load(path)


def test_increments() -> None:
    older = Lexicon({"重庆": "zhòng qìng", "旧": "jiù"}, version=1)
    newer = older.add("重庆", "chóng qìng").add("AI", "EY1 AY1")
    newer = Lexicon({key: value for key, value in newer.entries.items() if key != "旧"}, newer.version)
    increment = lexicons.Increment.from_json(older.diff(newer).to_json())
    assert increment.changed == {"AI": "EY1 AY1", "重庆": "chóng qìng"}
    assert increment.removed == ("旧",)
    assert older.apply(increment) == newer
    with pytest.raises(BadLexicon, match="is for lexicon"):
        newer.apply(increment)


def test_merge_lets_the_later_win() -> None:
    merged = Lexicon({"a": "a1", "b": "b o1"} | {"b": "bo1"}).merge(Lexicon({"b": "ba1"}))
    assert merged.entries == {"a": "a1", "b": "ba1"}
