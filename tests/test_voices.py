"""Voices on disk and the library that finds them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

from resay import consent, voices
from resay.adapter import Adapter
from resay.errors import BadFile, BadOption, UnknownVoice
from resay.reference import Profile
from resay.voices import VoiceLibrary


def changed(voice, **header):
    """The file of a voice with other header fields."""
    tensors = safetensors.numpy.load(voice.to_bytes())
    length = int.from_bytes(voice.to_bytes()[:8], "little")
    written = json.loads(json.loads(voice.to_bytes()[8 : 8 + length])["__metadata__"]["resay"])
    return safetensors.numpy.save(tensors, metadata={"resay": json.dumps({**written, **header})})


def test_file_gives_back_the_same_voice(tmp_path, voice):
    full = replace(voice, source="sha256:1", quality={"seconds": 4.0}, seed=88)
    full.save(tmp_path / "Ada.voice")
    again = voices.load(tmp_path / "Ada.voice")
    assert again.to_json() == full.to_json()
    assert again.digest == full.digest
    assert again.to_bytes() == full.to_bytes()
    np.testing.assert_array_equal(again.profile.timbre, full.profile.timbre)
    np.testing.assert_array_equal(again.profile.style, full.profile.style)
    assert again.profile.pitch == full.profile.pitch


def tuned(voice, size=0.5, model="sha256:1"):
    arrays = {
        "acoustic_encoder.offset": np.full(4, size, np.float32),
        "prosody_text.adapter": np.ones((2, 6), np.float32),
    }
    return replace(voice, profile=replace(voice.profile, adapter=Adapter(model, arrays)), tuning={"epochs": 3})


def test_a_tuned_voice_keeps_its_adapter(tmp_path, voice):
    full = tuned(voice)
    full.save(tmp_path / "Ada.voice")
    again = voices.load(tmp_path / "Ada.voice")
    assert again.to_bytes() == full.to_bytes()
    assert again.tuning == {"epochs": 3}
    assert again.profile.adapter.model == "sha256:1"
    np.testing.assert_array_equal(again.profile.adapter.arrays["prosody_text.adapter"], np.ones((2, 6)))
    digests = {one.digest for one in (voice, full, tuned(voice, 0.6), tuned(voice, model="sha256:2"))}
    assert len(digests) == 4
    assert replace(full, tuning={}).digest == full.digest


def test_only_tuned_voices_ask_for_a_later_reader(voice):
    assert b'\\"version\\": 1' in voice.to_bytes()
    assert b"tuning" not in voice.to_bytes()
    assert b'\\"version\\": 2' in tuned(voice).to_bytes()


def test_a_damaged_adapter_is_named(tmp_path, voice):
    path = tmp_path / "Ada.voice"
    tuned(voice, np.nan).save(path)
    with pytest.raises(BadFile, match="damaged"):
        voices.load(path)
    path.write_bytes(changed(voice, version=2, model="sha256:1"))
    with pytest.raises(BadFile, match="seal"):
        voices.load(path)


def test_digest_follows_the_sound_and_not_the_notes(voice):
    assert replace(voice, name="Eve", description="new", tags=(), seed=7, consent=consent.own()).digest == voice.digest
    quicker = Profile(voice.profile.timbre, voice.profile.style + 1, voice.profile.pitch)
    higher = Profile(voice.profile.timbre, voice.profile.style, voice.profile.pitch + 1)
    assert len({voice.digest, replace(voice, profile=quicker).digest, replace(voice, profile=higher).digest}) == 3


def test_vectors_of_a_loaded_voice_cannot_be_changed(tmp_path, voice):
    voice.save(tmp_path / "Ada.voice")
    with pytest.raises(ValueError, match="read-only"):
        voices.load(tmp_path / "Ada.voice").profile.timbre[0] = 0


def test_later_additions_are_passed_over(tmp_path, voice):
    tensors = {**safetensors.numpy.load(voice.to_bytes()), "later": np.zeros((3, 4), np.float32)}
    length = int.from_bytes(voice.to_bytes()[:8], "little")
    metadata = json.loads(voice.to_bytes()[8 : 8 + length])["__metadata__"]
    (tmp_path / "Ada.voice").write_bytes(safetensors.numpy.save(tensors, metadata=metadata))
    assert voices.load(tmp_path / "Ada.voice").digest == voice.digest


def test_a_voice_keeps_its_prompt(tmp_path, voice, prompted):
    prompted.save(tmp_path / "Ada.voice")
    again = voices.load(tmp_path / "Ada.voice")
    assert again.to_bytes() == prompted.to_bytes()
    assert again.digest == prompted.digest != voice.digest
    for name, value in vars(prompted.profile.prompt).items():
        np.testing.assert_array_equal(getattr(again.profile.prompt, name), value)


def test_readers_from_before_prompts_take_the_voice(prompted, voice, monkeypatch):
    content = prompted.to_bytes()
    monkeypatch.setattr(voices, "_prompt", lambda header, arrays: None)
    monkeypatch.setattr(voices, "PROMPT_ARRAYS", ())
    assert voices.parse(content, "Ada").digest == voice.digest


@pytest.mark.parametrize("place", [0, 1, 30, -1])
def test_a_changed_prompt_is_refused(prompted, place):
    tensors = {name: array.copy() for name, array in safetensors.numpy.load(prompted.to_bytes()).items()}
    tensors["prompt"].reshape(-1)[place] += 1
    length = int.from_bytes(prompted.to_bytes()[:8], "little")
    metadata = json.loads(prompted.to_bytes()[8 : 8 + length])["__metadata__"]
    with pytest.raises(BadFile, match="seal"):
        voices.parse(safetensors.numpy.save(tensors, metadata=metadata), "Ada")
    del tensors["prompt"]
    with pytest.raises(BadFile, match="prompt is damaged"):
        voices.parse(safetensors.numpy.save(tensors, metadata=metadata), "Ada")


@pytest.mark.parametrize(
    ("header", "problem"), [({"phoneme_table": 99}, "phoneme table 99"), ([], "damaged"), ("x", "damaged")]
)
def test_a_prompt_that_cannot_be_read_is_refused(prompted, header, problem):
    unsealed = changed(prompted, prompt=header).replace(b'\\"seal\\"', b'\\"sea1\\"')
    with pytest.raises(BadFile, match=problem):
        voices.parse(unsealed, "Ada")


def test_later_version_is_refused_clearly(tmp_path, voice):
    (tmp_path / "Ada.voice").write_bytes(changed(voice, version=voices.TUNED_VERSION + 1))
    with pytest.raises(BadFile, match="update resay"):
        voices.load(tmp_path / "Ada.voice")


@pytest.mark.parametrize(
    "fields",
    [{"pitch": "high"}, {"pitch": None}, {"language": "fr"}, {"name": None}, {"consent": None}, {"consent": {}}],
    ids=str,
)
def test_damaged_header_is_refused_in_one_line(tmp_path, voice, fields):
    path = tmp_path / "Ada.voice"
    path.write_bytes(changed(voice, **fields))
    with pytest.raises(BadFile) as refusal:
        voices.load(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_every_damaged_file_is_refused_in_one_line(tmp_path, voice):
    path = tmp_path / "Ada.voice"
    whole = voice.to_bytes()
    other = safetensors.numpy.save({"timbre": np.zeros(3, np.float32)})
    for content in [b"", b"junk", whole[:9], whole[:-1], b"\xff" * 64, other, b"\x10" + whole[1:]]:
        path.write_bytes(content)
        with pytest.raises(BadFile) as refusal:
            voices.load(path)
        assert "\n" not in str(refusal.value)


def test_vectors_that_are_no_numbers_are_refused(tmp_path, voice):
    broken = Profile(np.full(192, np.nan, np.float32), voice.profile.style, 100.0)
    replace(voice, profile=broken).save(tmp_path / "Ada.voice")
    with pytest.raises(BadFile, match="timbre is damaged"):
        voices.load(tmp_path / "Ada.voice")


@pytest.mark.parametrize("name", ["Ada", "小明", "Dr. Lee", "老师 2", "Zoë"])
def test_plain_names_are_taken(tmp_path, voice, name):
    library = VoiceLibrary([tmp_path])
    library.add(replace(voice, name=voices.checked_name(name)))
    assert library.get(name).name == name
    assert name in library


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../Ada", "a/b", "a\\b", "C:", ".hidden", "-rf", "a\nb", "a\0b", "Ada.wav", "x" * 81]
)
def test_names_that_are_paths_or_worse_are_refused(tmp_path, voice, name):
    with pytest.raises(BadOption):
        VoiceLibrary([tmp_path]).add(replace(voice, name=name))
    assert list(tmp_path.iterdir()) == []


def test_decomposed_name_finds_its_voice(tmp_path, voice):
    library = VoiceLibrary([tmp_path])
    library.add(replace(voice, name="Zo\u00eb"))
    assert library.get("Zoe\u0308").name == "Zo\u00eb"


def test_path_is_no_name(library):
    with pytest.raises(UnknownVoice):
        library.get("../own/小明")


def test_unknown_voice_lists_near_names(library):
    with pytest.raises(UnknownVoice, match="did you mean Ada"):
        library.get("Adda")


def test_library_lists_all_folders(library):
    assert library.names() == ["Ada", "小明"]
    assert [voice.language for voice in library] == ["en", "zh"]


def test_adding_never_overwrites_unasked(library, voice):
    mine = replace(voice, name="小明", description="new")
    with pytest.raises(BadOption, match="--replace"):
        library.add(mine)
    library.add(mine, overwrite=True)
    assert library.get("小明").description == "new"


def test_shipped_voices_are_neither_replaced_nor_removed(library, voice):
    with pytest.raises(BadOption, match="ships with resay"):
        library.add(voice, overwrite=True)
    with pytest.raises(BadOption, match="ships with resay"):
        library.remove("Ada")


def test_removed_voice_is_gone(library):
    library.remove("小明")
    assert library.names() == ["Ada"]
    with pytest.raises(UnknownVoice):
        library.remove("小明")


def test_damaged_voice_can_be_removed(library):
    (library.folders[-1] / "bad.voice").write_bytes(b"junk")
    library.remove("bad")
    assert "bad" not in library


def test_renaming_the_file_renames_the_voice(library):
    own = library.folders[-1]
    (own / "小明.voice").rename(own / "老师.voice")
    assert library.get("老师").name == "老师"


def test_shipped_voices_are_nobodys():
    for shipped in VoiceLibrary([voices.SHIPPED]):
        assert shipped.consent.kind is consent.Kind.EMBEDDED
        assert shipped.language in voices.LANGUAGES
        assert shipped.gender in ("female", "male")
