"""What judges said once is not asked again, whatever became of the run that asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resay.audio import Audio
from resay.errors import BadFile
from resay.evaluate.hearing import Utterance, hear
from resay.evaluate.judges import Judges
from resay.evaluate.memory import Memory

SOUND = Audio(np.linspace(-0.5, 0.5, 2400, dtype=np.float32))
OTHER = Audio(np.linspace(-0.5, 0.4, 2400, dtype=np.float32))


class Listener:
    """Counts how often it is asked."""

    name = "listener"

    def __init__(self) -> None:
        self.asked = 0

    def transcribe(self, sound: Audio, language: str) -> str:
        self.asked += 1
        return f"{language} {len(sound.samples)} 你好"

    def score(self, sound: Audio) -> dict[str, float]:
        self.asked += 1
        return {"overall": 3.25}

    def embed(self, sound: Audio) -> np.ndarray:
        self.asked += 1
        return np.array([0.6, -0.8], np.float32)


def judges(listener: Any, path: Path | None) -> Judges:
    return Judges(listener, listener, listener, memory=Memory(path))


def test_a_second_run_hears_the_same_and_asks_nobody(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "heard.jsonl"
    first: Any = Listener()
    second: Any = Listener()
    utterances = [Utterance("us", "zh", "lan", "你好", sound) for sound in (SOUND, OTHER)]
    heard = [hear(one, judges(first, path)) for one in utterances]
    vector = judges(first, path).embedded(first, SOUND)
    assert first.asked == 5
    assert [hear(one, judges(second, path)) for one in utterances] == heard
    assert np.array_equal(judges(second, path).embedded(second, SOUND), vector)
    assert second.asked == 0
    assert judges(second, path).transcribed(SOUND, "en").startswith("en")
    assert second.asked == 1, "the same sound in another language is another question"


def test_a_run_cut_off_in_the_middle_of_an_answer_goes_on(tmp_path: Path) -> None:
    path, listener = tmp_path / "heard.jsonl", Listener()
    for sound in (SOUND, OTHER):
        judges(listener, path).quality(sound)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    for sound in (SOUND, OTHER):
        assert judges(listener, path).quality(sound) == 3.25
    assert listener.asked == 3
    assert path.read_bytes() == whole


def test_without_a_file_every_question_is_asked(tmp_path: Path) -> None:
    listener = Listener()
    for _ in range(2):
        judges(listener, None).quality(SOUND)
    assert listener.asked == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", ["my notes\nmore of them", "a single line", '{"name": "resay"}\n{', "[1, 2]\n", "{}\n"]
)
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(BadFile, match="holds no answer"):
        Memory(path)
    assert path.read_text() == content


def test_what_cannot_be_read_or_written_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        Memory(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadFile, match="cannot be written"):
        judges(Listener(), tmp_path / "file" / "heard.jsonl").quality(SOUND)
