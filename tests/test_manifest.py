"""Manifests: what made a sound is written down completely, and read back as it was."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import resay
from resay import manifest
from resay.errors import BadFile
from resay.identity import Clip
from resay.manifest import Inputs, Manifest, Output, PieceRecord
from resay.synthesis import Request

SCHEMA = json.loads((Path(resay.__file__).parent / "manifest.schema.json").read_text(encoding="utf-8"))

CLIP = Clip("a.wav", manifest.digest_of(b"a"), manifest.digest_of(b"b"), 16_000, "WAV PCM_16", "00ff")


@pytest.fixture
def made(fake_engine, voice) -> Manifest:
    request = Request("Good morning. 早上好。", seed=7)
    speech = fake_engine.say(request, voice)
    records = [PieceRecord.of(piece) for piece in speech.pieces]
    output = Output("out.wav", "wav", 24_000, len(speech.audio.samples), speech.audio.digest(), 12_000)
    inputs = Inputs(manifest.digest_of(request.text.encode()), clip=CLIP, transcript="Good morning.")
    return Manifest.of(fake_engine, request, voice, records, output, day=date(2026, 3, 8), inputs=inputs)


def test_manifest_follows_its_schema(made):
    jsonschema.validate(json.loads(made.to_bytes()), SCHEMA, format_checker=jsonschema.FormatChecker())


def test_manifest_is_read_back_as_it_was_written(tmp_path, made):
    (tmp_path / "out.json").write_bytes(made.to_bytes())
    again = manifest.read(tmp_path / "out.json")
    assert again.to_bytes() == made.to_bytes()
    assert again.request == made.request
    assert again.inputs == made.inputs
    np.testing.assert_array_equal(again.pieces[1].plan.durations, made.pieces[1].plan.durations)


def test_manifest_from_before_transcripts_is_read(made):
    data = json.loads(made.to_bytes())
    del data["inputs"]["transcript"]
    data["seal"] = manifest.seal(data)
    jsonschema.validate(data, SCHEMA)
    again = Manifest.from_json(data)
    assert again.inputs.transcript is None
    assert again.intact


def test_manifest_is_canonical(made):
    content = made.to_bytes()
    assert content == manifest.canonical(json.loads(content)) + b"\n"
    assert "早上好".encode() in content


def test_manifest_holds_no_vector_of_the_voice(made):
    assert "timbre" not in made.to_bytes().decode()


def test_runtime_names_what_decides_the_bits():
    assert set(manifest.runtime()) == {*("resay", "numpy", "onnxruntime", "soxr", "python", "system", "processor")}
    assert all(manifest.runtime().values())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data.pop("resay_manifest"), "not a resay manifest"),
        (lambda data: data.update(resay_manifest=99), "of schema 99"),
        (lambda data: data.pop("pieces"), "lacks 'pieces'"),
        (lambda data: data["request"].update(volume=3), "damaged"),
        (lambda data: data.update(day="yesterday"), "damaged"),
        (lambda data: data["pieces"][0]["plan"].update(durations="long"), "damaged"),
        (lambda data: data["consent"].update(uses=["sing"]), "sing"),
        (lambda data: data.update(output=None), "damaged"),
    ],
)
def test_damaged_manifest_is_refused_in_one_line(tmp_path, made, change, problem):
    data = json.loads(made.to_bytes())
    change(data)
    path = tmp_path / "out.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BadFile, match=problem) as refusal:
        manifest.read(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff\xfe", b"[" * 100_000, b"[]", b"null"])
def test_what_is_no_manifest_is_refused(tmp_path, content):
    (tmp_path / "out.json").write_bytes(content)
    with pytest.raises(BadFile):
        manifest.read(tmp_path / "out.json")


def test_manifest_lies_beside_the_sound_and_replaces_only_manifests(tmp_path, made):
    assert manifest.beside(tmp_path / "out.wav") == tmp_path / "out.json"
    (tmp_path / "out.json").write_bytes(made.to_bytes())
    assert manifest.beside(tmp_path / "out.wav") == tmp_path / "out.json"
    (tmp_path / "out.json").write_text('{"mine": 1}', encoding="utf-8")
    with pytest.raises(BadFile, match="would be overwritten"):
        manifest.beside(tmp_path / "out.wav")
    with pytest.raises(BadFile, match="another ending"):
        manifest.beside(tmp_path / "sound.json")
