"""Mandarin: characters to words to readings, with tone sandhi.

Words are those of jieba's dictionary (through rjieba). A word's reading is the phrase table's, longest match inside the
word, else each character's most usual reading; the polyphone model has the last word. Sandhi follows Duanmu, The
Phonology of Standard Chinese (2007), chapters 11 and 12.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from . import particles, polyphones, tables

HAN = "〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
"""Chinese characters, for use in a character class."""

NUMERALS = frozenset("零〇一二三四五六七八九十百千万亿")
_HAN = re.compile(f"[{HAN}]")
_DIGITS = frozenset("零〇一二三四五六七八九")
_NEUTRAL = {
    "的": "de5", "了": "le5", "着": "zhe5", "吗": "ma5", "呢": "ne5", "吧": "ba5", "们": "men5", "嘛": "ma5",
    "么": "me5",
}  # fmt: skip
_LONGEST_PHRASE = 8

_BOUND = frozenset("的地得着了过不我你他她它这那很都也就还")
_FULL_ER = frozenset(
    "女儿 男儿 婴儿 幼儿 孤儿 少儿 胎儿 健儿 宠儿 混血儿 弃儿 患儿 "
    "小儿 孩儿 妻儿 侄儿 新生儿 早产儿 试管婴儿 鹿儿".split()
)
_WITH_DE = frozenset("不所获取赢应难既心总只必非自想")
"""First characters of words such as 不得了 and 所得税, where 得 is no particle."""
_FULL_IN_COMPOUNDS = {"东西": "xi1", "地方": "fang1"}
"""Words whose second syllable is neutral, but not at the head of a longer one: 东西方, 地方法院."""
_SURNAMES = {
    "单": "shan4", "解": "xie4", "区": "ou1", "仇": "qiu2", "查": "zha1", "曾": "zeng1", "任": "ren2", "盖": "ge3",
    "朴": "piao2",
    "乐": "yue4", "华": "hua4", "纪": "ji3", "冼": "xian3", "缪": "miao4", "翟": "zhai2", "燕": "yan1", "应": "ying1",
    "宁": "ning4", "那": "na1", "折": "she2", "葛": "ge3", "过": "guo1", "晁": "chao2", "冯": "feng2", "卜": "bu3",
    "尹": "yin3",
}  # fmt: skip
_TITLES = frozenset(
    "老师 先生 女士 小姐 经理 总 教授 医生 主任 校长 局长 书记 同学 师傅 太太 博士 院长 "
    "律师 警官 导演 董事长 部长 市长 省长 大夫 阿姨 叔叔".split()
)

# One traditional character, two simplified ones or two readings: decided by what stands beside it.
_IN_CONTEXT = (
    (re.compile("於(?!菟)"), "于"),
    (re.compile("(?<![名原编巨遗论专译拙合显昭卓土])著(?![名作述称者书录])"), "着"),
    (re.compile("乾(?![隆坤卦清])"), "干"),
    (re.compile("瞭(?![望])"), "了"),
    (re.compile("徵(?!羽)"), "征"),
    (re.compile("藉(?![贯])(?=[由着此口])"), "借"),
    (re.compile("[妳]"), "你"),
    (re.compile("[牠祂]"), "它"),
    (re.compile("甚(?=么)"), "什"),
    (re.compile("[覆](?=[盖没灭])"), "覆"),
)
_TRADITIONAL_READINGS = {
    "髮": "fa4", "發": "fa1", "隻": "zhi1", "幹": "gan4", "乾": "gan1", "臟": "zang4", "髒": "zang1", "捲": "juan3",
    "儘": "jin3", "盡": "jin4", "鬥": "dou4", "衝": "chong1", "彆": "bie4", "籲": "yu4", "癥": "zheng1",
    "纖": "xian1",
    "薑": "jiang1", "麵": "mian4", "鬆": "song1", "鑽": "zuan4", "擔": "dan1", "壩": "ba4",
}  # fmt: skip


@dataclass(frozen=True)
class Spoken:
    """A Mandarin word, `start:end` in its run of characters, and how it is read."""

    start: int
    end: int
    reading: tuple[str, ...]
    source: str


@cache
def _simplified() -> dict[int, int]:
    """Traditional to simplified characters, for str.translate."""
    return {ord(key): ord(value) for key, value in tables.read("mandarin_simplified").items()}


def to_simplified(text: str) -> str:
    """Traditional characters made simplified, one for one, so that places stay."""
    if text.isascii():
        return text
    simplified = text.translate(_simplified())
    for pattern, character in _IN_CONTEXT:
        simplified = pattern.sub(character, simplified)
    return simplified


def has_reading(character: str) -> bool:
    """Whether any reading of the character is known."""
    return character in characters()


@cache
def characters() -> Mapping[str, str]:
    """Character → readings, the most usual first, kept apart by spaces."""
    return tables.read("mandarin_characters")


@cache
def phrases() -> Mapping[str, str]:
    return tables.read("mandarin_phrases")


def phrase(words: str) -> str | None:
    """Readings of a phrase's characters, kept apart by spaces; None where it is in no table."""
    return _corrections().get(words) or phrases().get(words)


@cache
def _corrections() -> dict[str, str]:
    """Hand-written readings, which go before those of the phrase table."""
    lines = (tables.FOLDER / "mandarin_corrections.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))


def words(run: str) -> list[str]:
    """The run of Han characters cut into words."""
    import rjieba

    cut: list[str] = rjieba.cut(run)
    return cut


def read(written: str, text: str, start: int, end: int, cuts: Sequence[int]) -> list[Spoken]:
    """The words of the characters `start:end` of a text, with readings before sandhi.

    `written` is the text before traditional characters were made simplified; no word goes across a place in `cuts`.
    """
    found: list[Spoken] = []
    bounds = [start, *cuts, end]
    position = start
    tagged = [pair for first, last in pairwise(bounds) for pair in _tagged(text[first:last])]
    for index, (word, _) in enumerate(tagged):
        seen = _Word(text, tagged, index, position, written[position : position + len(word)])
        reading, source = _word_in_context(seen)
        found.append(Spoken(position, position + len(word), tuple(reading), source))
        position += len(word)
    return found


@dataclass(frozen=True)
class _Word:
    """Word `index` of the tagged words of a text, at a place of the text, and as it was before simplification."""

    text: str
    tagged: Sequence[tuple[str, str]]
    index: int
    position: int
    written: str

    def beside(self, distance: int) -> tuple[str, str]:
        """The tagged word so many places further, or two empty strings."""
        place = self.index + distance
        return self.tagged[place] if 0 <= place < len(self.tagged) else ("", "")


def _word_in_context(seen: _Word) -> tuple[list[str], str]:
    """Reading of a word before sandhi, and who decided it."""
    word = seen.tagged[seen.index][0]
    reading, listed = word_reading(word)
    ruled = _by_rule(seen)
    if ruled:
        return [ruled, *reading[1:]], "context"
    tag = seen.tagged[seen.index][1]
    last = particles.last_syllable(word, tag, seen.beside(-1), seen.beside(1), seen.beside(-2)) if len(word) > 1 else ""
    if last:
        return [*reading[:-1], last], "context"
    model = polyphones.model()
    source = "dictionary"
    for offset, character in enumerate(word):
        original = seen.written[offset]
        if len(word) == 1 and original != character and original in _TRADITIONAL_READINGS:
            reading[offset] = _TRADITIONAL_READINGS[original]
        elif character in model.readings:
            features = polyphones.features(
                seen.text, seen.position + offset, seen.tagged, seen.index, offset, listed[offset]
            )
            better = polyphones.best(model, character, features, reading[offset])
            if better != reading[offset]:
                reading[offset], source = better, "context"
    return reading, source


def _by_rule(seen: _Word) -> str:
    """Reading of the first character where grammar decides it: 得 and 地 as particles, a surname; empty elsewhere."""
    word, tag = seen.tagged[seen.index]
    before, after = seen.beside(-1), seen.beside(1)
    particle = particles.reading((word, tag), seen.beside(-2), before, after)
    if particle:
        return particle
    if particles.is_got(word, before):
        return "de5"
    if word == "长" and after[0] == "得":
        return "zhang3"
    if word[0] in _SURNAMES and phrase(word) is None:
        titled = len(word) == 1 and after[0] in _TITLES
        if titled or tag == "nr" and 1 < len(word) < 4:
            return _SURNAMES[word[0]]
    return ""


def _tagged(run: str) -> list[tuple[str, str]]:
    """Words and parts of speech. Words that were guessed though they hold a particle or pronoun are cut again."""
    import rjieba

    tagged: list[tuple[str, str]] = []
    for word, tag in rjieba.tag(run):
        if len(word) > 1 and not _BOUND.isdisjoint(word) and not rjieba.has_word(word) and phrase(word) is None:
            tagged += rjieba.tag(word, False)
        else:
            tagged.append((word, tag))
    return tagged


def _is_word(text: str) -> bool:
    """Whether jieba's dictionary has it."""
    import rjieba

    return bool(rjieba.has_word(text))


@dataclass(frozen=True)
class Context:
    """What the polyphone classifier is given for a character."""

    features: list[str]
    proposed: str


def context(text: str, position: int) -> Context:
    """Features and dictionary reading of the character at a place of a simplified text."""
    start, end = position, position + 1
    while start and _HAN.match(text[start - 1]):
        start -= 1
    while end < len(text) and _HAN.match(text[end]):
        end += 1
    tagged = _tagged(text[start:end])
    for index, (word, _) in enumerate(tagged):
        if start + len(word) > position:
            offset = position - start
            reading, listed = word_reading(word)
            seen = polyphones.features(text, position, tagged, index, offset, listed[offset])
            return Context(seen, reading[offset])
        start += len(word)
    raise ValueError(f"no character at {position}")


def word_reading(word: str) -> tuple[list[str], list[bool]]:
    """Dictionary reading of a word before sandhi, and for each character whether the phrase table gave it."""
    if len(word) == 1:
        return [_NEUTRAL.get(word) or character_reading(word)], [False]
    reading: list[str] = []
    listed: list[bool] = []
    while len(reading) < len(word):
        place = len(reading)
        for length in range(min(_LONGEST_PHRASE, len(word) - place), 1, -1):
            known = phrase(word[place : place + length])
            if known:
                reading += known.split(" ")
                listed += [True] * length
                break
        else:
            character = word[place]
            suffix = place > 0 and character in "们着了的"
            reading.append(_NEUTRAL[character] if suffix else character_reading(character))
            listed.append(suffix)
    if word[-1] == "儿" and word not in _FULL_ER and reading[-1] == "er2":
        reading[-1], listed[-1] = "er5", True
    if word[1:] == "得" and phrase(word) is None:
        reading[1], listed[1] = "de5", True
    if len(word) > 2 and word[:2] in _FULL_IN_COMPOUNDS:
        reading[1], listed[1] = _FULL_IN_COMPOUNDS[word[:2]], True
    if len(word) == 3 and word[1] in "不得" and word[0] not in _WITH_DE and reading[1] in ("bu4", "de2"):
        reading[1], listed[1] = reading[1][:-1] + "5", True
    return reading, listed


def character_reading(character: str) -> str:
    """Most usual reading of a character. Raises KeyError where it has none."""
    return characters()[character].partition(" ")[0]


def sandhi(texts: Sequence[str], readings: list[list[str]], fixed: Sequence[bool]) -> None:
    """Change tones in place: 一, 不, then third tones, for words without a pause between them.

    The readings of `fixed` words stay as they are, but their tones count for their neighbours.
    """
    flat = [syllable for reading in readings for syllable in reading]
    if len(flat) == sum(map(len, texts)):
        _one_and_not("".join(texts), flat)
    position = 0
    for reading, kept in zip(readings, fixed, strict=True):
        if not kept:
            reading[:] = flat[position : position + len(reading)]
        position += len(reading)
    for text, reading, kept in zip(texts, readings, fixed, strict=True):
        if not kept:
            _third_tones_inside(text, reading)
    for place in range(len(readings) - 2, -1, -1):
        left, right = readings[place], readings[place + 1]
        if left[-1][-1] == "3" and right[0][-1] == "3" and (len(left) == 1 or len(right) == 1) and not fixed[place]:
            left[-1] = left[-1][:-1] + "2"


def _one_and_not(run: str, flat: list[str]) -> None:
    """一 is yi2 before a fourth tone, yi4 before others, yi1 in numbers and last; 不 is bu2 before a fourth tone."""
    for position, character in enumerate(run):
        if character not in "一不" or position + 1 >= len(run):
            continue
        following, tone = run[position + 1], flat[position + 1][-1]
        before = run[position - 1] if position else ""
        repeated = (
            before == following and before not in NUMERALS and run[position - 2 : position - 1] not in tuple("一不")
        )
        # 冷得不得了 is no question, as 好不好 is.
        repeated = repeated and run[position : position + 3] not in ("不得了", "不得不", "不得已")
        if before and repeated and flat[position][:-1] in ("yi", "bu"):
            flat[position] = flat[position][:-1] + "5"
        elif character == "不" and flat[position] in ("bu2", "bu4"):
            flat[position] = "bu2" if tone == "4" else "bu4"
        elif character == "一" and flat[position][:-1] == "yi":
            if _is_counted(run, position, before, following):
                flat[position] = "yi1"
            else:
                flat[position] = "yi2" if tone in "45" else "yi4"


def _is_counted(run: str, position: int, before: str, following: str) -> bool:
    """Whether 一 is a numeral that keeps its tone: an ordinal, a digit among digits, the last of a larger number."""
    if following in "百千万亿":
        return False
    if before and before in "统万唯惟单专逐之划归":
        return True
    if before in NUMERALS or following in _DIGITS or following == "十":
        return True
    if before in ("第", "初") or (before in ("期", "周", "拜") and run[max(0, position - 2) : position] in _WEEK):
        return True
    if following == "点":
        return run[position + 2 : position + 3] in _DIGITS and run[position + 3 : position + 4] not in ("十", "分")
    return following in "月号日楼" and before != "同" or following == "期" and before != "这"


_WEEK = ("星期", "周", "礼拜", "本周", "下周", "上周", "每周", "这周")


def _third_tones_inside(word: str, reading: list[str]) -> None:
    """Third tone before third tone becomes second: 展览+馆 → 2 2 3, 小+老虎 → 3 2 3."""
    if len(reading) < 2:
        return
    if len(reading) == 3 and all(syllable[-1] == "3" for syllable in reading):
        if not _is_word(word[1:]) or _is_word(word[:2]):
            reading[0] = reading[0][:-1] + "2"
        reading[1] = reading[1][:-1] + "2"
        return
    for position in range(len(reading) - 2, -1, -1):
        if reading[position][-1] == "3" and reading[position + 1][-1] == "3":
            reading[position] = reading[position][:-1] + "2"
