"""`resay lexicon` and `--phoneme`: what is told, what is written, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resay.cli import main
from resay.text import Lexicon

GOOD = '{"grapheme": "重庆", "phoneme": "chóng qìng"}\n{"grapheme": "AI", "phoneme": "ei ai"}\n'
PHONEME_LEXICON = Path(__file__).resolve().parent.parent / "configs" / "G2P_replace_dict.jsonl"


@pytest.fixture
def run(work: Path, capfd: pytest.CaptureFixture[str]):
    """Runs `resay`; gives its exit code, standard output and standard error."""

    def command(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return command


def test_check_names_every_place(run, work) -> None:
    Path("good.jsonl").write_text(GOOD, encoding="utf-8")
    Path("bad.jsonl").write_text(GOOD + '{"grapheme": "行", "phoneme": "xing9"}\nnonsense\n', encoding="utf-8")
    code, out, err = run("lexicon", "check", "good.jsonl", "bad.jsonl")
    assert code == 2
    assert err.count("\n") == 1
    lines = out.splitlines()
    assert lines[0].startswith("good.jsonl: 2 entries, version 0, sha256:")
    assert lines[1].startswith("bad.jsonl, line 3, column 31: unknown phoneme 'xing9'")
    assert lines[2].startswith("bad.jsonl, line 4, column 1: not JSON")
    report = json.loads(run("lexicon", "check", "bad.jsonl", "--json")[1])
    assert not report["accepted"]
    assert [(it["line"], it["column"]) for it in report["files"][0]["problems"]] == [(3, 31), (4, 1)]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('{"grapheme": "a\\ud800", "phoneme": "a1"}', "line 1, column 15"),
        ("[" * 100_000, "line 1, column 1"),
        ('{"version": -1}', "line 1, column 13"),
        ('{"version": ' + "9" * 5000 + "}", "line 1, column 1"),
        ('{"grapheme": "a\\nb", "phoneme": "a1"}', "line 1, column 15"),
        ('{"grapheme": "好", "phoneme": "a1\\u0000"}', "line 1, column 33"),
        (
            "<lexicon>\n <lexeme><grapheme>好</grapheme>\n<phoneme> xx9</phoneme></lexeme></lexicon>",
            "line 3, column 11",
        ),
        ("<lexicon><lexeme><grapheme>好</grapheme></lexeme></lexicon>", "line 1, column 10: the reading is empty"),
        ("<lexicon><lexeme><grapheme>a</grapheme><alias>b</alias></lexeme></lexicon>", "line 1, column 10: an <alias>"),
        ("<lexicon><lexeme><phoneme>a1</phoneme></lexeme></lexicon>", "line 1, column 10: the grapheme is empty"),
        ("<lexicon><lexeme></lexicon>", "line 1, column 20: not XML"),
        ("<words/>", "line 1, column 1: the root"),
    ],
)
def test_check_survives_what_is_no_lexicon(run, content: str, place: str) -> None:
    Path("bad").write_text(content, encoding="utf-8")
    code, out, err = run("lexicon", "check", "bad")
    assert (code, err.count("\n")) == (2, 1)
    assert out.startswith(f"bad, {place}")


def test_unreadable_files_are_told_in_one_line(run, work) -> None:
    Path("latin").write_bytes(b"\xff\xfe")
    for name in ("nowhere.jsonl", "latin", "."):
        code, out, err = run("lexicon", "check", name)
        assert (code, out, err.count("\n")) == (2, "", 1)


def test_add_makes_keeps_order_and_counts(run, work) -> None:
    assert run("lexicon", "add", "new/mine.jsonl", "重庆", "chóng qìng")[0] == 0
    run("lexicon", "add", "new/mine.jsonl", "AI", "ei ai")
    report = json.loads(run("lexicon", "add", "new/mine.jsonl", "重庆", "chong2 qing4", "--json")[1])
    assert (report["entries"], report["version"]) == (2, 3)
    kept = Lexicon.load("new/mine.jsonl")
    assert list(kept.entries.items()) == [("重庆", "chong2 qing4"), ("AI", "ei ai")]
    before = Path("new/mine.jsonl").read_bytes()
    assert json.loads(run("lexicon", "add", "new/mine.jsonl", "AI", "ei ai", "--json")[1])["version"] == 3
    code, out, err = run("lexicon", "add", "new/mine.jsonl", "AI", "xyz9")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "xyz9" in err
    assert Path("new/mine.jsonl").read_bytes() == before
    assert [path.name for path in Path("new").iterdir()] == ["mine.jsonl"]


def test_clients_follow_by_increments(run, work) -> None:
    states = [
        {"重庆": "zhòng qìng", "旧": "jiù"},
        {"重庆": "chóng qìng", "旧": "jiù"},
        {"重庆": "chóng qìng", "AI": "ei ai"},
    ]
    for number, entries in enumerate(states):
        Lexicon(entries, version=1).save(f"{number}.jsonl")
        Lexicon(states[0], version=1).save("client.jsonl")
    for number in (1, 2):
        assert run("lexicon", "diff", f"{number - 1}.jsonl", f"{number}.jsonl", "-o", f"{number}.json")[0] == 0
    code, _, err = run("lexicon", "merge", "client.jsonl", "2.json")
    assert code == 2
    assert "2.json" in err
    code, out, err = run("lexicon", "merge", "client.jsonl", "1.json", "1.json", "2.json", "--json")
    assert code == 0
    assert "in the lexicon already" in err
    assert json.loads(out)["digest"] == f"sha256:{Lexicon.load('2.jsonl').digest}"
    assert Lexicon.load("client.jsonl").entries == states[2]
    assert Lexicon.load("client.jsonl").version > 1


def test_merge_of_whole_lexicons(run, work) -> None:
    Lexicon({"a": "a1"}).save("one.jsonl")
    Lexicon({"a": "ba1", "b": "bo1"}).save("two.pls")
    assert run("lexicon", "merge", "one.jsonl", "two.pls", "-o", "both.jsonl")[0] == 0
    assert Lexicon.load("both.jsonl").entries == {"a": "ba1", "b": "bo1"}
    assert Lexicon.load("one.jsonl").entries == {"a": "a1"}


@pytest.mark.parametrize(
    "content", ['{"base": 1}', '{"base": "", "digest": "", "version": "x", "changed": {}, "removed": []}']
)
def test_broken_increments_are_refused(run, work, content: str) -> None:
    Lexicon({"a": "a1"}).save("one.jsonl")
    Path("bad.json").write_text(content, encoding="utf-8")
    code, out, err = run("lexicon", "merge", "one.jsonl", "bad.json")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_pls_there_and_back(run, work) -> None:
    Lexicon({"重庆": "chóng qìng", "a<b&c": "/təˈmeɪtoʊ/"}, version=7).save("one.jsonl")
    assert run("lexicon", "export", "one.jsonl")[0] == 0
    assert run("lexicon", "import", "one.pls", "-o", "back.jsonl")[0] == 0
    assert Path("back.jsonl").read_bytes() == Path("one.jsonl").read_bytes()
    assert run("lexicon", "export", "one.jsonl", "-o", "one.txt")[0] == 2
    assert run("lexicon", "import", "one.pls", "-o", "two.xml")[0] == 2


def test_phoneme_reads_the_dictionary_of_the_working_directory(run, work) -> None:
    code, out, err = run("phonemes", "AI和HTTP", "--phoneme")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "G2P_replace_dict.jsonl" in err
    Path("configs").mkdir()
    Path("configs/G2P_replace_dict.jsonl").write_bytes(PHONEME_LEXICON.read_bytes())
    words = json.loads(run("phonemes", "AI和HTTP在重庆银行", "--phoneme", "--json")[1])["words"]
    assert {word["text"]: " ".join(word["reading"]) for word in words if word["source"] == "lexicon"} == {
        "AI": "ei1 ai1",
        "HTTP": "ha1 chi1 ti1 pi2",
        "重庆": "chong2 qing4",
        "银行": "yin2 hang2",
    }
    Lexicon({"AI": "EY1 AY1"}).save("mine.jsonl")
    words = json.loads(run("phonemes", "AI", "--phoneme", "--lexicon", "mine.jsonl", "--json")[1])["words"]
    assert words[0]["reading"] == ["EY1", "AY1"]


def test_speaking_with_phoneme_names_the_dictionary_in_the_manifest(run, library, fake_engine, work) -> None:
    assert run("speak", "AI在重庆", "--voice", "Ada", "--phoneme", "-o", "out.wav")[0] == 2
    assert not Path("out.wav").exists()
    Path("configs").mkdir()
    Path("configs/G2P_replace_dict.jsonl").write_bytes(PHONEME_LEXICON.read_bytes())
    assert run("speak", "AI在重庆", "--voice", "Ada", "--phoneme", "-o", "out.wav")[0] == 0
    manifest = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert [lexicon["name"] for lexicon in manifest["inputs"]["lexicons"]] == ["G2P_replace_dict.jsonl"]
    assert "ei1" in manifest["pieces"][0]["phonemes"] or "ai1" in manifest["pieces"][0]["phonemes"]
