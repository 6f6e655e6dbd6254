"""Raw text to plain characters: one form for every look-alike, nothing that cannot be said, every character traced.

What is left after `clean` is Latin letters, Han characters, Greek letters, digits, spaces, new lines and the signs that
the normalisers know. Private-use characters are dropped: later they stand for what markup or the lexicon has decided.
Letters of other scripts are refused, never dropped.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from ..errors import BadText
from .traced import Traced

_LOOK_ALIKES = {
    **dict.fromkeys("“”„‟«»‹›「」『』〝〞〟＂❝❞", '"'),
    **dict.fromkeys("‘’‚‛′ʼʹˈ＇`´❛❜", "'"),
    **dict.fromkeys("‐‑⁃﹣－", "-"),
    **dict.fromkeys("‒–", "–"),
    **dict.fromkeys("—―─━⸺⸻﹘", "—"),
    **dict.fromkeys("−➖", "−"),
    **dict.fromkeys("～〜∼˜", "~"),
    **dict.fromkeys("…⋯‥", "…"),
    **dict.fromkeys("，﹐︐؛٬", "，"),
    **dict.fromkeys("。｡", "。"),
    **dict.fromkeys("．﹒", "."),
    **dict.fromkeys("、､﹑", "、"),
    **dict.fromkeys("！﹗❗❕¡", "!"),
    **dict.fromkeys("？﹖❓❔¿؟", "?"),
    **dict.fromkeys("；﹔", ";"),
    **dict.fromkeys("：﹕∶ː", ":"),
    **dict.fromkeys("（﹙【〔［〖〘⟨", "("),
    **dict.fromkeys("）﹚】〕］〗〙⟩", ")"),
    **dict.fromkeys("·・•‧∙⋅●", "·"),
    **dict.fromkeys("✕✖╳", "×"),
    **dict.fromkeys("➗", "÷"),
    **dict.fromkeys("➕＋", "+"),
    **dict.fromkeys("￥", "¥"),
    "℃": "°C",
    "℉": "°F",
    "º": "°",
    "˚": "°",
    "№": "No. ",
    "\u2044": "/",
    "\u2215": "/",
    "々": "々",
    "Ω": "Ω",
    "µ": "μ",
    "ı": "i",
    "ł": "l",
    "Ł": "L",
    "ø": "o",
    "Ø": "O",
    "đ": "d",
    "Đ": "D",
    "ð": "th",
    "þ": "th",
    "Þ": "Th",
    "ß": "ss",
    "æ": "ae",
    "Æ": "Ae",
    "œ": "oe",
    "Œ": "Oe",
}
_KEPT = frozenset("²³⁰¹⁴⁵⁶⁷⁸⁹⁻½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞°±×÷·√∞≈≠≤≥∑∏∫π€£¥$¢₩₹₿→←↔§¶‰%&@#*+=<>/\\|^_~[]{}∈∪∩∴∵∠⊥∥△↑↓")
_PLAIN = re.compile(r"[ -_a-~\n\u4e00-\u9fff]*\Z")
_HAN_BLOCKS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
_SCRIPTS = {"HANGUL": "Korean", "HIRAGANA": "Japanese kana", "KATAKANA": "Japanese kana", "CJK": "Han"}


def is_han(character: str) -> bool:
    """Whether this is a Chinese character (〇 and 々 count)."""
    code = ord(character)
    return character in "〇々" or any(first <= code <= last for first, last in _HAN_BLOCKS)


def clean(text: Traced) -> Traced:
    """The text in plain characters. Raises BadText where it has letters of a script that cannot be spoken."""
    if _PLAIN.match(text.text):
        return text
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    refused: list[str] = []
    for position, character in enumerate(text.text):
        new = plain(character)
        if new is None:
            refused.append(character)
            continue
        if character == "々":
            new = characters[-1] if characters and is_han(characters[-1]) else ""
        characters += new
        starts += [text.starts[position]] * len(new)
        ends += [text.ends[position]] * len(new)
    if refused:
        raise BadText(_refusal(text.text, refused))
    return Traced("".join(characters), starts, ends)


@lru_cache(maxsize=16384)
def plain(character: str) -> str | None:
    """What a raw character becomes: other characters, nothing at all, or None where it is a letter we cannot speak."""
    if character in _LOOK_ALIKES:
        return _LOOK_ALIKES[character]
    if character in _KEPT or " " <= character <= "~" or character == "\n":
        return character
    if character in "\r\u0085\u2028\u2029\x0b\x0c":
        return "\n"
    if is_han(character):
        composed = unicodedata.normalize("NFKC", character)
        return composed if len(composed) == 1 else character
    category = unicodedata.category(character)
    if category == "Zs" or character == "\t":
        return " "
    if category[0] in "CM":
        return ""
    if category == "Nd":
        return str(unicodedata.digit(character))
    return _compatible(character, category)


def _compatible(character: str, category: str) -> str | None:
    """Letters and signs by their compatibility decomposition; of what has none, signs are dropped, letters refused."""
    parts = unicodedata.normalize("NFKD", character)
    if parts != character:
        pieces = [plain(part) for part in parts if part != character]
        if all(piece is not None for piece in pieces):
            return "".join(piece for piece in pieces if piece)
    if category[0] == "L" or category == "Nl":
        name = unicodedata.name(character, "")
        if name.startswith("GREEK") and len(parts) == 1:
            return character
        if category == "Lm" and name.startswith("MODIFIER"):
            return ""
        return None
    return " "


def _refusal(text: str, refused: list[str]) -> str:
    """The one line that says which letters cannot be spoken."""
    scripts = sorted({script(character) for character in refused})
    spoken = any(is_han(character) or (character.isascii() and character.isalpha()) for character in text)
    letters = " ".join(dict.fromkeys(refused))
    if len(letters) > 60:
        letters = letters[:60] + "…"
    names = " and ".join(scripts)
    if spoken:
        return f"the text has letters that cannot be spoken ({names}): {letters}; remove or transcribe them"
    return f"the text is in {names} script; resay speaks Mandarin and English"


def script(character: str) -> str:
    """Name of the script a letter belongs to, from its Unicode name."""
    first = unicodedata.name(character, "unknown").split()[0]
    return _SCRIPTS.get(first, first.capitalize())


_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-fA-F]{1,5}|[a-zA-Z]{2,8});")


def entities(text: str) -> str:
    """Every character that an HTML entity of the text stands for."""
    return "".join(map(html.unescape, dict.fromkeys(_ENTITY.findall(text))))


def _entity(match: re.Match[str]) -> str:
    """What an entity stands for, as clean as other text: it came through `clean` in disguise."""
    return "".join(plain(character) or "" for character in html.unescape(match.group()))


_TIDYINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str | None] | str], ...] = (
    (_ENTITY, _entity),
    (re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>\n]*)?/?>"), " "),
    (re.compile(r"!?\[([^\[\]\n]*)\]\((?:[^()\n]|\([^()\n]*\))*\)"), lambda match: match.group(1)),
    (re.compile(r"^[ ]*(?:#{1,6} |>+ ?|[*+-] (?=\S)|\|)", re.MULTILINE), ""),
    (re.compile(r"^[ ]*(?:[-*_=] ?){3,}$", re.MULTILINE), ""),
    (re.compile(r"^[ |:-]*-{2,}[ |:-]*$", re.MULTILINE), ""),
    (re.compile(r"```\w*|`"), ""),
    (re.compile(r"(\*\*|__|~~)(?=\S)(.+?)(?<=\S)\1"), lambda match: match.group(2)),
    (re.compile(r"(?<![\w*])([*_])(?=[^\s*_])([^*_\n]+?)(?<=\S)\1(?![\w*])"), lambda match: match.group(2)),
    (re.compile(r"(?<=\S) ?\| ?(?=\S|$)"), ", "),
    (re.compile(r"\.{2,}|…{2,}"), "…"),
    (re.compile(r"(?<!\d) -{1,3} | -{1,3} (?!\d)|(?<!-)-{2,3}(?!-)|—{2,}"), "—"),
)


def tidy(text: Traced) -> Traced:
    """Cleaned text without what is left of Markdown and HTML, and with one sign for each dash and ellipsis."""
    if not _UNTIDY.search(text.text):
        return text
    for pattern, replacement in _TIDYINGS:
        text = text.replace(pattern, replacement)
    return text


_UNTIDY = re.compile(r"[&<*_`~|#>\[]|\.\.|……|--|- |——|^ *[+=]", re.MULTILINE)
