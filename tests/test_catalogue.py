"""Ten thousand voices: finding one opens one file, listing them again opens none."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from resay import catalogue, voices
from resay.errors import UnknownVoice
from resay.voices import VoiceLibrary

MANY = 10_000


@pytest.fixture
def crowd(tmp_path: Path, voice) -> Path:
    """A folder of many voices; their files are alike, their names are not."""
    folder = tmp_path / "crowd"
    folder.mkdir()
    content = voice.to_bytes()
    for number in range(MANY):
        (folder / f"voice {number:05d}.voice").write_bytes(content)
    return folder


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("this costs as much as there are voices")


def test_one_of_thousands_is_found_without_looking_at_the_others(crowd, monkeypatch):
    library = VoiceLibrary([crowd])
    monkeypatch.setattr(Path, "glob", refuse)
    monkeypatch.setattr(Path, "iterdir", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    assert library.get("voice 04711").name == "voice 04711"
    assert "voice 09999" in library
    assert "voice 10000" not in library


def test_listing_thousands_again_opens_none(crowd, voice, monkeypatch):
    library = VoiceLibrary([crowd])
    first = catalogue.entries(library, damaged=refuse)
    assert len(first) == MANY
    replace(voice, description="new", tags=("news",)).save(crowd / "voice 00007.voice")
    (crowd / "voice 00008.voice").unlink()
    opened = []
    load = voices.load
    monkeypatch.setattr(voices, "load", lambda path: opened.append(path.name) or load(path))
    again = catalogue.entries(library, damaged=refuse)
    assert opened == ["voice 00007.voice"]
    assert len(again) == MANY - 1
    assert [entry.name for entry in catalogue.matching(again, tags=["NEWS"])] == ["voice 00007"]
    assert catalogue.matching(again, "VOICE 00009")[0].digest == first[9].digest


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 1, "voices": {"Ada.voice": [1, 2]}}', '{"version": 9}']
)
def test_a_damaged_catalogue_is_made_anew(tmp_path, voice, monkeypatch, content):
    monkeypatch.setattr(catalogue, "KEPT_FROM", 1)
    voice.save(tmp_path / "Ada.voice")
    (tmp_path / catalogue.FILE).write_text(content, encoding="utf-8")
    library = VoiceLibrary([tmp_path])
    assert [entry.name for entry in catalogue.entries(library, damaged=refuse)] == ["Ada"]
    kept = json.loads((tmp_path / catalogue.FILE).read_text("utf-8"))
    assert set(kept["voices"]) == {"Ada.voice"}
    assert library.names() == ["Ada"]


def test_voices_are_found_by_word_language_and_tag(run):
    assert json.loads(run("voices", "--find", "CALM", "--json")[1])["voices"][0]["name"] == "Ada"
    assert "Ada" not in run("voices", "--language", "zh")[1]
    assert "小明" not in run("voices", "--tag", "demo", "--language", "en")[1]
    assert run("voices", "--find", "calm nobody")[1] == ""


def test_a_name_of_another_normal_form_is_found(tmp_path, voice):
    voice.save(tmp_path / "Zoe\u0308.voice")
    assert VoiceLibrary([tmp_path]).get("Zo\u00eb").name == "Zo\u00eb"


@pytest.mark.parametrize("name", ["", "a/b", "../Ada", ".Ada", "a\x00b", "x" * 5000])
def test_what_can_be_no_name_is_no_voice(tmp_path, voice, name):
    voice.save(tmp_path / "Ada.voice")
    (tmp_path / "own").mkdir()
    library = VoiceLibrary([tmp_path / "own"])
    assert name not in library
    with pytest.raises(UnknownVoice):
        library.get(name)
