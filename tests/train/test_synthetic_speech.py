"""Shards of a teacher's speech: what training reads of them is what the teacher planned."""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from resay.train.recordings import Recordings, prepare
from resay.train.release import DEFAULT_VOICES

ROOT = Path(__file__).resolve().parent.parent.parent
VOICES = ("zf_xiaobei", "zm_yunjian", "af_heart", "am_michael", "jm_kumo")


class Teacher:
    """Says a tone a unit longer for every symbol."""

    def __init__(self, *_: object) -> None:
        self.styles = dict.fromkeys(VOICES, np.zeros((510, 256), np.float32))

    def say(self, parts, timbre, prosody, speed):
        units = [1 + len(part) for part in parts]
        units[0] += 8
        units[-1] += 8
        turns = np.cumsum(np.full(600 * sum(units), 180.0 / 24000))
        return 0.2 * np.sin(2 * np.pi * turns).astype(np.float32), units


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    spec = importlib.util.spec_from_file_location("synthetic_speech", ROOT / "runs" / "synthetic_speech.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "Teacher", Teacher)
    return module


@pytest.fixture
def texts(tmp_path: Path) -> list[str]:
    lines = {
        "zh": ["今天早上下了一场小雨。", "好。", "他们在河边等了很久。"],
        "en": ["The rain fell softly on the roof.", "No."],
    }
    for language, said in lines.items():
        (tmp_path / f"{language}.gz").write_bytes(gzip.compress("\n".join(said).encode()))
    return [part for language in lines for part in (f"--{language}", str(tmp_path / f"{language}.gz"))]


def made(script, texts: list[str], into: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> dict[str, bytes]:
    command = ["x", "KOKORO", *texts, "--into", str(into), "--shards", "2", "--clips", "8", *more]
    monkeypatch.setattr("sys.argv", command)
    assert script.main() == 0
    return {path.name: path.read_bytes() for path in sorted(into.iterdir())}


def test_training_reads_durations_as_planned_and_the_pitch_that_sounds(script, texts, tmp_path, monkeypatch) -> None:
    found = made(script, texts, tmp_path / "made", monkeypatch)
    assert set(found) == {f"made-0{n}{end}" for n in (0, 1) for end in (".tar", ".jsonl")}
    assert prepare(tmp_path / "made", tmp_path / "cache", 1) == 16
    data = Recordings(tmp_path / "cache")
    rows = {row["id"]: row for name in found if name.endswith("l") for row in map(json.loads, found[name].splitlines())}
    for clip in data.clips:
        row = rows[clip.id]
        assert len(row["phones"]) > script.SOUNDS[0] - 1, "short lines are passed over"
        assert clip.durations is not None
        assert sum(clip.durations) == clip.frames
        assert list(clip.durations[1:-1]) == [2 * units for units in row["dur"][1:-1]]
        assert np.median(data.pitch(clip)) == pytest.approx(180.0, rel=0.02)
        assert clip.speaker == "+".join(f"{name}:{share:g}" for name, share in sorted(map(tuple, row["timbre"])))
        assert sum(share for _, share in row["timbre"]) == pytest.approx(1.0)
    assert {row["lang"] for row in rows.values()} == {"zh", "en"}


def test_a_stopped_run_goes_on_to_the_same_shards(script, texts, tmp_path, monkeypatch) -> None:
    whole = made(script, texts, tmp_path / "a", monkeypatch)
    again = tmp_path / "b"
    again.mkdir()
    for name in ("made-01.jsonl", "made-01.tar"):
        (again / name).write_bytes(b"kept")
    found = made(script, texts, again, monkeypatch)
    assert found["made-01.jsonl"] == b"kept"
    assert found["made-00.jsonl"] == whole["made-00.jsonl"]
    assert whole["made-00.jsonl"] != whole["made-01.jsonl"]


def test_the_default_voices_have_the_share_that_is_asked_for(script, texts, tmp_path, monkeypatch) -> None:
    natives = {speaker for _, _, speaker, _ in DEFAULT_VOICES.values()}
    for share in (0, 1):
        found = made(script, texts, tmp_path / f"{share}", monkeypatch, "--natives", f"{share}")
        rows = [row for name in found if name.endswith("l") for row in map(json.loads, found[name].splitlines())]
        own = ["+".join(f"{name}:{part:g}" for name, part in row["timbre"]) in natives for row in rows]
        assert all(own) if share else sum(own) < len(own) / 2


def test_one_text_alone_makes_clips_of_its_language(script, texts, tmp_path, monkeypatch, capsys) -> None:
    found = made(script, texts[:2], tmp_path / "made", monkeypatch)
    rows = [json.loads(line) for name in found if name.endswith("l") for line in found[name].splitlines()]
    assert len(rows) == 16
    assert {row["lang"] for row in rows} == {"zh"}
    with pytest.raises(SystemExit, match="2"):
        made(script, [], tmp_path / "none", monkeypatch)
    assert "--zh, --en or both" in capsys.readouterr().err
