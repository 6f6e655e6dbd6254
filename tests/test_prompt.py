"""A clip whose words are told: laid along it, refused where they are others, and gone on from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from resay import aligner, audio, reference, text, transcript
from resay.aligner import CLASS_OF, CLASSES
from resay.audio import FORMAT, Audio
from resay.errors import BadText
from resay.prompt import Prompt
from resay.prosody import SAMPLERS, Codes, Plan, ProsodyModel, Sampling
from resay.reference import RATE, Profile, Report, UsualRate
from resay.text import phonemes

WORDS = "Good morning, everybody, we have met before."
SENTENCE = text.sentence("你好，今天天气很好。")


@pytest.fixture
def said(prompt_of: Callable[..., Prompt]) -> Prompt:
    return prompt_of(WORDS)


def test_a_prompt_comes_back_from_its_table(said: Prompt, prompt_of: Callable[..., Prompt]) -> None:
    again = Prompt.of(said.table(), said.meaning)
    for name, value in vars(said).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    assert (said.language, prompt_of("你好。").language) == ("en", "zh")


@pytest.mark.parametrize(
    ("row", "column", "value"), [(0, 0, 0.5), (3, 0, -1), (3, 0, 9999), (2, 1, 0), (5, 2, np.nan), (5, 4, np.inf)]
)
def test_a_table_that_is_none_is_refused(said: Prompt, row: int, column: int, value: float) -> None:
    table = said.table()
    table[row, column] = value
    with pytest.raises(ValueError, match="none"):
        Prompt.of(table, said.meaning)
    with pytest.raises(ValueError, match="belong"):
        Prompt.of(said.table()[1:], said.meaning)


class Graph:
    """Stands for a network of the prosody model; remembers what it was fed."""

    def __init__(self, *inputs: str) -> None:
        self.inputs, self.shapes, self.fed = list(inputs), {}, []


class Text(Graph):
    def run(self, **given: np.ndarray) -> dict[str, np.ndarray]:
        self.fed.append(given)
        return {"text": given["ids"][..., None].astype(np.float32)}


class Steps(Graph):
    """Its cache is all that it was told to have come before."""

    def run(self, *, text: np.ndarray, before: np.ndarray, cache: np.ndarray) -> dict[str, np.ndarray]:
        self.fed.append({"text": text, "before": before})
        return {"hidden": text, "longer": np.concatenate([cache, before[0]])}


class Heads(Graph):
    """Finds every token as likely."""

    def run(self, names: Sequence[str], **given: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.zeros((1, 1, 4)) for name in names}


@pytest.fixture
def codes() -> Codes:
    pitch = np.array([[0, 0, 0], [-0.2, 0, 0.2], [0.2, 0, -0.2], [0.4, 0.4, 0.4]], np.float32)
    return Codes(np.array([1, 2, 4, 8], np.float32), pitch, np.array([-4, -2, -1, 0], np.float32))


@pytest.fixture
def steps() -> Steps:
    return Steps()


def planned(codes: Codes, steps: Steps, sampling: Sampling, said: Prompt | None = None) -> Plan:
    model = ProsodyModel(Text("ids", "semantic"), steps, Heads(), codes, (0, 3))  # type: ignore[arg-type]
    speaker = Profile(np.zeros(192, np.float32), np.zeros(16, np.float32), 150.0)
    meaning = np.ones((len(SENTENCE.ids), 64), np.float32)
    tokens = model.tokens(SENTENCE.ids, speaker, np.random.default_rng(7), sampling, meaning, said)
    return codes.plan(np.array(list(tokens)))


def test_a_prompt_moves_no_random_number(codes: Codes, steps: Steps, said: Prompt) -> None:
    """Where the network finds everything as likely with it as without, the same is drawn."""
    sampling = Sampling("topk", top_k=4)
    alone, after = planned(codes, steps, sampling), planned(codes, steps, sampling, said)
    np.testing.assert_array_equal(after.durations[1:], alone.durations[1:])
    np.testing.assert_array_equal(after.energy[1:], alone.energy[1:])
    assert len(after.durations) == len(SENTENCE.ids)


def test_the_sentence_goes_on_from_the_prompts_tokens(codes: Codes, steps: Steps, said: Prompt) -> None:
    planned(codes, steps, Sampling("greedy"), said)
    tokens = codes.tokens(Plan(said.durations, said.pitch, said.energy), said.voiced)
    forced, first = steps.fed[0], steps.fed[1]
    # One start, one end: the prompt's start, the sentence's end, everything between in order.
    joined = np.concatenate([said.ids[:-1], SENTENCE.ids[1:]])
    np.testing.assert_array_equal(np.concatenate([fed["text"][0, :, 0] for fed in steps.fed]), joined)
    np.testing.assert_array_equal(forced["before"][0], [[0, 0, 0], *(tokens[:-2] + 1)])
    np.testing.assert_array_equal(first["before"][0, 0], tokens[-2] + 1)
    assert len(steps.fed) == len(SENTENCE.ids)


def test_what_the_prompt_repeats_is_repetition(
    codes: Codes, steps: Steps, said: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories = []
    monkeypatch.setitem(SAMPLERS, "greedy", lambda logits, history, *rest: histories.append(list(history)) or 0)
    planned(codes, steps, Sampling("greedy"), said)
    tokens = codes.tokens(Plan(said.durations, said.pitch, said.energy), said.voiced)[:-1]
    assert histories[:3] == tokens.T.tolist()
    assert histories[3] == [*tokens[:, 0], 0]


class Told(aligner.Aligner):
    """Hears the phonemes given, all equally long."""

    def __init__(self, ids: np.ndarray, sureness: float = 0.9) -> None:
        self.ids, self.sureness, self.certain = ids, sureness, 0.8

    def log_posteriors(self, mel: np.ndarray) -> np.ndarray:
        heard = CLASS_OF[self.ids[np.arange(len(mel)) * len(self.ids) // len(mel)]]
        chances = np.full((len(mel), CLASSES), (1 - self.sureness) / (CLASSES - 1))
        chances[np.arange(len(mel)), heard] = self.sureness
        return np.log(chances).astype(np.float32)


class Meaning:
    def vectors(self, sentence: text.Sentence) -> np.ndarray:
        return np.full((len(sentence.phonemes), 64), 1 / 3, np.float32)


def informed(
    sound: Audio, words: str, heard: str = WORDS, usual: UsualRate | None = None, sureness: float = 0.9
) -> tuple[Profile, Report]:
    plain = Profile(np.ones(192, np.float32), np.zeros(16, np.float32), 140.0)
    listener = Told(text.sentence(heard).ids, sureness)
    found = text.sentence(words)
    return transcript.informed(plain, reference.check(sound), sound, found, listener, Meaning(), usual)  # type: ignore[arg-type]


def test_words_are_laid_along_the_clip(buzz) -> None:
    found, report = informed(buzz(4.0), WORDS)
    said = found.prompt
    np.testing.assert_array_equal(said.ids, text.sentence(WORDS).ids)
    assert set(said.durations[:-2]) == {7, 8}
    assert 3.0 < FORMAT.seconds(int(said.durations.sum())) < 4.0
    assert np.abs(said.pitch[said.voiced]).max() < 0.5
    assert 0.2 < said.voiced.mean() < 1.0
    assert found.sounds[:, -1].sum() == said.durations.sum()
    assert "transcript" not in {finding.code for finding in report.findings}
    np.testing.assert_array_equal(said.meaning, said.meaning.astype(np.float16))


def test_words_tell_where_sounds_are_that_are_hard_to_hear(buzz) -> None:
    sound = buzz(4.0)
    found, _ = informed(sound, WORDS, sureness=0.4)
    guessed = Told(text.sentence(WORDS).ids, 0.4).sounds(audio.log_mel(sound.samples))
    assert guessed[:, -1].sum() == 0
    assert found.sounds[1:, -1].sum() > 200
    assert found.sounds[0, -1] == 0


def test_frames_where_another_sound_is_plain_teach_nothing(buzz) -> None:
    wrong = WORDS.replace("before", "today")
    found, _ = informed(buzz(4.0), wrong)
    missing = [CLASS_OF[phonemes.INDEX[symbol]] for symbol in ("EY1", "D")]
    said = {symbol for symbol in text.sentence(WORDS).phonemes if not phonemes.is_pause(symbol)}
    assert found.sounds[missing[0], -1] == 0
    assert found.sounds[[CLASS_OF[phonemes.INDEX[symbol]] for symbol in sorted(said)], -1].sum() > 100


def test_the_rate_is_measured_against_what_is_usual(buzz) -> None:
    ids = text.sentence(WORDS).ids
    durations = informed(buzz(4.0), WORDS)[0].prompt.durations
    longer = np.full(len(phonemes.SYMBOLS), np.log(7.9) + 0.3, np.float32)
    style = [
        informed(buzz(4.0), WORDS, usual=UsualRate(longer, mean, spread))[0].style[RATE]
        for mean, spread in ((0.0, 0.1), (0.0, 0.3), (0.3, 0.1), (0.0, 0.01))
    ]
    np.testing.assert_allclose(style, [3.0, 1.0, 0.0, 3.0], atol=0.12)
    assert informed(buzz(4.0), WORDS)[0].style[RATE] == 0.0
    assert np.isnan(UsualRate(longer, 0.0, 1.0).deviation(ids[:5], durations[:5]))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("Nobody expected the ships to return that autumn.", "not what is heard"),
        (WORDS * 12, "too short for these words"),
    ],
)
def test_other_words_are_refused(buzz, words: str, problem: str) -> None:
    with pytest.raises(BadText, match=problem):
        informed(buzz(4.0), words)


def test_a_long_clip_is_refused(buzz) -> None:
    with pytest.raises(BadText, match="cut it to 30 s"):
        informed(buzz(31.0), WORDS)


def test_half_of_the_words_is_doubted(buzz) -> None:
    heard = "Good morning, everybody, we have met before. It was a long way to the station, and nobody came."
    _, report = informed(buzz(8.0), heard.replace(", and nobody came", ""), heard)
    assert [finding.severity for finding in report.findings if finding.code == "transcript"] == []
    _, report = informed(buzz(8.0), WORDS, heard)
    assert [finding.severity for finding in report.findings if finding.code == "transcript"] == ["warning"]


def test_a_prompt_is_cut_at_a_word(said: Prompt) -> None:
    long = replace(said, durations=np.full(len(said.ids), 20))
    short = transcript.last(long, 3.0)
    symbols = [phonemes.SYMBOLS[number] for number in short.ids]
    assert FORMAT.seconds(int(short.durations[1:].sum())) <= 3.0
    assert symbols[0] == "^"
    assert symbols[-2:] == [".", "$"]
    assert "".join(symbols[1:]).startswith(("M", "B"))  # "met before" or "before"
    assert transcript.last(said) is said
    np.testing.assert_array_equal(short.meaning[1:], long.meaning[-len(short.ids) + 1 :])
