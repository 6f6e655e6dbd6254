"""The shared adapter: zero changes no bit, the file is checked, manifests name it, replay refuses without it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from resay import shared_adapter
from resay.cli import main
from resay.errors import BadFile
from resay.shared_adapter import HEADS, SharedAdapter
from resay.synthesis import Engine, Request
from resay.voices import Voice, VoiceLibrary

TEXT = "Good morning."


@pytest.fixture(scope="module")
def plain() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def voice() -> Voice:
    return VoiceLibrary().get("ada")


@pytest.fixture(scope="module")
def zero(plain: Engine) -> SharedAdapter:
    return shared_adapter.fresh(shared_adapter.base_digest(plain.digests), 256)


@pytest.fixture(scope="module")
def moved(zero: SharedAdapter) -> SharedAdapter:
    return zero.moved(np.random.default_rng(0).standard_normal(zero.parameters) * 0.3)


def test_a_zero_adapter_changes_no_bit(plain: Engine, voice: Voice, zero: SharedAdapter) -> None:
    adapted = Engine(threads=1, adapter=zero)
    sounds = [engine.say(Request(TEXT), voice).audio for engine in (plain, adapted)]
    assert sounds[0].samples.tobytes() == sounds[1].samples.tobytes()


def test_a_moved_adapter_is_heard_and_named(plain: Engine, voice: Voice, moved: SharedAdapter) -> None:
    adapted = Engine(threads=1, adapter=moved)
    assert adapted.digests[shared_adapter.STAGE] == moved.digest
    digests = [engine.say(Request(TEXT), voice).audio.digest() for engine in (plain, adapted, adapted)]
    assert digests[0] != digests[1] == digests[2]


def test_it_is_a_low_rank_change_of_what_the_heads_read(moved: SharedAdapter) -> None:
    hidden = np.random.default_rng(1).standard_normal((40, 256)).astype(np.float32)
    assert 3000 <= moved.parameters <= 20_000
    for place, head in enumerate(HEADS):
        change = moved.hidden(hidden, head) - hidden - moved.up[place, :, -1]
        assert np.linalg.matrix_rank(change, tol=1e-3) == len(moved.down)


def test_equal_adapters_are_equal_files(tmp_path: Path, moved: SharedAdapter) -> None:
    moved.save(tmp_path / "a")
    again = shared_adapter.load(tmp_path / "a")
    assert again.digest == moved.digest
    assert again.to_bytes() == (tmp_path / "a").read_bytes()
    assert moved.moved(np.full(moved.parameters, 1e-3)).digest != moved.digest


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "later", "infinite", "shape"])
def test_damaged_files_are_one_line(tmp_path: Path, moved: SharedAdapter, damage: str) -> None:
    path, content = tmp_path / "a", moved.to_bytes()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(content[:-9])
    elif damage == "later":
        path.write_bytes(content.replace(b'resay_adapter\\": 1', b'resay_adapter\\": 9'))
    elif damage == "infinite":
        path.write_bytes(moved.moved(np.full(moved.parameters, np.inf)).to_bytes())
    elif damage == "shape":
        path.write_bytes(SharedAdapter(moved.base, moved.down, moved.up[:2]).to_bytes())
    with pytest.raises(BadFile, match=r"^\S+: .+"):
        shared_adapter.load(path)


def test_an_adapter_for_other_weights_is_refused(moved: SharedAdapter) -> None:
    other = SharedAdapter("sha256:other", moved.down, moved.up)
    with pytest.raises(BadFile, match="other weights"):
        Engine(threads=1, adapter=other)


def test_replay_wants_the_recorded_adapter(work: Path, moved: SharedAdapter, monkeypatch, capfd) -> None:
    monkeypatch.delenv("RESAY_VOICES")
    moved.save("my.adapter")
    moved.moved(np.full(moved.parameters, 0.01)).save("other.adapter")
    assert main(["speak", TEXT, "--voice", "ada", "--adapter", "my.adapter", "-o", "said.wav"]) == 0
    assert json.loads(Path("said.json").read_text())["models"]["shared_adapter"] == moved.digest
    assert main(["replay", "said.wav", "--adapter", "my.adapter", "-o", "again.wav"]) == 0
    assert Path("again.wav").read_bytes() == Path("said.wav").read_bytes()
    for options in ([], ["--adapter", "other.adapter"]):
        capfd.readouterr()
        assert main(["replay", "said.wav", *options, "-o", "third.wav"]) == 4
        assert f"{moved.digest} is needed" in capfd.readouterr().err
    assert not Path("third.wav").exists()


def test_a_sound_without_adapter_replays_without(work: Path, moved: SharedAdapter, monkeypatch, capfd) -> None:
    monkeypatch.delenv("RESAY_VOICES")
    moved.save("my.adapter")
    assert main(["speak", TEXT, "--voice", "ada", "-o", "said.wav"]) == 0
    assert main(["replay", "said.wav", "--adapter", "my.adapter", "-o", "again.wav"]) == 4
    assert "leave out --adapter" in capfd.readouterr().err
