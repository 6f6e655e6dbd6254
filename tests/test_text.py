"""The text frontend as a whole: spans, punctuation, pieces, refusals, markup, and what it does with any text at all."""

from __future__ import annotations

import random
import time

import pytest

from resay.errors import BadText
from resay.text import Lexicon, Sentence, phonemes, sentence, sentences

MIXED = "重庆银行的行长说：“GPT-4 costs $20 a month”，比3.5贵50%！\n\n# **标题**\n他在2015年08月08号去了New York吗？"


def spoken(text: str) -> list[str]:
    """Every phoneme of a text without pauses and boundaries."""
    return [symbol for found in sentences(text) for symbol in found.phonemes if not phonemes.is_pause(symbol)]


def check(text: str, found: Sentence) -> None:
    """Spans lead back to the raw text and every word to its phonemes."""
    assert text[found.span[0] : found.span[1]] == found.text
    assert found.phonemes[0] == phonemes.START
    assert found.phonemes[-1] == phonemes.END
    assert set(found.phonemes) <= set(phonemes.SYMBOLS)
    assert found.words
    for word in found.words:
        assert text[word.span[0] : word.span[1]] == word.text
        assert found.span[0] <= word.span[0] < word.span[1] <= found.span[1]
        assert word.phonemes[0] < word.phonemes[1]
    for word, following in zip(found.words, found.words[1:], strict=False):
        assert following.phonemes[0] == word.phonemes[1] + 1


@pytest.mark.parametrize(
    "text", [MIXED, "500元", "  Hello,  world!  ", "你\u200b好，ｗｏｒｌｄ", "好😀的。", "**重**点"]
)
def test_spans_lead_back_to_the_raw_text(text: str) -> None:
    for found in sentences(text):
        check(text, found)


def test_number_keeps_its_place() -> None:
    words = next(sentences("一共500元。")).words
    assert "500" in [word.text for word in words]
    assert [word.text for word in words][-1] == "元"


def test_words_are_apart_by_boundary_or_pause() -> None:
    found = next(sentences("你好，世界。"))
    assert found.phonemes == ("^", "n", "i2", "h", "ao3", ",", "sh", "i4", "j", "ie4", ".", "$")


@pytest.mark.parametrize(
    "text",
    [
        "他长大了，银行的行长来了，你该行了，第一，不对，一起走，好",
        "I read it, then they live here, the lead, which we record, is close, 3 apples, in 2005, done",
        "我用iPhone 15，它花了5000元，cool，然后2024，走",
        "老板很好，我很好，你也很好",
    ],
)
@pytest.mark.parametrize("stop", [".", "!", "?", ";", ":"])
def test_punctuation_moves_pauses_only(text: str, stop: str) -> None:
    wide = {".": "。", "!": "！", "?": "？", ";": "；", ":": "："}[stop]
    assert spoken(text) == spoken(text.replace("，", wide).replace(", ", stop + " "))


def test_exclamation_and_question_survive() -> None:
    assert [found.phonemes[-2] for found in sentences("好！好？好。")] == ["!", "?", "."]


@pytest.mark.parametrize(
    ("language", "expected"), [("zh", ("sh", "i2", "u3")), ("en", ("F", "IH0", "F", "T", "IY1", "N"))]
)
def test_language_decides_bare_numbers(language: str, expected: tuple[str, ...]) -> None:
    assert next(sentences("15", language=language)).phonemes[1:-2] == expected
    assert next(sentences("15", default_language=language)).phonemes[1:-2] == expected


@pytest.mark.parametrize("text", ["", "   \n", "。！？", "😀😀", "\u200b", "-----"])
def test_nothing_to_speak(text: str) -> None:
    with pytest.raises(BadText, match="nothing to speak"):
        list(sentences(text))


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Привет", "Cyrillic"),
        ("مرحبا", "Arabic"),
        ("안녕", "Korean"),
        ("こんにちは", "Japanese kana"),
        ("你好мир", "Cyrillic"),
    ],
)
def test_unsupported_script_is_named(text: str, script: str) -> None:
    with pytest.raises(BadText, match=script) as caught:
        list(sentences(text))
    assert "\n" not in str(caught.value)


def test_refusal_comes_before_anything_is_spoken() -> None:
    with pytest.raises(BadText):
        next(sentences("你好。" * 50 + "Привет"))


@pytest.mark.parametrize(
    ("text", "most"), [("我们今天一起去公园散步然后回家吃饭" * 20, 60), ("the quick brown fox jumps over it " * 20, 25)]
)
def test_pieces_are_short(text: str, most: int) -> None:
    found = list(sentences(text))
    assert len(found) > 1
    assert "".join("".join(piece.text.split()) for piece in found) == "".join(text.split())
    for piece in found:
        check(text, piece)
        assert sum(len(word.reading) if word.language == "zh" else 1 for word in piece.words) <= most


def test_long_sentence_is_cut_at_its_clauses() -> None:
    text = "今天天气很好" * 6 + "，" + "我们出去玩吧" * 6 + "。"
    assert [piece.text[-1] for piece in sentences(text)] == ["，", "。"]


def test_transcript_is_one_sentence() -> None:
    text = "It was late. He left! Why? " * 20
    check(text, sentence(text))
    assert sentence("THE CAT SAT ON THE MAT").phonemes == sentence("the cat sat on the mat").phonemes
    assert sentence("lv4 de5", "zh").phonemes == ("^", "l", "v4", "_", "d", "e5", ".", "$")


def test_markup() -> None:
    text = '我在[[yín háng]]，<phoneme alphabet="pinyin" ph="chong2">重</phoneme>来<break time="300ms"/>了'
    found = next(sentences(text))
    check(text, found)
    by_text = {word.text: word for word in found.words}
    assert by_text["[[yín háng]]"].reading == ("yin2", "hang2")
    assert by_text["重"].source == "markup"
    assert list(found.breaks.values()) == [0.3]
    assert found.phonemes[next(iter(found.breaks))] == ","


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("[[重庆|chóng qìng]]", "chong2 qing4"),
        ("[[R IY1 S EY2]]", "R IY1 S EY2"),
        ('<phoneme alphabet="ipa" ph="həˈloʊ">x</phoneme>', "HH AH0 L OW1"),
        ('<sub alias="you">U</sub>', "Y UW1"),
        ('<say-as interpret-as="characters">cat</say-as>', "S IY1 EY1 T IY1"),
        ('好<say-as interpret-as="digits">12</say-as>', "hao3 yi1 er4"),
        ('好<say-as interpret-as="cardinal">2024</say-as>', "hao2 liang3 qian1 ling2 er4 shi2 si4"),
    ],
)
def test_markup_reading(text: str, reading: str) -> None:
    assert " ".join(item for word in next(sentences(text)).words for item in word.reading) == reading


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("你好[[yin2", "line 1, column 3"),
        ("a\nb [[xyz9]]", "line 2, column 5"),
        ("<phoneme ph='x'>好", "line 1, column 1"),
        ("好<break time='1h'/>", "line 1, column 2"),
        ("好<break", "line 1, column 2"),
        ("好</sub>", "line 1, column 2"),
        ("<say-as interpret-as='nonsense'>3</say-as>", "line 1, column 1"),
        ("<phoneme alphabet='klingon' ph='a'>好</phoneme>", "line 1, column 1"),
    ],
)
def test_broken_markup_says_where(text: str, place: str) -> None:
    with pytest.raises(BadText, match=place):
        list(sentences(text))


RANGES = [
    *[(0x20, 0x7F), (0x20, 0x2FF), (0x370, 0x3FF), (0x2000, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF)],
    *[(0xFF00, 0xFFEF), (0x1F300, 0x1FAFF), (0, 0xD7FF), (0xD800, 0xDFFF), (0xE000, 0x10FFFF), (0x30, 0x3A)],
]
PARTS = [
    *["[[", "]]", "|", "<phoneme ph='", "'>", "</phoneme>", '<break time="', '"/>', "<say-as interpret-as='digits'>"],
    *["</say-as>", '<sub alias="', "</sub>", "<!--", "-->", "&lt;", "&#1055;", "&#57344;", "&#x3402;", "\r\n", "\n\n"],
    *["http://", "@", ".com", "**", "-5℃", "2015年", "12/2/2", "的", "得", "一", "不", "々", "$", "￥", "1e9", "III"],
    *["v1.2.3", "+86", "13800138000", "12:30", "3-4", "½", "²", "ǎ", "yin2", " hang2 ", "mp3", "EY1", "a.m.", "A"],
]


def any_text(source: random.Random) -> str:
    """Up to 200 characters of three kinds, sometimes with bits of what the frontend looks for."""
    chosen = [*source.sample(RANGES, 2), (0x30, 0x3A)]
    common = source.choice([0.0, 0.3])
    return "".join(
        source.choice(PARTS) if source.random() < common else chr(source.randint(*source.choice(chosen)))
        for _ in range(source.randint(1, source.choice([5, 30, 30, 200])))
    )


@pytest.mark.parametrize("count", [2000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_any_text_is_spoken_or_refused(count: int) -> None:
    """Sentences that hold together, or BadText in one line before the first of them; nothing else, and at once."""
    source = random.Random(count)
    spoken, refusals = 0, set()
    for _ in range(count):
        text = any_text(source)
        begun = time.process_time()
        found = sentences(text, source.choice(["auto", "zh", "en"]))
        try:
            first = next(found)
        except BadText as refusal:
            refusals.add(str(refusal))
            continue
        spoken += 1
        for part in (first, *found):
            check(text, part)
        assert time.process_time() - begun < 2
    assert spoken > count / 5
    assert not [refusal for refusal in refusals if "\n" in refusal]


@pytest.mark.parametrize(
    ("text", "entries", "refused"),
    [
        ("&#1055; hello", {}, "Cyrillic"),
        ("&#x3402;好", {}, "㐂"),
        ("㐂好", {"㐂㐂": "xi3 xi3"}, "㐂"),
        ("㐂㐂好", {"㐂㐂": "xi3 xi3"}, ""),
        ("<say-as interpret-as='characters'>㐂</say-as>㐂㐂", {"㐂㐂": "xi3 xi3"}, "㐂"),
        ("人々，々", {}, ""),
        ("a&#57344;", {}, ""),
        ("mp3", {}, ""),
        ("gpt4", {}, ""),
    ],
)
def test_disguises(text: str, entries: dict[str, str], refused: str) -> None:
    """What hides in an entity, in a repetition sign, behind half a lexicon entry, or looks like pinyin."""
    found = sentences(text, lexicon=Lexicon(entries))
    if refused:
        with pytest.raises(BadText, match=refused):
            next(found)
    else:
        assert list(found)


def test_fast_enough() -> None:
    """5,000 characters a second on a core, after warm-up, with room for a busy machine."""
    text = "他在2015年去了重庆银行，花了500元买东西。We read the new record, and it is close to 25% off. " * 40
    list(sentences(text[:200]))
    begun = time.process_time()
    list(sentences(text))
    assert len(text) / (time.process_time() - begun) > 5000
