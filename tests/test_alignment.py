"""Texts laid along sounds whose classes are known frame by frame."""

from __future__ import annotations

import inspect
import json
from itertools import pairwise

import numpy as np
import pytest

from resay import alignment, audio, pictures, text
from resay.aligner import CLASS_OF, CLASSES, SILENCE
from resay.alignment import aligning, doubts, search
from resay.alignment.search import States
from resay.audio import FORMAT
from resay.cli.align import align_command
from resay.errors import BadAudio, BadOption
from resay.text import phonemes

TEXT = "Good morning everybody, we have met before."


class Told:
    """An aligner that hears exactly the classes it is told, each in so many frames."""

    def __init__(self, classes: list[int], sure: float = 0.9) -> None:
        self.scores = np.full((len(classes), CLASSES), np.log((1 - sure) / (CLASSES - 1)), dtype=np.float32)
        self.scores[np.arange(len(classes)), classes] = np.log(sure)

    def log_posteriors(self, mel: np.ndarray) -> np.ndarray:
        return self.scores


def sounds_of(said: str, frames: int = 6) -> list[int]:
    """Classes of every frame where each sound lasts `frames` and each pause sign twice that."""
    sentence = text.sentence(said)
    found = [SILENCE] * 10
    for symbol, number in zip(sentence.phonemes, CLASS_OF[sentence.ids], strict=True):
        if symbol in phonemes.PUNCTUATION:
            found += [SILENCE] * 2 * frames
        elif not phonemes.is_pause(symbol):
            found += [int(number)] * frames
    return found + [SILENCE] * 10


def aligned(said: str, heard: str, frames: int = 6) -> alignment.Alignment:
    classes = sounds_of(heard, frames)
    return alignment.align(np.zeros((len(classes), 80), np.float32), text.sentence(said), Told(classes))


def test_every_sound_begins_where_it_is_heard() -> None:
    found = aligned(TEXT, TEXT)
    assert [word.text for word in found.words] == ["Good", "morning", "everybody", "we", "have", "met", "before"]
    for before, after in pairwise(found.words[:3]):
        assert before.end == after.start
    lengths = {round((it.end - it.start) / FORMAT.seconds(1)) for it in found.phonemes}
    assert lengths == {6}
    # The comma's silence belongs to no word.
    assert found.words[3].start - found.words[2].end == pytest.approx(FORMAT.seconds(12))
    assert found.disagreements == ()
    assert min(word.confidence for word in found.words) > 0.9


def test_sudden_change_of_rate_loses_no_word() -> None:
    classes = sounds_of(TEXT, 8)
    half = len(classes) // 2
    quick = classes[:half] + classes[half::2]
    found = alignment.align(np.zeros((len(quick), 80)), text.sentence(TEXT), Told(quick))
    assert all(word.end > word.start for word in found.words)
    assert found.disagreements == ()


@pytest.mark.parametrize("word", ["everybody", "before"])
def test_a_word_that_is_not_said_is_missing(word: str) -> None:
    found = aligned(TEXT, TEXT.replace(f" {word}", ""))
    assert [(it.kind, it.text) for it in found.disagreements] == [("missing", word)]
    confidence = {it.text: it.confidence for it in found.words}
    assert confidence.pop(word) < 0.5
    assert min(confidence.values()) > 0.5


def test_what_is_told_follows_how_sure_it_has_to_be() -> None:
    classes, said = sounds_of(TEXT.replace(" before", "")), text.sentence(TEXT)
    mel = np.zeros((len(classes), 80), np.float32)
    (missing,) = alignment.align(mel, said, Told(classes)).disagreements
    assert alignment.align(mel, said, Told(classes), sureness=1.0).disagreements == ()
    all_of_them = alignment.align(mel, said, Told(classes), sureness=0.0).disagreements
    assert missing in all_of_them
    assert len(all_of_them) > 1
    assert [it for it in all_of_them if it.sureness > 0.5] == [missing]


def test_a_word_that_the_text_lacks_is_extra() -> None:
    found = aligned(TEXT.replace(" everybody", ""), TEXT)
    (extra,) = found.disagreements
    assert extra.kind == "extra"
    true = next(word for word in aligned(TEXT, TEXT).words if word.text == "everybody")
    assert abs(extra.start - true.start) < 0.1
    assert abs(extra.end - true.end) < 0.1


def test_a_word_said_twice_is_repeated() -> None:
    (twice,) = aligned(TEXT, TEXT.replace("everybody", "everybody everybody")).disagreements
    assert (twice.kind, twice.text) == ("repeated", "everybody")


def test_mandarin_has_characters() -> None:
    found = aligned("今天天气很好。", "今天天气很好。")
    assert "".join(it.text for it in found.characters) == "今天天气很好"
    for before, after in pairwise(found.characters):
        assert before.end <= after.start + 1e-9


def test_a_sound_keeps_its_least_length_where_there_is_room() -> None:
    sentence = text.sentence(TEXT)
    sounding = phonemes.IS_SOUND[sentence.ids]
    vowels = phonemes.ACCENT_OF[sentence.ids] > 0
    for frames, least in ((6, aligning.LEAST), (2, (1, 1))):
        classes = sounds_of(TEXT, frames)
        # A consonant and a vowel that are not heard where they are said: nothing but room keeps them from vanishing.
        for base in (CLASS_OF[phonemes.INDEX["B"]], CLASS_OF[phonemes.INDEX["AO1"]]):
            classes = [SILENCE if number == base else number for number in classes]
        found = aligning.way(Told(classes).scores, sentence)
        assert found.sum() == len(classes)
        assert found[sounding & ~vowels].min() == least[0]
        assert found[vowels].min() == least[1]
    with pytest.raises(ValueError, match="shorter than its text"):
        aligning.way(Told([SILENCE] * 9).scores, sentence)


def test_a_band_around_the_way_finds_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = sounds_of(TEXT)
    score, states = Told(classes, 0.6).scores, aligning.states_of(text.sentence(TEXT))
    whole = search.path(score, states)
    monkeypatch.setattr(search, "BAND", 12)
    np.testing.assert_array_equal(search.path(score, states), whole)


def test_the_way_is_the_best_of_all() -> None:
    """Against every way there is, for a text short enough to try them all."""
    random = np.random.default_rng(3)
    states = States(np.array([0, 1, 0, 2]), np.array([True, False, True, False]))
    for _ in range(20):
        score = random.standard_normal((6, 3)).astype(np.float32)
        durations = search.path(score, states)
        assert durations[1] > 0
        assert durations[3] > 0
        best = max(
            score[np.arange(6), np.repeat(states.classes, counts)].sum()
            for counts in np.ndindex(7, 7, 7, 7)
            if sum(counts) == 6 and counts[1] and counts[3]
        )
        found = score[np.arange(6), np.repeat(states.classes, durations)].sum()
        assert found == pytest.approx(best, abs=1e-5)
        assert search.reach(score, states)[-1, -1] == pytest.approx(best, abs=1e-5)


def test_too_short_a_sound_is_told() -> None:
    with pytest.raises(BadAudio, match="too short"):
        alignment.align(np.zeros((8, 80)), text.sentence(TEXT), Told([0] * 8))


def test_files_say_what_was_found() -> None:
    found = aligned("Good morning. We have met.", "Good morning. We have met.")
    content = json.loads(alignment.write(found, "json"))
    assert {"words", "characters", "phonemes"} <= set(content)
    assert set(content["phonemes"][0]) == {"phoneme", "start", "end"}
    assert {"text", "start", "end", "confidence"} <= set(content["words"][0])
    assert alignment.write(found, "srt").count("-->") == 2
    assert alignment.write(found, "vtt").startswith("WEBVTT")
    assert 'name = "words"' in alignment.write(found, "textgrid")
    with pytest.raises(BadOption):
        alignment.write(found, "doc")


def test_pictures_show_the_boundaries() -> None:
    mel = np.random.default_rng(0).standard_normal((50, 80))
    pixels = pictures.bounded(mel, [0.1, 0.3])
    assert (pixels == 255).all(axis=(0, 2)).sum() == 2
    content = pictures.png(pixels)
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    marks = [pictures.Mark("<wort>", 0.1, 0.3)]
    assert "&lt;wort&gt;" in pictures.aligned(mel, [pictures.Tier("words", marks)])


# The command


@pytest.fixture
def spoken(tmp_path, buzz):
    """A sound with its text beside it."""
    audio.write(tmp_path / "clips" / "a.wav", buzz(4.0))
    (tmp_path / "clips" / "a.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path / "clips" / "a.wav"


@pytest.mark.parametrize("ending", ["TextGrid", "json", "srt", "vtt"])
def test_align_writes_by_the_ending(run, work, spoken, ending):
    code, out, _ = run("align", spoken, TEXT, "-o", f"out.{ending}", "--picture", "out.png")
    assert code == 0
    assert "7 words" in out
    assert (work / f"out.{ending}").stat().st_size > 50
    assert (work / "out.png").read_bytes().startswith(b"\x89PNG")


def test_align_tells_what_is_sure_enough(run, work, spoken):
    told = {}
    for sureness in ("0", "1"):
        code, out, _ = run("align", spoken, TEXT, "-o", "out.json", "--sureness", sureness, "--json")
        assert code == 0
        told[sureness] = json.loads(out)["disagreements"]
    assert told["0"]
    assert told["1"] == []


def test_align_draws_the_line_where_the_doubts_do():
    assert inspect.signature(align_command).parameters["sureness"].default == doubts.LINE


def test_align_takes_a_folder_of_pairs(run, work, spoken):
    audio.write(spoken.parent / "b.wav", audio.read(spoken))
    (spoken.parent / "b.txt").write_text("早上好。", encoding="utf-8")
    code, out, _ = run("align", spoken.parent, "-o", "grids", "--json")
    assert code == 0
    assert len(json.loads(out)["alignments"]) == 2
    assert sorted(path.name for path in (work / "grids").iterdir()) == ["a.TextGrid", "b.TextGrid"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["x.wav", "Hi."],
        ["CLIP", "Hi.", "-o", "out.doc"],
        ["CLIP", "..."],
        ["CLIP", TEXT * 30],
        ["FOLDER", "Hi."],
        ["CLIP", TEXT, "--sureness", "2"],
    ],
    ids=["no clip", "ending", "nothing to say", "too long a text", "text for a folder", "surer than sure"],
)
def test_bad_alignments_are_refused_in_one_line(run, work, spoken, arguments):
    places = {"CLIP": str(spoken), "FOLDER": str(spoken.parent)}
    code, _, err = run("align", *(places.get(it, it) for it in arguments))
    assert code == 2
    assert err.count("\n") == 1
    assert list(work.iterdir()) == []


def test_a_manifest_is_not_overwritten(run, work, spoken):
    code, _, err = run("speak", "Hi.", "--voice", "Ada", "-o", work / "hi.wav")
    assert code == 0, err
    before = (work / "hi.json").read_bytes()
    code, _, err = run("align", work / "hi.wav", "Hi.", "-o", work / "hi.json")
    assert code == 2
    assert "hi.json" in err
    assert err.count("\n") == 1
    assert (work / "hi.json").read_bytes() == before
    # What is no manifest may be written anew.
    for _ in range(2):
        code, _, err = run("align", spoken, TEXT, "-o", work / "out.json")
        assert code == 0, err
