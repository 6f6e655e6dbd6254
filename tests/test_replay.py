"""Replaying, verifying, comparing, archiving: what is made again is the same, and what differs is named."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from resay import audio, manifest, voices
from resay.audio import Audio
from resay.consent import Consent, Kind, Use
from resay.planning import Planning
from resay.synthesis import Piece

TEXT = "Good morning. 早上好。"


def refused(result, code=4):
    """Asserts a failure told in one line, and gives that line."""
    assert result[0] == code, result
    assert result[2].splitlines()[-1].startswith("resay: ")
    return result[2].splitlines()[-1]


@pytest.fixture
def spoken(run, work):
    """out.wav and out.json, spoken by Ada."""
    assert run("speak", TEXT, "--voice", "Ada", "-o", "out.wav")[0] == 0
    return work


def edit(path, change):
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


# Replaying


@pytest.mark.parametrize("file_format", ["wav", "flac", "mp3", "opus", "pcm"])
def test_replay_is_the_same_file(run, work, file_format):
    run("speak", TEXT, "--voice", "Ada", "-o", f"out.{file_format}")
    code, out, err = run("replay", "out.json", "-o", f"again.{file_format}", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["identical"], report["way"]) == (True, "seed")
    assert (work / f"again.{file_format}").read_bytes() == (work / f"out.{file_format}").read_bytes()
    again = manifest.read("again.json")
    assert replace(again.output, file="") == replace(manifest.read("out.json").output, file="")


@pytest.mark.parametrize("file_format", ["wav", "flac"])
def test_sound_with_its_manifest_inside_needs_nothing_else(run, work, file_format):
    name = f"out.{file_format}"
    assert run("speak", TEXT, "--voice", "Ada", "--embed-manifest", "-o", name)[0] == 0
    assert manifest.read(name).to_bytes() == (work / "out.json").read_bytes()
    (work / "out.json").unlink()
    assert run("verify", name)[0] == 0
    assert run("replay", name, "--embed-manifest", "-o", f"again.{file_format}")[0] == 0
    assert audio.read(f"again.{file_format}").digest() == audio.read(name).digest()


def test_manifest_is_not_embedded_where_it_has_no_place(run, work):
    for target in ("out.mp3", "-"):
        code, _, err = run("speak", TEXT, "--voice", "Ada", "--embed-manifest", "-o", target)
        assert code == 2, err
    assert list(work.iterdir()) == []


def test_replay_without_a_name_goes_to_outputs(run, spoken):
    assert run("replay", "out.wav")[0] == 0
    assert sorted(path.name for path in (spoken / "outputs").iterdir()) == ["out-replay.json", "out-replay.wav"]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda data: data["request"].update(seed=7), "manifest: it was changed"),
        (lambda data: data["request"].update(text="Good\u200b morning. 早上好。"), "U+200B ZERO WIDTH SPACE"),
        (lambda data: data["request"].update(text="Good morning. 早上坏。"), "text: at character 3"),
        (lambda data: data["pieces"][0]["plan"]["durations"].__setitem__(0, 99), "manifest: it was changed"),
        (lambda data: data["voice"].update(digest="sha256:" + "0" * 64), "manifest: it was changed"),
    ],
)
def test_changed_manifest_does_not_replay(run, spoken, change, cause):
    edit(spoken / "out.json", change)
    for command in ("replay", "verify"):
        assert cause in refused(run(command, "out.json"))
    assert not (spoken / "outputs").exists()


def test_other_voice_is_named(run, spoken):
    own = voices.load(spoken.parent / "own" / "小明.voice")
    changed = replace(own, profile=replace(own.profile, pitch=100.0))
    changed.save(spoken / "other.voice")
    assert "voice: " in refused(run("replay", "out.json", "--voice", "other.voice"))


def test_voice_is_found_by_its_digest_whatever_it_is_called(run, spoken):
    (spoken.parent / "shipped" / "Ada.voice").rename(spoken.parent / "shipped" / "Eva.voice")
    assert run("replay", "out.json")[0] == 0


def test_voice_that_is_gone_is_asked_for(run, spoken):
    for path in spoken.parent.rglob("*.voice"):
        path.unlink()
    assert "--voice NAME.voice" in refused(run("replay", "out.json"), code=2)


def test_voice_that_has_changed_is_named(run, spoken, voice):
    for path in spoken.parent.rglob("*.voice"):
        path.unlink()
    other = replace(voice, profile=replace(voice.profile, pitch=99.0))
    other.save(spoken.parent / "shipped" / "Ada.voice")
    assert "voice: Ada has changed" in refused(run("replay", "out.json"))


def test_given_text_is_compared_to_the_last_invisible_character(run, spoken):
    assert run("replay", "out.json", "--text", TEXT)[0] == 0
    line = refused(run("replay", "out.json", "--text", TEXT.replace("早", "早\u200b")))
    assert "text: at character 16 U+200B ZERO WIDTH SPACE was added" in line


def test_other_weights_with_the_same_sound_are_only_mentioned(run, spoken, fake_engine):
    fake_engine.digests = {**fake_engine.digests, "prosody": "sha256:" + "9" * 64}
    code, out, err = run("replay", "out.json", "--json")
    assert code == 0
    assert json.loads(out)["identical"] is True
    assert "model: other weights: prosody" in err


def altered(fake_engine, monkeypatch, change):
    """Lets the engine speak otherwise."""
    stream = fake_engine.stream

    def other(request, voice, **options):
        for piece in stream(request, voice, **options):
            yield Piece(
                piece.index, piece.sentence, Planning.of(piece.plan).whole, iter([Audio(change(piece.audio.samples))])
            )

    monkeypatch.setattr(fake_engine, "stream", other)


def test_other_weights_with_another_sound_are_named(run, spoken, fake_engine, monkeypatch):
    fake_engine.digests = {**fake_engine.digests, "acoustic": "sha256:" + "9" * 64}
    altered(fake_engine, monkeypatch, lambda samples: samples[::-1].copy() * 0.2)
    line = refused(run("replay", "out.json"))
    assert "model: other weights: acoustic" in line
    assert "fails on" in line
    assert not (spoken / "outputs").exists()


def test_other_version_with_another_sound_is_named(run, spoken, fake_engine, monkeypatch):
    here = dict(manifest.runtime())
    monkeypatch.setattr(manifest, "runtime", lambda: {**here, "onnxruntime": "0.9", "processor": "abacus"})
    altered(fake_engine, monkeypatch, lambda samples: np.roll(samples, 4000))
    line = refused(run("replay", "out.json"))
    assert f"version: onnxruntime {here['onnxruntime']} -> 0.9" in line
    assert f"runtime: processor {here['processor']} -> abacus" in line
    assert "fails on overlap" in line
    assert all(figure in line for figure in ("overlap ", "final pitch ", "pauses ", "key frames "))


def test_other_version_within_the_criteria_is_told_with_its_figures(run, spoken, fake_engine, monkeypatch):
    monkeypatch.setattr(manifest, "runtime", lambda: {**dict.fromkeys(("numpy", "soxr"), "0.1"), "onnxruntime": "0.9"})
    noise = np.random.default_rng(0)
    altered(fake_engine, monkeypatch, lambda samples: samples + 3e-5 * noise.standard_normal(len(samples), np.float32))
    code, out, err = run("replay", "out.json")
    assert code == 0, err
    assert "within the three criteria: overlap 9" in out
    assert all(figure in out for figure in ("pitch ", "final pitch ", "pauses ", "key frames "))
    assert "note: version: onnxruntime" in err


def test_last_bits_are_measured_and_accepted(run, spoken, fake_engine, monkeypatch):
    fake_engine.digests = {**fake_engine.digests, "acoustic": "sha256:" + "9" * 64}
    noise = np.random.default_rng(0)
    altered(fake_engine, monkeypatch, lambda samples: samples + 3e-5 * noise.standard_normal(len(samples), np.float32))
    report = json.loads(run("replay", "out.json", "--json")[1])
    assert (report["identical"], report["way"]) == (False, "plan")
    assert all(report["criteria"].values())
    assert 0.95 < report["comparison"]["overlap"] < 1.0


def test_without_the_original_nothing_is_claimed(run, spoken, fake_engine, monkeypatch):
    altered(fake_engine, monkeypatch, lambda samples: samples * 0.999)
    (spoken / "out.wav").unlink()
    assert "put the original sound beside" in refused(run("replay", "out.json"))


def test_lexicon_is_found_beside_the_manifest_or_asked_for(run, work):
    (work / "one.jsonl").write_text('{"grapheme": "AI", "phoneme": "rén gōng zhì néng"}\n', encoding="utf-8")
    run("speak", "AI 来了。", "--voice", "Ada", "--lexicon", "one.jsonl", "-o", "out.wav")
    assert run("replay", "out.json")[0] == 0
    (work / "one.jsonl").rename(work.parent / "two.jsonl")
    assert "--lexicon" in refused(run("replay", "out.json"))
    assert run("replay", "out.json", "--lexicon", work.parent / "two.jsonl")[0] == 0


def test_style_is_found_again(run, work, clip):
    run("speak", TEXT, "--voice", "Ada", "--style", "小明", "-o", "out.wav")
    assert run("replay", "out.json")[0] == 0
    run("speak", TEXT, "--voice", "Ada", "--style", clip, "-o", "out.wav")
    assert "--style" in refused(run("replay", "out.json"), code=2)
    assert run("replay", "out.json", "--style", clip)[0] == 0
    assert "style: " in refused(run("replay", "out.json", "--style", "小明"))


def test_ended_consent_makes_no_new_sound(run, work, voice, tmp_path):
    agreed = Consent("Ada", frozenset({Use.SPEAK}), date(2999, 1, 1), "yes", Kind.WRITTEN)
    replace(voice, consent=agreed).save(tmp_path / "shipped" / "Ada.voice")
    run("speak", TEXT, "--voice", "Ada", "-o", "out.wav")
    ended = replace(agreed, until=date(2020, 1, 1))
    replace(voice, consent=ended).save(tmp_path / "shipped" / "Ada.voice")
    assert "consent ended" in refused(run("replay", "out.json"), code=3)


# Clips


@pytest.fixture
def cloned(run, work, clip):
    shutil.copy(clip, work / "speaker.wav")
    assert run("speak", TEXT, "--voice", "speaker.wav", "--consent", "own", "-o", "out.wav")[0] == 0
    return work


def test_clone_replays_from_the_clip_beside_it(run, cloned, clip):
    assert run("replay", "out.json")[0] == 0
    (cloned / "speaker.wav").unlink()
    assert "--voice CLIP" in refused(run("replay", "out.json"), code=2)
    assert run("replay", "out.json", "--voice", clip)[0] == 0


def test_clone_with_a_transcript_replays_from_clip_and_manifest(run, cloned, tmp_path):
    command = ("speak", TEXT, "--voice", "speaker.wav", "--consent", "own", "-o", "told.wav")
    assert run(*command, "--prompt-text", "Good morning, everybody.")[0] == 0
    assert manifest.read("told.json").inputs.transcript == "Good morning, everybody."
    assert manifest.read("told.json").voice.digest != manifest.read("out.json").voice.digest
    assert "identical" in run("replay", "told.json", "-o", "again.wav")[1]
    assert manifest.read("again.json").inputs == manifest.read("told.json").inputs
    assert "transcript" in run("compare", "out.wav", "told.wav")[1]
    assert run("archive", "told.json", "-o", "told.zip", "--no-models")[0] == 0
    (cloned / "speaker.wav").unlink()
    assert "identical" in run("replay", "told.zip", "-o", tmp_path / "unpacked")[1]


@pytest.mark.parametrize(
    ("name", "rate", "cause"),
    [("speaker.mp3", 24_000, "re-encoded (WAV PCM_16 -> MP3"), ("slow.wav", 16_000, "24000 -> 16000 Hz")],
)
def test_changed_clip_is_named(run, cloned, clip, name, rate, cause):
    audio.write(name, audio.read(clip).resampled(rate))
    assert cause in refused(run("replay", "out.json", "--voice", name))
    assert cause in refused(run("verify", "out.wav", "--clip", name))
    assert run("verify", "out.wav", "--clip", clip)[0] == 0


# Verifying


def test_verified_files_are_what_they_say(run, spoken, tmp_path):
    code, out, err = run("verify", "out.wav", "out.json", tmp_path / "shipped" / "Ada.voice")
    assert code == 0
    assert out.count("is what its manifest says") == 3
    # Spoken by a made-up engine: the installed weights are not those of the manifest, which is told once.
    assert err.splitlines() == ["note: model: other weights: acoustic, prosody"]


@pytest.mark.parametrize("file_format", ["wav", "flac", "mp3", "opus", "pcm"])
def test_changed_sound_is_found(run, work, file_format):
    name = f"out.{file_format}"
    run("speak", TEXT, "--voice", "Ada", "-o", name)
    content = bytearray((work / name).read_bytes())
    content[len(content) // 2] ^= 4
    (work / name).write_bytes(content)
    assert "sound: " in refused(run("verify", name))
    (work / name).write_bytes(content[: len(content) // 2])
    assert "sound: " in refused(run("verify", name, "--json"))
    (work / name).unlink()
    assert "not beside" in refused(run("verify", "out.json"))


def test_sound_without_a_manifest_cannot_be_verified(run, work, buzz):
    audio.write("alone.wav", buzz(1.0))
    assert "no manifest beside it" in refused(run("verify", "alone.wav"), code=2)
    assert "no such file" in refused(run("verify", "none.wav"), code=2)


# Comparing


def test_comparison_names_what_differs(run, spoken):
    run("speak", TEXT, "--voice", "Ada", "--seed", "7", "--speed", "1.5", "-o", "other.wav")
    code, out, _ = run("compare", "out.wav", "other.wav", "--json")
    report = json.loads(out)
    assert code == 0
    assert {cause["cause"] for cause in report["causes"]} == {"seed", "speed"}
    assert report["reproduces"] is False
    assert (spoken / report["picture"]).read_text(encoding="utf-8").startswith("<svg")
    assert "seed: 42 -> 7" in run("compare", "out.wav", "other.wav", "--picture", "p.svg")[1]
    assert "seed" in refused(run("compare", "out.wav", "other.wav", "--strict"))
    assert run("compare", "out.wav", "out.wav", "--strict")[0] == 0
    assert "SVG" in refused(run("compare", "out.wav", "out.wav", "--picture", "p.png"), code=2)


# Archives


@pytest.fixture
def packed(run, spoken):
    """X.zip with a voice, a style and a lexicon of its own; every original is gone afterwards."""
    (spoken / "one.jsonl").write_text('{"grapheme": "早上", "phoneme": "zǎo shàng"}\n', encoding="utf-8")
    run("speak", TEXT, "--voice", "小明", "--style", "Ada", "--lexicon", "one.jsonl", "-o", "two.flac")
    code, _, err = run("archive", "out.json", "two.flac", "-o", "X.zip", "--no-models")
    assert code == 0, err
    return spoken / "X.zip"


def test_archive_replays_on_a_clean_machine(run, packed, spoken, tmp_path):
    for path in [*tmp_path.rglob("*.voice"), spoken / "one.jsonl", *spoken.glob("*.json")]:
        path.unlink()
    assert run("verify", packed)[0] == 0
    code, out, err = run("replay", packed, "-o", "again", "--json")
    assert code == 0, err
    assert [report["identical"] for report in json.loads(out)["replays"]] == [True, True]
    assert (spoken / "again" / "0001.wav").read_bytes() == (spoken / "out.wav").read_bytes()
    assert (spoken / "again" / "0002.flac").is_file()


def test_equal_sounds_give_equal_archives(run, packed, spoken):
    run("archive", "out.json", "two.flac", "-o", "Y.zip", "--no-models")
    assert (spoken / "Y.zip").read_bytes() == packed.read_bytes()


def test_archive_wants_the_sound_and_the_lexicon(run, packed, spoken):
    (spoken / "one.jsonl").unlink()
    assert "--lexicon FILE" in refused(run("archive", "two.flac", "-o", "Y.zip", "--no-models"), code=2)
    audio.write("out.wav", Audio(np.zeros(100, np.float32)))
    assert "sound: " in refused(run("archive", "out.json", "-o", "Y.zip", "--no-models"))
    assert not (spoken / "Y.zip").exists()


def repacked(path, change):
    """The archive with a changed index and further entries."""
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    index = json.loads(entries["index.json"])
    change(index, entries)
    index["seal"] = manifest.seal(index)
    entries["index.json"] = manifest.canonical(index)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)


def renamed(name):
    def change(index, entries):
        entries[name] = entries.pop("takes/0001.wav")
        index["files"][name] = index["files"].pop("takes/0001.wav")
        index["takes"][0]["sound"] = name

    return change


@pytest.mark.parametrize(
    "change",
    [
        renamed("../evil.wav"),
        renamed("/tmp/evil.wav"),
        renamed("takes/../../evil.wav"),
        renamed("C:\\evil.wav"),
        lambda index, entries: entries.update({"takes/0001.wav": b"other"}),
        lambda index, entries: index["takes"][0].update(voice="voices/none.voice"),
        lambda index, entries: index.update(resay_archive=99),
        lambda index, entries: index.pop("takes"),
        lambda index, entries: index.update(files=[]),
    ],
)
def test_hostile_archive_is_refused(run, packed, spoken, tmp_path, change):
    repacked(packed, change)
    before = sorted(tmp_path.rglob("*"))
    assert str(packed) in refused(run("replay", packed), code=2)
    assert sorted(tmp_path.rglob("*")) == before


def test_bomb_is_refused(run, packed, monkeypatch):
    monkeypatch.setattr("resay.archive.LARGEST_FILE", 1000)
    assert "is larger than" in refused(run("replay", packed), code=2)


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_archive_is_refused(run, work, content):
    (work / "X.zip").write_bytes(content)
    refused(run("replay", "X.zip"), code=2)
    refused(run("verify", "X.zip"), code=2)
