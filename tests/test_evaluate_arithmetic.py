"""The arithmetic of judging, on cases that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from resay import measure
from resay.audio import FORMAT, Audio
from resay.errors import BadOption
from resay.evaluate import dnsmos, intervals, likeness, norms, sentences, tables
from resay.evaluate.intervals import Interval

pytest.importorskip("rapidfuzz", reason="extra: evaluate")
from resay.evaluate import transcripts
from resay.evaluate.transcripts import ErrorCount, count_errors, count_syllable_errors


def test_punctuation_case_and_width_are_no_errors() -> None:
    assert count_errors("Well, it's a test.", "well its a TEST", "en") == ErrorCount(0, 4)
    assert count_errors("你好，世界！", "你好世界", "zh") == ErrorCount(0, 4)
    assert count_errors("ＡＢＣ 公司", "abc公司", "zh") == ErrorCount(0, 3)


def test_traditional_characters_are_no_errors() -> None:
    assert count_errors("这里的头发", "這裡的頭髮", "zh") == ErrorCount(0, 5)


@pytest.mark.parametrize(
    ("said", "heard", "language"),
    [("I have twenty five apples", "I have 25 apples.", "en"), ("一共二十五个", "一共25个", "zh")],
)
def test_digits_are_words(said: str, heard: str, language: str) -> None:
    assert count_errors(said, heard, language).errors == 0


def test_every_kind_of_error_counts_once() -> None:
    assert count_errors("one two three four", "one too three", "en") == ErrorCount(2, 4)
    assert count_errors("我们走", "我们快走吧", "zh") == ErrorCount(2, 3)
    assert count_errors("a b", "", "en").rate == 1.0


def test_a_latin_word_in_mandarin_is_one_token() -> None:
    assert transcripts.tokens("我用Python写程序", "zh") == ["我", "用", "python", "写", "程", "序"]


def test_homophones_are_no_syllable_errors() -> None:
    assert count_errors("站台", "占台", "zh").errors == 1
    assert count_syllable_errors("站台", "占台") == ErrorCount(0, 2)
    assert count_syllable_errors("妈妈", "马妈").errors == 1


def test_counts_add_up_over_their_lengths() -> None:
    assert sum([ErrorCount(1, 10), ErrorCount(2, 20)], ErrorCount(0, 0)).rate == pytest.approx(0.1)


def test_an_interval_holds_its_value_and_is_the_same_every_time() -> None:
    values = np.random.Generator(np.random.Philox(3)).normal(5.0, 1.0, 200).tolist()
    first, second = intervals.mean(values), intervals.mean(values)
    assert first == second
    assert first.low < first.value < first.high
    # The interval of a mean is about ± 1.96 standard errors.
    assert first.high - first.low == pytest.approx(2 * 1.96 * np.std(values) / np.sqrt(200), rel=0.1)


def test_a_rate_weighs_cases_by_their_length() -> None:
    rate = intervals.ratio([0, 5], [95, 5])
    assert (rate.value, rate.count) == (0.05, 2)
    assert rate.low == 0.0
    assert rate.high == 1.0


def test_no_cases_give_no_interval() -> None:
    with pytest.raises(ValueError, match="cases"):
        intervals.mean([])


def test_dnsmos_maps_raw_outputs_by_the_published_polynomials() -> None:
    scores = dnsmos.scores(np.array([[3.0, 3.0, 3.0], [3.0, 3.0, 3.0]]))
    assert scores["signal"] == pytest.approx(-0.08397278 * 9 + 1.22083953 * 3 + 0.0052439)
    assert scores["background"] == pytest.approx(-0.13166888 * 9 + 1.60915514 * 3 - 0.39604546)
    assert scores["overall"] == pytest.approx(-0.06766283 * 9 + 1.11546468 * 3 + 0.04602535)


@pytest.mark.parametrize(("seconds", "count"), [(5.0, 1), (9.5, 1), (11.0, 2), (12.0, 3)])
def test_dnsmos_looks_at_nine_seconds_every_second(seconds: float, count: int) -> None:
    samples = np.arange(int(seconds * dnsmos.SAMPLE_RATE), dtype=np.float32)
    windows = dnsmos.windows(samples)
    assert windows.shape == (count, dnsmos.WINDOW)
    assert windows[-1, 0] == (count - 1) * dnsmos.SAMPLE_RATE


def test_the_clone_must_beat_every_stranger() -> None:
    axes = np.eye(12, dtype=np.float32)
    own, strangers = axes[0], axes[1:10]
    clones = np.stack([axes[0], axes[3]])
    case = likeness.case("a", "en", "set", clones, reference=axes[0], other=own, strangers=strangers)
    assert (case.nearest, case.similarity, case.same_person) == (0.5, 0.5, 1.0)


def test_strangers_are_nine_others_of_the_same_language_first_and_always_the_same() -> None:
    languages = {f"zh{number}": "zh" for number in range(8)} | {f"en{number}": "en" for number in range(8)}
    strangers = likeness.strangers_of("zh0", "zh", languages)
    assert strangers == likeness.strangers_of("zh0", "zh", dict(reversed(languages.items())))
    assert len(set(strangers)) == 9
    assert "zh0" not in strangers
    assert sum(languages[name] == "zh" for name in strangers) == 7
    with pytest.raises(BadOption, match="ten held-out speakers"):
        likeness.strangers_of("zh0", "zh", {"zh0": "zh", "zh1": "zh"})


def test_likeness_comes_by_language_and_for_all() -> None:
    cases = [
        likeness.Case(f"{language}{n}", language, "s", 1.0, 0.5, 0.8, 0.1) for language in ("zh", "en") for n in "ab"
    ]
    rows = likeness.summaries(cases)
    assert [row.language for row in rows] == ["zh", "en", "all"]
    assert rows[-1].share.value == pytest.approx(0.625)
    assert rows[-1].nearest.count == 4


def test_a_plan_at_the_usual_lengths_is_not_strange_at_any_tempo() -> None:
    known = norms.load()
    symbols = ["^", "n", "i3", "_", "h", "ao3", "$"]
    usual = [np.exp(known.durations[symbol.rstrip("12345")].mean) if symbol[0].isalpha() else 0.1 for symbol in symbols]
    frames = np.maximum(np.rint(np.array(usual) * FORMAT.frame_rate), 1).astype(np.int64)
    assert norms.timing(symbols, frames, "zh", known).strange == 0
    slow = norms.timing(symbols, frames * 2, "zh", known)
    assert slow.strange == 0
    assert slow.rate_score < norms.timing(symbols, frames, "zh", known).rate_score
    frames[2] *= 40
    assert norms.timing(symbols, frames, "zh", known).strange == 1


def test_a_plan_is_monotonic_when_every_phoneme_has_its_own_stretch() -> None:
    assert measure.is_monotonic(np.array([1, 4, 2]), 3, 7)
    assert not measure.is_monotonic(np.array([1, 0, 6]), 3, 7)
    assert not measure.is_monotonic(np.array([1, 6]), 3, 7)
    assert not measure.is_monotonic(np.array([1, 4, 4]), 3, 7)


def test_sound_is_measured_at_any_rate() -> None:
    rate = 16_000
    at = np.arange(rate) / rate
    tone = sum(np.sin(2 * np.pi * 150 * k * at) / k for k in range(1, 12)).astype(np.float32) * 0.2
    quiet = np.zeros(rate // 2, np.float32)
    found = measure.sound(Audio(np.concatenate([quiet, tone, quiet]), rate))
    assert found.seconds == pytest.approx(2.0)
    assert found.speech_seconds == pytest.approx(1.0, abs=0.1)
    assert found.pitch_hz == pytest.approx(150, rel=0.02)
    assert found.pitch_spread < 1.0


def test_silence_has_no_pitch_and_no_speech() -> None:
    found = measure.sound(Audio(np.zeros(FORMAT.sample_rate, np.float32)))
    assert (found.speech_seconds, found.pitch_hz, found.peak) == (0.0, 0.0, 0.0)


def test_there_are_sixty_sentences_of_moderate_length_in_each_language() -> None:
    mandarin, english = sentences.unseen("zh"), sentences.unseen("en")
    assert min(len(set(mandarin)), len(set(english))) >= 60
    assert all(12 <= len(transcripts.tokens(text, "zh")) <= 30 for text in mandarin)
    assert all(8 <= len(text.split()) <= 18 for text in english)
    assert not any(letter.isdigit() for text in mandarin + english for letter in text)


@pytest.mark.parametrize(("language", "count"), [("fr", None), ("zh", 0), ("en", 10_000)])
def test_other_sentences_are_refused(language: str, count: int | None) -> None:
    with pytest.raises(BadOption):
        sentences.unseen(language, count)


def test_tables_are_markdown() -> None:
    text = tables.table(
        ("system", "CER"), [("a|b", tables.percent(Interval(0.041, 0.032, 0.05, 60))), ("c", tables.percent(None))]
    )
    assert text.splitlines() == ["| system | CER |", "|-|-:|", "| a\\|b | 4.1 % (3.2–5.0) |", "| c | – |"]
    assert tables.figure(Interval(3.214, 3.1, 3.3, 9)) == "3.21 (3.10–3.30)"
