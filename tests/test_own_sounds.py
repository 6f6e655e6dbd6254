"""Voices rehearse: what they say is moved to where their speaker's own sounds lie."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from resay import acoustic, own_sounds
from resay.adapter import Adapter
from resay.aligner import CLASS_OF, SILENCE, SOUNDS, mean_sounds
from resay.audio import FORMAT, Audio, scaled
from resay.errors import BrokenModel
from resay.prosody import Plan
from resay.synthesis import SHIPPED, Engine, Request
from resay.text import phonemes
from resay.voices import Voice, VoiceLibrary

IDS = phonemes.ids(["^", "HH", "AY1", "$"])
TWO, ONE = int(CLASS_OF[IDS[1]]), int(CLASS_OF[IDS[2]])


def sounds(**frames: tuple[int, float]) -> np.ndarray:
    """`mean_sounds` of a few classes: how many frames, and the level of every band."""
    found = np.zeros(SOUNDS, np.float32)
    for name, (count, level) in frames.items():
        found[int(name[1:])] = np.append(np.full(FORMAT.mel_bands, level), count)
    return found


def line(frames: int = 6) -> own_sounds.Line:
    count = len(IDS)
    plan = Plan(np.full(count, frames), np.zeros((count, 3), np.float32), np.zeros(count, np.float32))
    return own_sounds.Line(IDS, plan)


def test_each_sound_is_moved_by_as_much_as_was_heard_of_it() -> None:
    heard = sounds(**{f"c{SILENCE}": (900, 1.0), f"c{ONE}": (3, 1.0), f"c{TWO}": (0, 1.0)})
    said = [
        sounds(**{f"c{ONE}": (2, 0.0), f"c{SILENCE}": (9, 0.0), f"c{TWO}": (9, 0.0)}),
        sounds(**{f"c{ONE}": (1, 0.6)}),
    ]
    found = own_sounds.shifts(heard, said)
    assert found.shape == (SOUNDS[0], FORMAT.mel_bands)
    assert found[ONE] == pytest.approx(own_sounds.SHARE * 0.75 * 0.75 * (1.0 - 0.2))
    assert not np.delete(found, ONE, axis=0).any()  # neither the room's silence nor what was never heard


def test_a_voice_that_was_heard_for_long_is_moved_by_less() -> None:
    def moved(seconds: float) -> float:
        each = FORMAT.frame_rate * seconds / 2
        heard = sounds(**{f"c{SILENCE}": (9_000, 1.0), f"c{ONE}": (each, 1.0), f"c{TWO}": (each, 1.0)})
        found = own_sounds.shifts(heard, [sounds(**{f"c{ONE}": (9_999, 0.0), f"c{TWO}": (9_999, 0.0)})])
        return float(found[ONE].mean())

    assert moved(2.0) == pytest.approx(own_sounds.SHARE, rel=0.02)
    assert moved(4.0) == pytest.approx(own_sounds.SHARE, rel=0.01)
    assert moved(20.0) == pytest.approx(own_sounds.SHARE / 5, rel=0.01)


def test_shifts_pass_smoothly_from_sound_to_sound() -> None:
    shifts = np.zeros((SOUNDS[0], FORMAT.mel_bands), np.float32)
    shifts[ONE] = 1.0
    frames = own_sounds.along(shifts, IDS, np.array([4, 8, 9, 4]))
    assert frames.shape == (25, FORMAT.mel_bands)
    assert frames[:9].max() == 0.0
    assert frames[14:19].min() == pytest.approx(1.0)
    assert np.abs(np.diff(frames, axis=0)).max() == pytest.approx(1.0 / own_sounds.SMOOTHED)


def test_what_is_rehearsed_survives_its_file_and_damage_is_told() -> None:
    back = own_sounds.Line.from_json(json.loads(json.dumps(line().to_json())))
    np.testing.assert_array_equal(back.ids, IDS)
    np.testing.assert_array_equal(back.plan.durations, line().plan.durations)
    for name, value in {"ids": [1], "durations": [0] * len(IDS), "pitch": [0.0], "energy": []}.items():
        with pytest.raises(ValueError, match="rehearsal"):
            own_sounds.Line.from_json(line().to_json() | {name: value})
    with pytest.raises(ValueError, match="rehearsal"):
        own_sounds.Line.from_json(line().to_json() | {"ids": [10_000] * len(IDS)})


def test_the_language_is_the_one_whose_sounds_were_heard() -> None:
    ids = phonemes.ids(["^", "zh", "ong1", "$"])
    rehearsal = {"en": [line()], "zh": [own_sounds.Line(ids, line().plan)]}
    other = int(CLASS_OF[ids[1]])
    assert (
        own_sounds.spoken(sounds(**{f"c{SILENCE}": (90, 0.0), f"c{ONE}": (9, 0.0), f"c{other}": (8, 0.0)}), rehearsal)
        == "en"
    )
    assert own_sounds.spoken(sounds(**{f"c{ONE}": (9, 0.0), f"c{other}": (10, 0.0)}), rehearsal) == "zh"


def test_both_languages_rehearse_nearly_all_their_sounds() -> None:
    rehearsal = json.loads((SHIPPED / "model.json").read_text(encoding="utf-8"))["rehearsal"]
    heard = {int(CLASS_OF[number]) for lines in rehearsal.values() for one in lines for number in one["ids"]}
    assert len(heard) >= 0.9 * SOUNDS[0]


def test_damaged_rehearsals_are_refused(tmp_path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "models")
    content = json.loads((tmp_path / "models" / "model.json").read_text(encoding="utf-8"))
    content["rehearsal"]["en"][0]["durations"][0] = 0
    content.pop("digests", None)
    (tmp_path / "models" / "model.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BrokenModel, match=r"model\.json"):
        Engine(tmp_path / "models", threads=1)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def stranger(engine: Engine) -> Voice:
    """A voice no weights know: a shipped one through a throat half again as wide, cloned from what it says."""
    native = VoiceLibrary().get("ada")
    text = "Please put the huge zebra picture near my father's oak table, and thank the young judge in the quiet shop."
    said = engine.say(Request(text, language="en"), native).audio
    profile, _ = engine.listen(Audio(said.samples, round(FORMAT.sample_rate * 0.85)).resampled(FORMAT.sample_rate))
    return replace(native, profile=profile)


def distance(engine: Engine, voice: Voice, shifts: np.ndarray | None) -> float:
    """From the speaker's own sounds, mean over those that the rehearsed sentences have and the clip had."""
    said = []
    for text in own_sounds.SENTENCES["en"]:
        (piece,) = engine.stream(Request(text, language="en"), voice)
        meaning = engine.semantic.vectors(piece.sentence, None)
        mel, _ = engine.acoustic.render(piece.sentence.ids, piece.plan, voice.profile, np.zeros, meaning, shifts)
        said.append(mean_sounds(scaled(mel), own_sounds.frame_classes(piece.sentence.ids, piece.plan.durations)))
    left = own_sounds.shifts(voice.profile.sounds, said)
    return float(np.abs(left[left.any(axis=1)]).mean())


def test_a_stranger_sounds_nearer_to_the_clip_after_rehearsing(engine: Engine, stranger: Voice) -> None:
    shifts = engine.shifts(stranger)
    assert shifts is not None
    assert np.isfinite(shifts).all()
    assert distance(engine, stranger, shifts) < 0.8 * distance(engine, stranger, None)
    engine.acoustic.forget()
    np.testing.assert_array_equal(engine.shifts(stranger), shifts)


def test_natives_do_not_rehearse_and_tuned_voices_do(engine: Engine, stranger: Voice) -> None:
    for voice in VoiceLibrary():
        assert engine.shifts(voice) is None
    for level, same in ((0.0, True), (0.05, False)):
        tone = {"acoustic_decoder.tone": np.full((2, FORMAT.mel_bands), level, np.float32)}
        tuned = replace(stranger.profile, adapter=Adapter(engine.identity, tone))
        shifts = engine.shifts(replace(stranger, profile=tuned))
        assert np.array_equal(shifts, engine.shifts(stranger)) == same
    assert engine.shifts(replace(stranger, profile=replace(stranger.profile, sounds=None))) is None


def test_weights_without_a_rehearsal_speak_as_before(engine: Engine, stranger: Voice) -> None:
    silent = acoustic.Acoustic(engine.acoustic._encoder, engine.acoustic._decoder, 0.0, {})
    assert silent.shifts(stranger.profile, stranger.digest) is None
