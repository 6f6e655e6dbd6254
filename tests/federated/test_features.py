"""From recordings to an update: what a client does on its own machine, and what an error of it may say."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

from resay import audio, shared_adapter
from resay.errors import BadFile
from resay.federated import features, local
from resay.synthesis import SHIPPED, Engine, Request
from resay.voices import VoiceLibrary

TEXTS = ("We went home in the rain.", "今天天气很好。")


NEEDED = ("reference", "aligner", "semantic", "prosody_text", "prosody_steps", "prosody_heads")
"""All that a client needs: what hears a voice stands apart from what makes sound."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in (*(f"{graph}.onnx" for graph in NEEDED), "model.json"):
        shutil.copy(SHIPPED / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def frozen(models: Path) -> local.Frozen:
    return local.Frozen(models)


@pytest.fixture(scope="module")
def heard(frozen: local.Frozen, models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[local.Example]:
    folder, engine = tmp_path_factory.mktemp("recordings"), Engine(threads=1)
    for place, text in enumerate(TEXTS):
        path = folder / f"{place}.wav"
        audio.write(path, engine.say(Request(text, seed=place), VoiceLibrary().get("ada")).audio)
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
    return features.heard(folder, models, frozen)


def test_recordings_become_hidden_states_and_tokens(heard: list[local.Example], frozen: local.Frozen) -> None:
    assert len(heard) == len(TEXTS)
    for example in heard:
        assert example.hidden.shape == (len(example.tokens), frozen.net.shape.width)
        assert np.isfinite(example.hidden.astype(np.float32)).all()
    again = features.from_bytes(features.to_bytes(heard))
    assert all((one.hidden == other.hidden).all() for one, other in zip(heard, again, strict=True))


def test_an_update_lowers_the_loss_of_what_it_was_made_of(heard: list[local.Example], frozen: local.Frozen) -> None:
    start = shared_adapter.fresh(frozen.base, frozen.net.shape.width)
    change = local.update(frozen, start, heard, local.Training(steps=20, learning_rate=0.1))
    before, after = (local.measure(frozen, adapter, heard) for adapter in (start, start.moved(change)))
    assert after["total"] < before["total"]


def test_fit_is_in_units_that_can_be_heard(heard: list[local.Example], frozen: local.Frozen) -> None:
    start = shared_adapter.fresh(frozen.base, frozen.net.shape.width)
    found = local.fit(frozen, start, heard)
    assert 0 < found["duration_ms"] < 150
    assert 0 < found["pitch_semitones"] < 12
    assert 0 < found["energy_db"] < 20


def test_damaged_features_are_refused() -> None:
    with pytest.raises(BadFile, match="damaged"):
        features.from_bytes(b"nothing")


def test_an_error_tells_the_server_its_kind_and_no_more(tmp_path: Path) -> None:
    client_app = pytest.importorskip("resay.federated.client_app")
    context = SimpleNamespace(node_config={"membership": str(tmp_path / "ada-lovelace")})
    with pytest.raises(client_app.Unanswered) as raised:
        client_app._answer("keys", None, context)
    assert str(raised.value) == "BadFile"
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
