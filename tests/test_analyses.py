"""Texts that were read are kept: what comes back is what was read, or it is read again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resay import text
from resay.errors import BadText
from resay.text import Lexicon, analyses
from resay.text.analyses import Analyses

TEXTS = (
    "行长说，银行明天早上九点开门。\nIt costs $3.50, he said.",
    "请打开 Wi-Fi<break time='300ms'/>然后 [[chóng qìng]]。",
    "共有3,250人，增长12.5%！",
)


@pytest.fixture
def kept(tmp_path: Path) -> Analyses:
    return Analyses(tmp_path / "texts")


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch):
    """From now on nothing can be read that was not kept."""

    def forbid() -> None:
        def read(*arguments: object) -> None:
            raise AssertionError("was read again")

        monkeypatch.setattr(analyses, "read", read)

    return forbid


def files(kept: Analyses) -> list[Path]:
    return [path for path in kept.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("written", TEXTS)
def test_what_comes_back_is_what_was_read(kept, unread, written):
    expected = list(text.sentences(written))
    assert list(kept.sentences(written)) == expected
    unread()
    assert list(kept.sentences(written)) == expected
    assert len(files(kept)) == 1


def test_everything_that_decides_a_reading_is_part_of_the_key(kept):
    lexicon = Lexicon({"2024": "yī èr"})
    ways = [("2024", "zh", None, "zh"), ("2024", "en", None, "zh"), ("2024", "auto", None, "en")]
    ways += [("2024", "zh", lexicon, "zh"), ("2024", "zh", Lexicon({"2024": "sān"}), "zh"), ("2025", "zh", None, "zh")]
    for _ in range(2):
        for way in ways:
            assert list(kept.sentences(*way)) == list(text.sentences(*way))
    assert len(files(kept)) == len(ways)


def test_other_frontend_reads_again(kept, monkeypatch):
    list(kept.sentences("你好。"))
    monkeypatch.setattr(analyses, "_frontend", lambda: "another")
    list(kept.sentences("你好。"))
    assert len(files(kept)) == 2


@pytest.mark.parametrize("damage", [lambda it: it[:-9], lambda it: it.replace(b"ao3", b"ao4"), lambda it: b""])
def test_damaged_file_is_read_again_and_mended(kept, damage):
    expected = list(kept.sentences("你好。"))
    (path,) = files(kept)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert path.read_bytes() != whole
    assert list(kept.sentences("你好。")) == expected
    assert path.read_bytes() == whole


def test_refusals_and_long_texts_are_not_kept(kept, monkeypatch):
    with pytest.raises(BadText):
        list(kept.sentences("。。。"))
    monkeypatch.setattr(analyses, "LONGEST_TEXT", 3)
    assert list(kept.sentences("你好吗。")) == list(text.sentences("你好吗。"))
    assert files(kept) == []


def test_folder_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert list(Analyses(tmp_path / "file").sentences("你好。")) == list(text.sentences("你好。"))


def test_oldest_make_room(kept, monkeypatch):
    monkeypatch.setattr(analyses, "MOST_FILES", 1)
    for number in range(300):
        list(kept.sentences(f"{number}。"))
    assert len(files(kept)) == len({path.parent for path in files(kept)})


def test_cache_changes_no_sound(work, unread):
    from resay.cli import main

    line = {"uttid": "a", "voice": "lan", "syn_text": "行长说，<break time='0.2s'/>再见。"}
    lines = [line, {**line, "uttid": "b", "seed": 7}, {**line, "uttid": "c", "lexicon": "one.jsonl"}]
    (work / "t.jsonl").write_text("".join(json.dumps(it) + "\n" for it in lines), encoding="utf-8")
    (work / "one.jsonl").write_text('{"grapheme": "行长", "phoneme": "xíng cháng"}\n', encoding="utf-8")
    assert main(["batch", "t.jsonl", "-o", "without"]) == 0
    assert main(["batch", "t.jsonl", "-o", "first", "--use-cache"]) == 0
    unread()
    assert main(["batch", "t.jsonl", "-o", "second", "--use-cache"]) == 0
    contents = [
        {path.name: path.read_bytes() for path in (work / name).iterdir()} for name in ("without", "first", "second")
    ]
    assert contents[0] == contents[1] == contents[2]
    assert len(contents[0]) == 7
