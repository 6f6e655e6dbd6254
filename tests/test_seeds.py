"""The seed library: roles are kept, recalled, exported, and told apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from resay import manifest, seeds, voices
from resay.errors import BadFile, BadOption
from resay.prosody import Sampling
from resay.seeds import Role, SeedLibrary, Settings

ROOT = Path(__file__).resolve().parent.parent


def refused(result, code=2):
    assert result[0] == code, result
    return result[2].splitlines()[-1]


@pytest.fixture
def kept(tmp_path) -> SeedLibrary:
    library = SeedLibrary(tmp_path / "library" / "seeds.jsonl")
    settings = Settings(Sampling("topk", top_k=9), speed=1.25)
    library.add(Role("张老师", 42, "Ada", scene="标准教学", character="平稳 | 清晰", settings=settings))
    library.add(Role("李老师", 88, "小明"))
    return library


def test_roles_come_back_as_they_were_saved(kept):
    one, two = kept
    assert (one.number, one.name, one.seed, one.voice, one.settings.speed) == (1, "张老师", 42, "Ada", 1.25)
    assert one.settings.sampling == Sampling("topk", top_k=9)
    assert two.settings == Settings()
    assert [SeedLibrary(kept.path).get(key).name for key in ("张老师", "#2", " 李老师 ")] == [
        "张老师",
        "李老师",
        "李老师",
    ]


def test_role_is_recalled_by_its_seed_alone(kept):
    assert [role.name for role in kept.find("88")] == ["李老师"]
    assert kept.get("42").name == "张老师"
    assert kept.get("2").name == "李老师"  # no role has seed 2, so it is the number
    kept.add(Role("王老师", 88, "Ada"))
    assert [role.name for role in kept.find("88")] == ["李老师", "王老师"]
    with pytest.raises(BadOption, match="several roles"):
        kept.get("88")


def test_numbers_are_never_given_again(kept):
    kept.remove("#2")
    assert kept.add(Role("新", 7, "Ada")).number == 3
    assert kept.add(replace(kept.get("新"), seed=8), overwrite=True).number == 3
    assert [role.seed for role in kept] == [42, 8]


@pytest.mark.parametrize("name", ["", "  ", "42", "#3", "x" * 81, "a\u200bb", "a\nb"])
def test_bad_names_are_refused(kept, name):
    with pytest.raises(BadOption):
        kept.add(Role(name, 1, "Ada"))


def test_taken_and_unknown_names_are_refused(kept):
    with pytest.raises(BadOption, match="already"):
        kept.add(Role("张老师", 1, "Ada"))
    with pytest.raises(BadOption, match="did you mean 张老师"):
        kept.get("张老")


def test_collisions_are_told(kept):
    same = Role("甲", 88, "小明")
    assert "will sound the same" in next(seeds.collisions(same, kept))
    assert "has seed 88 as well" in next(seeds.collisions(replace(same, voice="Ada"), list(kept)[1:]))
    assert "speaks in the voice 小明" in next(seeds.collisions(replace(same, seed=1), kept))
    assert list(seeds.collisions(kept.get("张老师"), kept)) == []


@pytest.mark.parametrize("line", ["junk", "[]", '{"name": "x"}', '{"name": "x", "seed": -1, "voice": "y"}', '{"a": 1}'])
def test_damaged_library_names_its_line(kept, line):
    kept.path.write_text(kept.path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(BadFile, match="line 4"):
        list(kept)


def test_markdown_has_a_row_for_every_role(kept):
    rows = [line for line in seeds.to_markdown(kept).splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    assert "| 张老师 | 42 | Ada | 标准教学 | 平稳 \\| 清晰 |" in rows[1]


# The commands


def test_role_speaks_as_it_was_accepted(run, work):
    run("speak", "早上好。", "--voice", "小明", "--seed", "88", "--speed", "1.5", "-o", "accepted.wav")
    assert run("seeds", "add", "李老师", "--from", "accepted.wav", "--scene", "新闻")[0] == 0
    assert run("speak", "早上好。", "--role", "李老师", "-o", "again.wav")[0] == 0
    again = manifest.read("again.json")
    assert again.output.digest == manifest.read("accepted.json").output.digest
    role = json.loads(run("seeds", "show", "李老师", "--json")[1])["roles"][0]
    assert role["accepted"] == again.output.digest
    assert (role["seed"], role["scene"]) == (88, "新闻")


def test_what_is_said_on_the_command_line_wins_over_the_role(run, work):
    run("seeds", "add", "甲", "--voice", "Ada", "--seed", "7", "--speed", "2")
    run("speak", "Hi.", "--role", "甲", "--seed", "9", "--voice", "小明", "-o", "out.wav")
    made = manifest.read("out.json")
    assert (made.request.seed, made.request.speed, made.voice.name) == (9, 2.0, "小明")


def test_roles_are_listed_removed_and_exported(run, work):
    run("seeds", "add", "甲", "--voice", "Ada", "--seed", "7")
    assert "same voice and seed" in run("seeds", "add", "乙", "--voice", "Ada", "--seed", "7")[2]
    code, out, err = run("seeds", "list")
    assert code == 0
    assert "甲" in out
    assert "will sound the same" in err
    assert run("seeds", "export")[0] == 0
    assert "| 2 | 乙 | 7 | Ada |" in (work / "docs" / "tts_seed_log.md").read_text(encoding="utf-8")
    assert run("seeds", "remove", "甲")[0] == 0
    assert [role["name"] for role in json.loads(run("seeds", "list", "--json")[1])["roles"]] == ["乙"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["add", "甲", "--voice", "Ada"], "--seed N"),
        (["add", "甲", "--seed", "1"], "--voice"),
        (["add", "甲", "--seed", "1", "--voice", "Adda"], "did you mean Ada"),
        (["add", "甲", "--seed", "1", "--voice", "Ada", "--speed", "9"], "speed"),
        (["add", "甲", "--from", "none.wav"], "no such file"),
        (["show", "nobody"], "no role"),
        (["remove", "nobody"], "no role"),
        (["export", "log.txt"], "Markdown"),
    ],
)
def test_bad_commands_are_one_line(run, work, arguments, problem):
    assert problem in refused(run("seeds", *arguments))
    assert "no role" in refused(run("speak", "Hi.", "--role", "nobody"))
    assert list(work.iterdir()) == []


def test_changed_manifest_makes_no_role(run, work):
    run("speak", "Hi.", "--voice", "Ada", "-o", "out.wav")
    data = json.loads((work / "out.json").read_text(encoding="utf-8"))
    data["request"]["seed"] = 1
    (work / "out.json").write_text(json.dumps(data), encoding="utf-8")
    assert "manifest: " in refused(run("seeds", "add", "甲", "--from", "out.json"), code=4)


def test_log_in_the_documents_is_that_of_the_kept_library():
    library = SeedLibrary(ROOT / "configs" / "seeds.jsonl")
    assert (ROOT / "docs" / "tts_seed_log.md").read_text(encoding="utf-8") == seeds.to_markdown(library)
    shipped = {path.stem for path in voices.SHIPPED.glob("*.voice")}
    assert {role.voice for role in library} <= shipped
