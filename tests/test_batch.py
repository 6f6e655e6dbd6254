"""Batches: nothing goes missing, nothing is done twice, and an item is what the same text is alone."""

from __future__ import annotations

import importlib
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from resay import batch, manifest
from resay.errors import BadFile


def refused(result, code=2):
    assert result[0] == code, result
    return result[2].splitlines()[-1]


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


LINES = (
    {"prompt_audio": "Ada", "input_text": "Good morning.", "output_name": "one"},
    {"uttid": "two", "prompt_text": "hello", "prompt_speech": "小明", "syn_text": "早上好。"},
    {"uttid": "three", "syn_text": "Good morning.", "voice": "Ada", "seed": 88, "speed": 1.5, "format": "flac"},
)


@pytest.fixture
def table(work) -> Path:
    return write(work / "tasks.jsonl", *LINES)


def index(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "index.jsonl").read_text(encoding="utf-8").splitlines()]


def test_both_forms_are_spoken_with_their_overrides(run, work, table):
    code, out, err = run("batch", table, "-o", "out", "--seed", "7")
    assert (code, err) == (0, "")
    assert "3 of 3" in out
    assert [entry["output"] for entry in index(work / "out")] == ["one.wav", "two.wav", "three.flac"]
    assert [entry["seed"] for entry in index(work / "out")] == [7, 7, 88]
    assert manifest.read("out/three.json").request.speed == 1.5
    assert manifest.read("out/two.json").voice.name == "小明"


def test_item_equals_the_same_text_spoken_alone(run, work, table):
    run("batch", table, "-o", "out")
    run("speak", "Good morning.", "--voice", "Ada", "-o", "one.wav")
    for name in ("one.wav", "one.json"):
        assert (work / "out" / name).read_bytes() == (work / name).read_bytes()


def test_line_may_name_a_role(run, work):
    run("seeds", "add", "李老师", "--voice", "小明", "--seed", "88", "--speed", "1.5")
    lines = ({"uttid": "a", "syn_text": "Hi.", "role": "李老师"}, {"uttid": "b", "syn_text": "Hi.", "role": "nobody"})
    code, _, err = run("batch", write(work / "t.jsonl", *lines), "-o", "out", "--voice", "Ada", "--seed", "7")
    assert code == 2
    assert "no role 'nobody'" in err
    made = manifest.read("out/a.json")
    assert (made.voice.name, made.request.seed, made.request.speed) == ("小明", 88, 1.5)


def test_role_of_the_batch_gives_way_to_that_of_a_line(run, work):
    run("seeds", "add", "李老师", "--voice", "小明", "--seed", "88", "--speed", "1.5")
    run("seeds", "add", "旁白", "--voice", "Ada", "--seed", "7")
    lines = [{"uttid": "a", "syn_text": "Hi."}, {"uttid": "b", "syn_text": "Hi.", "role": "旁白"}]
    lines += [{"uttid": "c", "syn_text": "Hi.", "voice": "Ada"}]
    assert run("batch", write(work / "t.jsonl", *lines), "-o", "out", "--role", "李老师")[0] == 0
    made = [manifest.read(f"out/{name}.json") for name in "abc"]
    assert [it.voice.name for it in made] == ["小明", "Ada", "Ada"]
    assert [(it.request.seed, it.request.speed) for it in made] == [(88, 1.5), (7, 1.0), (88, 1.5)]


def test_order_of_lines_changes_nothing(run, work, table):
    run("batch", table, "-o", "out")
    run("batch", write(work / "back.jsonl", *reversed(LINES)), "-o", "back")
    for path in (work / "out").iterdir():
        if path.name != "index.jsonl":
            assert (work / "back" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"uttid": "x", "syn_text": "नमस्ते", "voice": "Ada"}, "Devanagari"),
        ({"uttid": "x", "syn_text": "Hi.", "voice": "Adda"}, "did you mean Ada"),
        ({"uttid": "x", "syn_text": "Hi."}, "--voice"),
        ({"uttid": "x", "syn_text": "", "voice": "Ada"}, "input_text is missing"),
        ({"syn_text": "Hi.", "voice": "Ada"}, "output_name is missing"),
        ({"uttid": "../x", "syn_text": "Hi.", "voice": "Ada"}, "plain name"),
        ({"uttid": "/x", "syn_text": "Hi.", "voice": "Ada"}, "plain name"),
        ({"uttid": "ONE", "syn_text": "Hi.", "voice": "Ada"}, "output of line 1"),
        ({"uttid": "x", "syn_text": "Hi.", "voice": "Ada", "sped": 2}, "unknown field 'sped'"),
        ({"uttid": "x", "syn_text": "Hi.", "voice": "Ada", "speed": 9}, "speed"),
        ({"uttid": "x", "syn_text": "Hi.", "voice": "Ada", "speed": "fast"}, "speed"),
        ({"uttid": "x", "syn_text": "Hi.", "voice": "Ada", "seed": -1}, "--seed must be"),
        ({"uttid": "x", "syn_text": "Hi.", "voice": "Ada", "format": "aiff"}, "aiff"),
        ({"uttid": "x", "syn_text": "Hi.", "voice": "Ada", "lexicon": "none.jsonl"}, "none.jsonl"),
        ({"uttid": "x", "syn_text": "Hi.", "voice": ["Ada"]}, "voice"),
        ({"uttid": "x", "syn_text": "Hi.", "voice": "Ada", "style": 7}, "style 7"),
        ({"uttid": "x", "syn_text": "Hi.", "voice": "Ada", "sample_rate": 8000}, "24000 or 32000"),
        (["no object"], "no JSON object"),
    ],
)
def test_wrong_line_is_told_and_the_others_are_spoken(run, work, line, problem):
    table = write(work / "tasks.jsonl", *LINES, line)
    code, _, err = run("batch", table, "-o", "out")
    assert code == 2
    assert problem in err
    entries = index(work / "out")
    assert [entry["status"] for entry in entries] == ["done", "done", "done", "failed"]
    assert problem in entries[3]["error"]


def test_clip_without_consent_exits_with_3(run, work, clip):
    table = write(work / "tasks.jsonl", {"uttid": "x", "prompt_speech": str(clip), "syn_text": "Hi."})
    assert "--consent own" in refused(run("batch", table, "-o", "out"), code=3)
    assert run("batch", table, "-o", "out", "--consent", "own")[0] == 0


def test_transcript_of_a_line_is_its_clips_alone(run, work, clip, fake_engine, monkeypatch):
    told, listen = [], fake_engine.listen
    monkeypatch.setattr(fake_engine, "listen", lambda sound, words=None: told.append(words) or listen(sound, words))
    row = {"prompt_speech": str(clip), "syn_text": "Hi."}
    lines = [{**row, "uttid": name, "prompt_text": words} for name, words in (("a", "Good morning."), ("b", ""))]
    lines += [{**row, "uttid": "c"}, {**row, "uttid": "d", "prompt_text": "Good morning.", "syn_text": "早上好。"}]
    lines += [{**row, "uttid": "e", "prompt_text": "早上好。"}, {"uttid": "f", "syn_text": "Hi.", "prompt_text": "Hi."}]
    options = ("-o", "out", "--consent", "own", "--voice", clip)
    assert run("batch", write(work / "tasks.jsonl", *lines), *options)[0] == 0
    made = {name: manifest.read(f"out/{name}.json") for name in "abcdef"}
    words = {name: one.inputs.transcript for name, one in made.items()}
    good, morning = "Good morning.", "早上好。"
    assert words == {"a": good, "b": None, "c": None, "d": good, "e": morning, "f": "Hi."}
    assert sorted(map(str, told)) == sorted(["None", good, morning, "Hi."])  # each once, whoever asks
    assert made["a"].voice.digest == made["d"].voice.digest != made["b"].voice.digest
    assert run("speak", "Hi.", "--prompt-text", good, "--voice", clip, "--consent", "own", "-o", "a.wav")[0] == 0
    for name in ("a.wav", "a.json"):
        assert (work / "out" / name).read_bytes() == (work / name).read_bytes()
    assert json.loads(run("batch", "tasks.jsonl", *options, "--resume", "--json")[1])["resumed"] == 6


def test_transcript_that_is_no_text_is_told(run, work, clip):
    table = write(work / "t.jsonl", {"uttid": "x", "prompt_speech": str(clip), "syn_text": "Hi.", "prompt_text": 7})
    assert "prompt_text 7" in refused(run("batch", table, "-o", "out", "--consent", "own"))


def test_fault_of_ours_in_one_item_does_not_lose_the_others(run, work, table, fake_engine, monkeypatch):
    stream = fake_engine.stream
    monkeypatch.setattr(
        fake_engine, "stream", lambda request, *a, **o: 1 / 0 if "早" in request.text else stream(request, *a, **o)
    )
    assert "internal error: ZeroDivisionError" in refused(run("batch", table, "-o", "out"))
    assert [entry["status"] for entry in index(work / "out")] == ["done", "failed", "done"]


def test_resumed_batch_speaks_only_what_is_missing_or_changed(run, work, table):
    run("batch", table, "-o", "out")
    before = {path.name: path.read_bytes() for path in (work / "out").iterdir()}
    (work / "out" / "one.json").unlink()  # as if it had been killed between the two renames
    (work / "out" / "two.wav").write_bytes(b"damaged")
    (work / "out" / ".one.wav.abcd1234").write_bytes(b"left behind")
    report = json.loads(run("batch", table, "-o", "out", "--resume", "--json")[1])
    assert (report["spoken"], report["resumed"]) == (3, 1)
    assert {path.name: path.read_bytes() for path in (work / "out").iterdir()} == before
    report = json.loads(run("batch", table, "-o", "out", "--resume", "--seed", "1", "--json")[1])
    assert report["resumed"] == 1  # line three has a seed of its own


def test_everything_is_packed(run, work, table):
    assert run("batch", table, "-o", "out", "--zip", "all.zip")[0] == 0
    with zipfile.ZipFile(work / "all.zip") as file:
        names = sorted(file.namelist())
        assert file.read("one.wav") == (work / "out" / "one.wav").read_bytes()
    assert names == ["index.jsonl", "one.json", "one.wav", "three.flac", "three.json", "two.json", "two.wav"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--address", "127.0.0.1:6379"], "no meaning with --engine local"),
        (["--seed", "random", "--resume"], "has no meaning"),
        (["--speed", "9"], "speed"),
        (["--seed", "x"], "--seed must be"),
        (["--workers", "0"], "workers"),
    ],
)
def test_bad_common_option_is_told_once(run, work, table, arguments, problem):
    assert problem in refused(run("batch", table, "-o", "out", *arguments))
    assert not (work / "out").exists()


def test_drawn_seed_serves_the_whole_batch(run, work, table):
    report = json.loads(run("batch", table, "-o", "out", "--seed", "random", "--json")[1])
    assert [result["seed"] for result in report["results"]] == [report["seed"], report["seed"], 88]


def test_table_that_is_none_is_refused(work):
    for content in (b"", b"\n\n", b"\xff\xfe"):
        (work / "t.jsonl").write_bytes(content)
        with pytest.raises(BadFile):
            batch.read(work / "t.jsonl")
    with pytest.raises(BadFile):
        batch.read(work / "none.jsonl")


# With the shipped weights, in processes of their own


@pytest.fixture
def killed_batch(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "bench")
    return importlib.import_module("killed_batch")


@pytest.mark.parametrize(
    ("items", "kills"), [(8, 1), pytest.param(200, 10, marks=pytest.mark.slow)], ids=["small", "full"]
)
def test_killed_batch_goes_on_where_it_stood(killed_batch, items, kills):
    report = killed_batch.measure(items, kills)
    assert report == killed_batch.Report(items, kills, equal=True, spoken_twice=0)


def test_workers_give_the_same_files(killed_batch, work):
    table = killed_batch.table(work / "tasks.jsonl", 6)
    for folder, workers in (("one", "1"), ("two", "2")):
        command = killed_batch.command(table, work / folder, "--workers", workers)
        subprocess.run(command, check=True, capture_output=True)
    assert killed_batch.content(work / "one") == killed_batch.content(work / "two")
