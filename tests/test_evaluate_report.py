"""A whole evaluation with an engine and judges that need no weights: what it hears, writes and refuses."""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("rapidfuzz", reason="extra: evaluate")
from resay import audio
from resay.audio import Audio
from resay.errors import BadFile, BadOption, ResayError
from resay.evaluate import bench, command, finished, held_out, sentences, speaking, speed
from resay.evaluate.evaluation import Evaluation, Options
from resay.evaluate.judges import Judges
from resay.train.recordings import Clip, is_held_out

if TYPE_CHECKING:
    from resay.synthesis import Engine
    from resay.voices import VoiceLibrary


class Recogniser:
    name = "a recogniser"

    def transcribe(self, sound: Audio, language: str) -> str:
        return {"zh": "今天早上下了一场小雨空气特别清新", "en": "the kettle started to whistle"}[language]


class Encoder:
    name = "a speaker encoder"

    def embed(self, sound: Audio) -> np.ndarray:
        random = np.random.default_rng(len(sound.samples))
        vector = np.abs(random.standard_normal(16)).astype(np.float32)
        return vector / np.linalg.norm(vector)


class Quality:
    name = "a quality model"

    def score(self, sound: Audio) -> dict[str, float]:
        return {"overall": 3.0}


JUDGES = Judges(Recogniser(), Encoder(), Quality())  # type: ignore[arg-type]


def held_out_names(count: int) -> list[str]:
    names = (f"speaker{number}" for number in range(10_000))
    return [name for name in names if is_held_out(Clip("", "cv_en", "en", name, "", "", 0, 0, ""))][:count]


@pytest.fixture
def corpus(tmp_path: Path, clip: Path) -> Path:
    """Twelve held-out speakers with two clips each and one that is trained on, as shards are laid out."""
    speech = audio.read(clip)
    folder = tmp_path / "corpus"
    folder.mkdir()
    header = "clip shard set language speaker gender seconds bandwidth_hz floor_db source licence text".split()
    lines = ["\t".join(header)]
    people = [*held_out_names(12), "speaker0"]
    with tarfile.open(folder / "real-00.tar", "w") as tar:
        for place, name in enumerate(people):
            for take in (0, 1):
                seconds = 3.9 - 0.05 * place - 0.02 * take
                content = audio.encode(Audio(speech.samples[: int(seconds * speech.sample_rate)], speech.sample_rate))
                entry = tarfile.TarInfo(f"{name}_{take}.wav")
                entry.size = len(content)
                tar.addfile(entry, BytesIO(content))
                row = [entry.name, "real-00", "cv_en", "en", name, "", f"{seconds}", "8000", "-50", "", "CC0", "a b"]
                lines.append("\t".join(row))
    (folder / "metadata.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def engine(fake_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Evaluation and benchmark get the engine that needs no weights."""
    for module in (command, bench):
        monkeypatch.setattr(module, "Engine", lambda models, threads, *_: fake_engine)
    return fake_engine


def test_only_people_that_nothing_was_trained_on_are_judged(corpus: Path) -> None:
    assert {person.name for person in held_out.people(corpus)} == set(held_out_names(12))
    assert all(recording.speaker != "speaker0" for recording in held_out.recordings(corpus, "en", 99))
    first = held_out.people(corpus, 3)
    assert [person.name for person in first] == [person.name for person in held_out.people(corpus)][:3]
    assert all(len(person.reference.samples) != len(person.other.samples) for person in first)


def test_every_speaker_is_heard_once_before_any_is_heard_twice(corpus: Path) -> None:
    assert len({recording.speaker for recording in held_out.recordings(corpus, "en", 12)}) == 12


def test_a_folder_that_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"metadata\.tsv"):
        held_out.people(tmp_path)


def test_default_voices_and_clones_are_heard(engine: Engine, library: VoiceLibrary, corpus: Path) -> None:
    counted: list[str] = []
    run = Evaluation(JUDGES, Options(sentences=2, clone_sentences=1), counted.append)
    run.default_voices(engine, list(library))
    run.recordings(corpus, None)
    run.clones(engine, corpus)
    assert counted == 4 * [speaking.DEFAULT_VOICES] + 2 * [speaking.PEOPLE] + 12 * [speaking.CLONES]
    rows = {(row.system, row.language): row for row in run.rows()}
    mandarin = rows[speaking.DEFAULT_VOICES, "zh"]
    assert mandarin.error_rate is not None
    assert mandarin.count == 2
    assert rows[speaking.DEFAULT_VOICES, "en"].syllable_error_rate is None
    assert [plans.monotonic for plans in run.plans()] == [1.0, 1.0]
    (likeness,) = run.likeness()
    assert likeness.nearest.count == 12
    assert [row.system for row in run.voice_rows()] == ["小明", "Ada"]


def test_clones_take_turns_with_the_sentences() -> None:
    texts = list("abcde")
    assert [speaking.own_sentences(texts, place, 2) for place in range(3)] == [["a", "b"], ["c", "d"], ["e", "a"]]


def test_copy_synthesis_keeps_the_length() -> None:
    class Echo:
        def decode(self, mel: np.ndarray, pitch: np.ndarray, noise: Callable[[int], np.ndarray]) -> Audio:
            assert mel.shape == (len(pitch), 80)
            breath = noise(len(mel) * audio.FORMAT.hop)
            assert abs(breath.std() - 1) < 0.1
            return Audio(breath)

    original = Audio(np.zeros(16_000, np.float32), 16_000)
    assert speaking.copy_synthesis(Echo(), original).seconds == pytest.approx(1.0)  # type: ignore[arg-type]


def other_system(folder: Path, **changes: str) -> Path:
    folder.mkdir()
    audio.write(folder / "a.wav", Audio(np.full(24_000, 0.1, np.float32)))
    row = {"text": "The kettle started to whistle.", "audio": "a.wav", "language": "en", **changes}
    (folder / "table.jsonl").write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    return folder


def test_another_system_is_judged_from_its_files(tmp_path: Path) -> None:
    run = Evaluation(JUDGES, Options())
    run.finished(other_system(tmp_path / "rival"))
    (row,) = run.rows()
    assert (row.system, row.language, row.count) == ("rival", "en", 1)
    assert row.error_rate is not None
    assert row.error_rate.value == 0.0


@pytest.mark.parametrize("changes", [{"audio": "b.wav"}, {"language": "fr"}])
def test_a_wrong_line_is_named(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(BadFile, match="line 1"):
        list(finished.read(other_system(tmp_path / "rival", **changes)))


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no table"):
        list(finished.read(tmp_path))


def test_the_command_writes_the_page_and_prints_json(
    engine: Engine, library: VoiceLibrary, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.Judges, "open", lambda folder, threads, keep: JUDGES)
    monkeypatch.setattr(command.speed, "cold", lambda *_: speed.Cold(1.25, 1.5, 2.0, 300_000_000, 5))
    page = tmp_path / "docs" / "quality.md"
    options = ["--corpus", str(corpus), "--sentences", "1", "--speakers", "2", "--write", str(page), "--json"]
    result = CliRunner().invoke(command.app, [*options, "--models", str(tmp_path)], catch_exceptions=False)
    found = json.loads(result.stdout)
    assert found["likeness"][0]["nearest"]["count"] == 2
    assert len(found["hearings"]) == 2 + 1 + 4
    text = page.read_text(encoding="utf-8")
    for part in ("## Words and sound", "## Likeness of clones", "## Plans", "## Speed", "a recogniser", "1.25", "300"):
        assert part in text
    assert str(tmp_path) not in text


def test_without_judges_there_are_still_plans_and_speed(
    engine: Engine, library: VoiceLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.speed, "cold", lambda *_: speed.Cold(1.0, 1.0, 2.0, None, 5))
    result = CliRunner().invoke(command.app, ["--sentences", "1"], catch_exceptions=False)
    assert "real time factor" in result.stdout
    assert "100.0 %" in result.stdout
    assert "Likeness" not in result.stdout


def test_anybodys_sentences_are_said_and_named(
    engine: Engine, library: VoiceLibrary, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.Judges, "open", lambda folder, threads, keep: JUDGES)
    own = tmp_path / "own.txt"
    own.write_text("\ufeffNobody chose by this line.\n\n  Nor by this one. \nOnly clones say this.\n", encoding="utf-8")
    options = ["--text", f"en={own}", "--language", "en", "--sentences", "2", "--corpus", str(corpus), "--no-timing"]
    page = tmp_path / "page.md"
    options += ["--speakers", "2", "--models", str(tmp_path), "--json", "--write", str(page)]
    found = json.loads(CliRunner().invoke(command.app, options, catch_exceptions=False).stdout)
    said = {row["text"] for row in found["hearings"] if row["system"] in (speaking.DEFAULT_VOICES, speaking.CLONES)}
    assert said == {"Nobody chose by this line.", "Nor by this one.", "Only clones say this."}
    by_default = [row["text"] for row in found["hearings"] if row["system"] == speaking.DEFAULT_VOICES]
    assert by_default == ["Nobody chose by this line.", "Nor by this one."]
    written = page.read_text(encoding="utf-8")
    assert "--text en=own.txt" in written
    assert f"from `own.txt`, which has 3: sha256:{sha256(own.read_bytes()).hexdigest()}." in written


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["en"], "write zh=FILE or en=FILE"),
        (["fr=a.txt"], "write zh=FILE or en=FILE"),
        (["en=here.txt", "en=here.txt"], "given twice"),
        (["en=gone.txt"], "gone.txt"),
        (["en=empty.txt"], "no sentences"),
        (["en=latin.txt"], "not UTF-8"),
    ],
)
def test_sentences_that_cannot_be_read_are_refused(
    given: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.txt").write_text("Here.\n", encoding="utf-8")
    Path("empty.txt").write_text("\n \n", encoding="utf-8")
    Path("latin.txt").write_bytes("caf\xe9\n".encode("latin-1"))
    with pytest.raises((BadFile, BadOption), match=why):
        sentences.read(given)


def test_a_text_in_a_language_that_is_not_judged_is_refused(tmp_path: Path) -> None:
    """The page would name a text that nobody says."""
    own = tmp_path / "own.txt"
    own.write_text("今天天气很好。\n", encoding="utf-8")
    result = CliRunner().invoke(command.app, ["--text", f"zh={own}", "--language", "en"])
    assert isinstance(result.exception, BadOption)
    assert "--text zh=own.txt: zh is not judged" in str(result.exception)


def test_nothing_to_judge_is_refused() -> None:
    result = CliRunner().invoke(command.app, ["--no-speak"])
    assert "nothing to judge" in str(result.exception)


def test_bench_compares_threads_in_one_run(
    engine: Engine, library: VoiceLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "benchmarks.md"
    options = ["--rounds", "1", "--no-cold", "--write", str(page), "--json", "--models", str(tmp_path)]
    found = json.loads(CliRunner().invoke(bench.app, options, catch_exceptions=False).stdout)
    assert [one["threads"] for one in found["warm"]] == [1, 2]
    assert all(one["sentences"] == 2 * speed.SENTENCES for one in found["warm"])
    assert "real time factor" in page.read_text(encoding="utf-8")


def test_a_process_is_timed_with_its_own_memory() -> None:
    ours = bytearray(500_000_000)
    ours[::4096] = b"x" * len(ours[::4096])  # taken up page by page: it must not be counted as the child's
    code = "import time; block = bytearray(b'x' * 80_000_000); time.sleep(0.1)"
    seconds, peak = speed._run([sys.executable, "-c", code])
    assert seconds > 0.1
    assert peak is None or 80_000_000 < peak < 400_000_000


def test_a_command_that_fails_is_not_timed() -> None:
    with pytest.raises(ResayError, match="on purpose"):
        speed._run([sys.executable, "-c", "raise SystemExit('on purpose')"])


def test_the_whole_command_is_timed_after_one_round_that_warms_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []

    def run(arguments: list[str]) -> tuple[float, int]:
        rounds.append(arguments)
        audio.write(arguments[arguments.index("-o") + 1], Audio(np.zeros(12_000, np.float32)))
        return float(len(rounds)), 1_000 * len(rounds)

    monkeypatch.setattr(speed, "_run", run)
    assert speed.cold("Ada", "Hello.", rounds=3) == speed.Cold(3.0, 4.0, 0.5, 4_000, 3)
    assert rounds[0][1:5] == ["-m", "resay", "speak", "Hello."]


def test_the_first_sound_is_timed_with_twenty_words() -> None:
    assert len(speed.TWENTY_WORDS["en"].split()) == 20
