"""English: numbers, dates, units, signs and abbreviations written out in words.

One rule after the other is applied to the whole text, the most particular first. What a rule writes has no digits, so
that no later rule takes it for its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from . import english_dates, english_units
from .addresses import spoken_address
from .english_dates import DAY, MONTH, YEAR
from .english_numbers import cardinal, digits, number, ordinal, ordinal_form, pairs, plural, roman, year
from .english_units import UNIT
from .symbols import GREEK, SUPERSCRIPTS, VULGAR_FRACTIONS
from .traced import Traced

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]

_NUM = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_DENOMINATORS = {2: "half", 4: "quarter"}
_ADDRESS_SIGNS = {
    ".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore", "?": "question mark", "=": "equals",
    "&": "and", "+": "plus", "~": "tilde", ":": "colon", "%": "percent", "#": "hash",
}  # fmt: skip


def _year_like(written: str) -> str:
    return year(written) if len(written) == 4 else cardinal(written)


def _fraction(match: re.Match[str]) -> str | None:
    """3/4 → three quarters, 5 1/2 → five and a half."""
    top, bottom = int(match["top"]), int(match["bottom"])
    if bottom == 0 or bottom > 1000:
        return None
    whole = f"{cardinal(match['whole'])} and " if match["whole"] else ""
    if (top, bottom) in ((24, 7), (9, 11)):
        return f"{cardinal(top)} {cardinal(bottom)}"
    if top >= bottom and not whole or bottom == 1:
        return f"{whole}{cardinal(top)} over {cardinal(bottom)}" if bottom < 10 else None
    name = _DENOMINATORS.get(bottom) or ordinal(bottom)
    if top != 1:
        name = "halves" if name == "half" else name + "s"
    return f"{whole}{'a' if whole and top == 1 else cardinal(top)} {name}"


def _vulgar(match: re.Match[str]) -> str:
    top, bottom = VULGAR_FRACTIONS[match["sign"]]
    whole = f"{number(match['whole'])} and " if match["whole"] else ""
    name = _DENOMINATORS.get(bottom) or ordinal(bottom)
    name = ("halves" if name == "half" else name + "s") if top != 1 else name
    return f" {whole}{'a' if whole and top == 1 else cardinal(top)} {name} "


def _range(match: re.Match[str]) -> str | None:
    """1833-1897 → eighteen thirty three to eighteen ninety seven, 12-15 → twelve to fifteen."""
    first, last = match["first"], match["last"]
    if len(first) == 4 and len(last) in (2, 4) and re.fullmatch(r"1\d{3}|20\d\d", first):
        return f"{year(first)} to {_year_like(last)}"
    if max(len(first), len(last)) > 4 and "." not in first + last and "," not in first + last:
        return None
    return f"{number(first)} to {number(last)}"


def _ratio(match: re.Match[str]) -> str:
    """1:250000 → one to two hundred fifty thousand."""
    return f"{number(match['first'])} to {number(match['last'])}"


def _code_groups(match: re.Match[str]) -> str:
    """Groups of digits between hyphens, as in book numbers; short ones are scores."""
    groups = re.findall(r"\d+|[xX]", match.group())
    if all(len(group) < 3 for group in groups) and len(groups) == 3:
        return " to ".join(cardinal(group) for group in groups)
    return ", ".join(digits(group) if group.isdigit() else "X" for group in groups)


def _decade(match: re.Match[str]) -> str:
    """1980s → nineteen eighties, '80s → eighties."""
    written = match["decade"]
    return plural(year(written) if len(written) == 4 else cardinal(written))


def _telephone(match: re.Match[str]) -> str:
    groups = [digits(group) for group in re.findall(r"\d+", match.group())]
    return ("plus " if match.group().startswith("+") else "") + ", ".join(groups)


def _dotted(match: re.Match[str]) -> str:
    """Versions and addresses: 3.11.2 → three point eleven point two."""
    between = " dot " if match.group().count(".") == 3 and not match["v"] else " point "
    spoken = between.join(cardinal(part) for part in match["parts"].split("."))
    return ("version " if match["v"] else "") + spoken


def _exponent(match: re.Match[str]) -> str:
    """An exponent as words, with its sign."""
    written = (match["raised"] or match["power"]).translate(SUPERSCRIPTS).replace("−", "-").lstrip("+")
    return ("minus " if written.startswith("-") else "") + cardinal(written.lstrip("-"))


def _scientific(match: re.Match[str]) -> str:
    """3×10⁸ → three times ten to the eighth."""
    amount = f"{number(match['amount'])} times " if match["amount"] else ""
    return f"{amount}ten to the {ordinal_form(_exponent(match))}"


def _power(match: re.Match[str]) -> str:
    """x² → x squared."""
    exponent = _exponent(match)
    name = {"two": "squared", "three": "cubed"}.get(exponent, f"to the power of {exponent}")
    return f"{match['base']} {name} "


def _year_or_number(match: re.Match[str]) -> str:
    """Four digits without a comma: a year, unless what stands around them counts something."""
    written = match.group()
    before, after = match.string[: match.start()], match.string[match.end() :]
    counted = re.match(r"\s*(?:(?:to|or|and|-)\s*\d|%|percent|per\b)", after) and not _AFTER_YEAR_WORD.search(before)
    if counted or _COUNTED.match(after) and not _AFTER_YEAR_WORD.search(before) or _NUMBERED.search(before):
        return f" {cardinal(written)} "
    unlikely = written[1:] == "000" and written != "2000" or not 1100 <= int(written) < 2100
    if unlikely and not (_AFTER_YEAR_WORD.search(before) and int(written) < 2200):
        return f" {cardinal(written)} "
    return f" {year(written)} "


_AFTER_YEAR_WORD = re.compile(
    r"\b(?:in|since|by|until|till|before|after|during|circa|year|years|early|late|mid|from|between|spring|summer|"
    r"autumn|"
    r"fall|winter|born|of|the|A\.? ?D\.?)[ \n(]*$",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"\s+(?:(?:[a-z]+\s+)?(?:people|men|women|children|feet|miles|meters|metres|kilometers|pounds|dollars|francs|years|"
    r"days|hours|minutes|words|pages|troops|soldiers|students|members|inhabitants|times|tons|acres|points|residents|"
    r"horses|degrees|copies|yards|votes|households|families|seats|species|employees|homes|lines|volumes|stars|pieces|"
    r"million|thousand|billion|hundred|others|calories|grams|copies|steps)\b)"
)
_NUMBERED = re.compile(
    r"(?:\b(?:No|Nos|number|page|pages|chapter|room|flight|route|psalm|lot|location|over|nearly|some|"
    r"(?:more|less|fewer|greater) than|another|almost|up to|at least)\.?|[$£€#])[ ]*$",
    re.IGNORECASE,
)


def _plain(match: re.Match[str]) -> str:
    return f" {number(match.group())} "


def _signed(match: re.Match[str]) -> str:
    word = {"+": "plus", "±": "plus or minus"}.get(match["sign"], "minus")
    return f"{word} {number(match['amount'])}"


def _code(match: re.Match[str]) -> str:
    """Letters with digits: A380 → A three eighty, MP3 → MP three."""
    written = match["digits"]
    spoken = pairs(written) if len(written) in (3, 4) else digits(written) if len(written) > 4 else number(written)
    return f"{match['head']} {spoken} "


def _roman(match: re.Match[str]) -> str | None:
    """Henry VIII → Henry the eighth, Chapter IV and Division III → four, three."""
    written = match["roman"]
    known = match["name"] or match["kind"]
    if (
        not _ROMAN_FORM.fullmatch(written)
        or written in "CDLM"
        or not known
        and (len(written) < 2 or written in _NOT_ROMAN)
    ):
        return None
    value = roman(written)
    if match["name"]:
        return f"{match['name']} the {ordinal(value)}" if value < 40 else None
    return f"{match['kind'] or match['word']} {cardinal(value)}"


_NOT_ROMAN = (
    "CD",
    "DC",
    "MC",
    "CC",
    "DI",
    "MI",
    "CI",
    "LI",
    "XL",
    "MM",
    "DM",
    "XX",
    "XXX",
    "CV",
    "DV",
    "MD",
    "LL",
    "DL",
)


_ROMAN_FORM = re.compile("M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_KINGS = (
    "Henry|Louis|Edward|Richard|Charles|James|William|George|Philip|Francis|Frederick|Pius|John Paul|Benedict|Leo|"
    "Gregory|Napoleon|Nicholas|Alexander|Peter|Ivan|Elizabeth|Catherine|Mary|Ferdinand|Innocent|Clement|Urban|Paul|"
    "Ramses|Ramesses|Christian|Gustav|Carlos|Alfonso|Pedro|Umberto|Wilhelm|Otto|Rudolf|Boniface|Julius|Sixtus|Harald|Olav"
)
_NUMBERED_THINGS = (
    "Chapter|Book|Part|Volume|Vol|Act|Scene|Section|World War|Article|Appendix|Canto|Figure|Table|Type|Class|Phase|"
    "Level|Stage|Episode|Season|Mark|Apollo|Super Bowl|Final Fantasy|Rocky|Star Wars|Title|Lesson|Unit|Grade|Round|Game"
)

_ABBREVIATIONS = {
    "mr": "Mr", "mrs": "Mrs", "ms": "Ms", "dr": "Doctor", "prof": "Professor", "gen": "General",
    "col": "Colonel", "capt": "Captain", "lt": "Lieutenant", "sgt": "Sergeant", "rev": "Reverend", "hon": "Honorable",
    "gov": "Governor", "sen": "Senator", "rep": "Representative", "jr": "Junior", "sr": "Senior", "messrs": "Messers",
    "vs": "versus", "etc": "et cetera", "approx": "approximately", "dept": "department", "no": "Number",
    "nos": "Numbers", "vol": "Volume", "fig": "Figure", "mt": "Mount", "ft": "Fort", "ave": "Avenue",
    "blvd": "Boulevard",
    "rd": "Road", "inc": "Incorporated", "ltd": "Limited", "co": "Company", "corp": "Corporation", "bros": "Brothers",
    "est": "established", "eds": "editors", "ext": "extension", "tel": "telephone", "univ": "University",
    "assn": "association", "govt": "government", "mfg": "manufacturing", "misc": "miscellaneous", "viz": "namely",
    "hwy": "Highway", "jan": "January", "feb": "February", "aug": "August", "sept": "September", "oct": "October",
    "nov": "November", "dec": "December", "eq": "equation", "ch": "Chapter", "min": "minimum", "max": "maximum",
}  # fmt: skip
_BEFORE_NAME = frozenset("gen col capt lt sgt rev hon gov sen rep mt ft".split())
_BEFORE_NUMBER = frozenset("no nos vol fig ext tel eq ch jan feb aug sept oct nov dec".split())


_AT_ENDS = frozenset("etc inc ltd corp".split())


def _abbreviation(match: re.Match[str]) -> str | None:
    written = match["short"]
    lower = written.lower()
    after = match.string[match.end() :]
    if (
        lower in _BEFORE_NAME
        and not re.match(r"\s+[A-Z]", after)
        or lower in _BEFORE_NUMBER
        and not re.match(r"\s*\d", after)
    ):
        return None
    if lower in ("min", "max", "est", "rd", "ave", "inc", "co", "ms", "dec") and written.islower():
        return None
    full = _ABBREVIATIONS[lower]
    ends = not after.strip(" \"')") or re.match(r"\s*\n", after) or lower in _AT_ENDS and re.match(r"\s+[A-Z]", after)
    return full + ("." if ends else "")


def _saint_or_street(match: re.Match[str]) -> str:
    """St. before a name is a saint, after one a street."""
    return "Saint" if re.match(r"\s+[A-Z]", match.string[match.end() :]) else "Street"


def _letters(match: re.Match[str]) -> str:
    """U.S. → U S, J. R. R. Tolkien → J R R Tolkien, a.m. → A M; a full stop that ends the text stays."""
    spoken = " ".join(re.sub(r"[^A-Za-z]", "", match.group()).upper())
    after = match.string[match.end() :]
    ends = not after.strip(" \"')\n") or spoken in ("A M", "P M") and re.match(r" +[A-Z]", after)
    return spoken + ("." if ends else "")


_RULES: tuple[Rule, ...] = (
    (re.compile(r"(?<!\d)(?<!\d:)(?P<begin>\d{1,2}:[0-5]\d)\s?[-–—~]\s?(?=\d{1,2}:[0-5]\d)"),
     lambda match: match["begin"] + " to "),
    (re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"]+[^\s<>\".,!?;:)']|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
     lambda match: spoken_address(match.group(), _ADDRESS_SIGNS)),
    (re.compile(r"(?i)\b(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|io|ai|cn|co\.uk|uk|de|fr|jp|info|app|dev)"
                r"\b(?:/[\w./-]*\w)?"),
     lambda match: spoken_address(match.group(), _ADDRESS_SIGNS)),
    (re.compile(r"(?<!\w)#(?=[A-Za-z])(\w+)"), lambda match: f"hashtag {match.group(1).replace('_', ' ')}"),
    (re.compile(r"(?<!\w)#\s?(?=\d)"), lambda match: "number "),
    (re.compile(r"(?<!\w)@(?=\w)"), lambda match: "at "),
    (re.compile(r"\bpp\.? ?(?=\d)"), lambda match: "pages "),
    (re.compile(r"\bp\. ?(?=\d)"), lambda match: "page "),
    (re.compile(r"(?<![\d/.-])(?:\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}|\d{1,2}/\d{1,2}/\d{4}|"
                r"\d{1,2}-\d{1,2}-\d{4}"
                r"|\d{1,2}\.\d{1,2}\.\d{4})(?![\d/-])"), english_dates.numeric_date),
    (re.compile(rf"(?P<the>\bthe )?(?<![\d.,:/$-]){DAY}(?: of)? {MONTH}(?:(?P<gap>,? ){YEAR})?(?![A-Za-z])"),
     english_dates.day_month),
    (re.compile(rf"\b{MONTH} {DAY}(?![\d:.]*\d)(?:(?P<gap> ?,? ){YEAR})?(?![A-Za-z])(?!\s?(?:percent|%))"),
     english_dates.month_day),
    (re.compile(rf"\b{MONTH}(?P<gap>,? ){YEAR}"), english_dates.month_year),
    (re.compile(r"(?<!\d[:,])(?<![\d.])(?P<hour>\d{1,2})(?::(?P<minute>[0-5]\d))(?::(?P<second>[0-5]\d))?(?![\d:])"
                r"(?:\s?(?P<half>[aApP]\.?\s?[mM]\b)\.?)?"), english_dates.time),
    (re.compile(r"(?<!\d[:,])(?<![\d.])(?P<hour>\d{1,2})\.(?P<minute>[0-5]\d)(?P<second>)\s?(?P<half>[aApP]\.\s?[mM]\.|"
                r"[aApP][mM]\b)"),
     english_dates.time),
    (re.compile(r"(?<!\d[:,])(?<![\d.])(?P<hour>\d{1,2})(?P<minute>)(?P<second>)\s?(?P<half>[aApP]\.\s?[mM]\.|[aApP][mM]\b)"),
     english_dates.time),
    (re.compile(r"(?<![\w.])(?:\+\d{1,3}[- ]?)?(?:\(\d{3}\) ?|\d{3}[- .])\d{3}[- .]\d{4}(?!\d)"), _telephone),
    (re.compile(r"(?<![\w.])\+\d{1,3}(?:[- ]\d{2,5}){2,4}(?!\d)"), _telephone),
    (re.compile(rf"(?P<minus>[-−])?(?:(?P<sign>(?:US|A|C|HK|NT)?\$|(?:JP|CN)?¥|[€£₩₹])\s?(?P<amount>{_NUM})"
                rf"(?:\s?(?P<magnitude>"
                r"(?:hundred |thousand )?(?:thousand|million|billion|trillion)|(?:[kKmMbBtT]|bn|mn|tn)\b))?|"
                rf"\b(?P<amount_before>{_NUM})\s?(?:(?P<magnitude_before>thousand|million|billion|trillion)\s)?"
                r"(?P<code>RMB|CNY|USD|EUR|GBP|JPY|CHF|€|£)(?!\w))"), english_units.money),
    (re.compile(r"(?<![\w.])(?<!\d,)(?:(?P<amount>\d+(?:\.\d+)?)\s?[×xX*·]\s?)?10(?:\^(?P<power>[-−]?\d+)|"
                r"(?P<raised>⁻?[⁰¹²³⁴-⁹]+))"),
     _scientific),
    (re.compile(r"(?<![\w.])(?<!\d,)(?P<amount>\d+(?:\.\d+)?)[eE](?P<power>[-+−]?\d+)(?P<raised>)(?!\w)"), _scientific),
    (re.compile(rf"(?<![\w.])(?<!\d,)(?P<first>{_NUM})\s?[-–~]\s?(?P<last>{_NUM})\s?(?P<unit>{UNIT})(?![\w²³/])"),
     english_units.range_measure),
    (re.compile(rf"(?:(?<![\w.])(?<!\d,)(?P<sign>[-−+±]))?(?<![\w.])(?<!\d,)(?P<amount>{_NUM})(?P<space>\s|-(?!\s))"
                rf"?(?P<per>/)?"
                rf"(?P<unit>{UNIT})(?![\w²³/°])(?!\.\w)"), english_units.measure),
    (re.compile(r"(?<![\w])(?P<whole>\d+)?\s?(?P<sign>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])"), _vulgar),
    (re.compile(r"(?<![\d/.,])(?:(?P<whole>\d+)[ -])?(?P<top>\d{1,3})/(?P<bottom>\d{1,4})(?:ths|rds|nds|th)"
                r"?(?![\d/.]*\d)"), _fraction),
    (re.compile(r"(?<![\w])(?P<digits>\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th|ST|ND|RD|TH|(?<=\d\d)d)\b"),
     lambda match: ordinal(match["digits"])),
    (re.compile(r"(?<![\w.])'?(?P<decade>(?:1\d|20)\d0|[1-9]0)'?s\b"), _decade),
    (re.compile(rf"(?<![\w.,-])(?P<first>{_NUM})\s?[-−–]\s?(?P<last>{_NUM})(?=\s*=)"),
     lambda match: f"{number(match['first'])} minus {number(match['last'])}"),
    (re.compile(r"(?<![\w.,-])\d+(?:[-–]\d+){2,}(?:[-–][xX])?(?![\w-])"), _code_groups),
    (re.compile(r"(?<![\w.,-])(?P<first>\d{1,4}(?:,\d{3})*(?:\.\d+)?)\s?[-–—]\s?(?P<last>\d{1,4}(?:,\d{3})*(?:\.\d+)?)"
                r"(?![\w-]|\.\d|,\d|\s*=)"), _range),
    (re.compile(rf"(?<![\w.,:])(?P<first>{_NUM})\s?:\s?(?P<last>{_NUM})(?![\w:])"), _ratio),
    (re.compile(r"(?<![\d.])(?P<v>\b[vV](?:ersion )?\s?)?(?P<parts>\d+(?:\.\d+){2,4})(?!\d)"), _dotted),
    (re.compile(r"\b(?P<v>[vV])(?P<parts>\d+(?:\.\d+)?)\b"), _dotted),
    (re.compile(rf"(?<![\w.])(?<!\d,)(?P<amount>{_NUM})\s?%"), lambda match: f"{number(match['amount'])} percent"),
    (re.compile(r"(?P<base>[A-Za-z]|\b\d+)(?:\^(?P<power>-?\d+)|(?P<raised>⁻?[²³¹⁰⁴-⁹]+))"), _power),
    (re.compile(rf"(?<![\w.,)])(?P<sign>[-−+±])(?P<amount>{_NUM})(?![\w-])"), _signed),
    (re.compile(rf"\b(?:(?P<name>{_KINGS})|(?P<kind>{_NUMBERED_THINGS}|{_NUMBERED_THINGS.upper()})|"
                rf"(?P<word>[A-Z]?[a-z]+))\.? (?P<roman>[IVXLC]+)\b(?!\.[A-Z])"), _roman),
    (re.compile(r"\b(?P<head>[A-Za-z]+)-?(?P<digits>\d+)(?=[A-Z]?\b)"), _code),
    (re.compile(r"(?<![\w.])(?<!\d,)(?P<year>\d{3,4}) ?(?P<era>B\.? ?C\.?(?: ?E\b\.?)?|A\.? ?D\.?|C\.? ?E\.?|BCE?|"
                r"AD|CE)(?![\w])"),
     lambda match: f"{year(match['year'])} {' '.join(re.sub('[^A-Z]', '', match['era']))}"),
    (re.compile(r"\b(?:St\.|St(?= [A-Z])|st\.(?= ?[A-Z]))"), _saint_or_street),
    (re.compile(r"\b(?P<short>Mr|Mrs|Ms|Dr|Prof|mr|mrs|dr)(?= [A-Z])|\b(?P<other>[Vv]ol)(?= \d)"),
     lambda match: "Volume" if match["other"] else _ABBREVIATIONS[match["short"].lower()]),
    (re.compile(rf"\b(?P<short>{'|'.join(sorted(_ABBREVIATIONS, key=len, reverse=True))})\.(?!\w)", re.IGNORECASE),
     _abbreviation),
    (re.compile(r"\b(?:e\.\s?g\.|eg\.)"), lambda match: "for example"),
    (re.compile(r"\b(?:i\.\s?e\.|ie\.)"), lambda match: "that is"),
    (re.compile(r"\b(?P<feet>\d)' ?(?P<inches>\d{1,2})\"?"),
     lambda match: f"{cardinal(match['feet'])} foot {cardinal(match['inches'])}"),
    (re.compile(r"\b(?:[A-Za-z]\. ?)+[A-Za-z]\.(?!\w)|\b[A-Z]\.(?= [A-Z][a-z])|\b[AaPp]\.[Mm]\b"), _letters),
    (re.compile(r"(?<![\w.])(?<!\d,)[1-9]\d{3}(?!\w|[.,]\d)"), _year_or_number),
    (re.compile(rf"(?:(?<=\d)|(?<![\d.]))(?:{_NUM})"), _plain),
)  # fmt: skip

_SIGN_NAMES = {
    "≈": "approximately equals", "≠": "does not equal", "≤": "is at most", "≥": "is at least", "=": "equals",
    "×": "times",
    "÷": "divided by", "±": "plus or minus", "√": "the square root of", "∞": "infinity", "→": "to", "∑": "the sum of",
    "∫": "the integral of", "∈": "in", "§": "section", "¶": "paragraph", "°": "degrees", "‰": "per mille",
    "%": "percent",
    "#": "hash", "@": "at", "$": "dollars", "€": "euros", "£": "pounds", "¥": "yuan", "₩": "won", "₹": "rupees",
    "+": "plus", "<": "is less than", ">": "is greater than", "*": "times", "−": "minus",
}  # fmt: skip
_SIGNS: tuple[Rule, ...] = (
    (re.compile("[" + "".join(GREEK) + "]"), lambda match: f" {GREEK[match.group()]} "),
    (re.compile(r"(?<=[A-Za-z])\+\+"), lambda match: " plus plus"),
    (re.compile(r"(?<=[a-z]) ?/ ?(?=(?:year|month|week|day|hour|minute|second|person|night|head)\b)"),
     lambda match: " per "),
    (re.compile(r" ?& ?"), lambda match: " and "),
    (re.compile(r"\s?(≈|≠|≤|≥|=|×|÷|±|√|∞|→|∑|∫|∈|§|¶|°|‰|%|#|@|[$€£¥₩₹])\s?"),
     lambda match: f" {_SIGN_NAMES[match.group(1)]} "),
    (re.compile(r"(?<=[\w) ])\s*([+<>])\s*(?=[\w(])|(?<=\w) ([*−]) (?=\w)"),
     lambda match: f" {_SIGN_NAMES[match.group(1) or match.group(2)]} "),
    (re.compile(r"(?<=[A-Za-z]) ?[/_] ?(?=[A-Za-z])"), lambda match: " "),
)  # fmt: skip
_DIGIT = re.compile(r"\d|[½⅓⅔¼¾⅕-⅞²³¹⁰⁴-⁹]")
_SIGN = re.compile("[&≈≠≤≥=×÷±√∞→∑∫∈§¶°‰%#@$€£¥₩₹+<>*−/_" + "".join(GREEK) + "]")
_SHORT = re.compile(r"[A-Za-z]\.|[IVXL]{2}|\b[XV]\b|://|@|www")
_BARE_KINDS = {"number": "cardinal", "spell-out": "characters", "verbatim": "characters"}


def normalise(text: Traced) -> Traced:
    """The text with everything written out in words. What a pause is stays one, and so does what is one no longer."""
    if _DIGIT.search(text.text) or _SHORT.search(text.text):
        for pattern, replacement in _RULES:
            text = text.replace(pattern, replacement)
    if _SIGN.search(text.text):
        for pattern, replacement in _SIGNS:
            text = text.replace(pattern, replacement)
    return text


def say_as(kind: str, text: Traced) -> Traced:
    """Text as one kind of thing: characters, digits, cardinal, ordinal, telephone, date or time."""
    kind = _BARE_KINDS.get(kind, kind)
    if kind == "characters":
        return normalise(text.replace(re.compile(r"\w"), lambda match: f" {match.group().upper()} "))
    if kind in ("digits", "telephone"):
        return text.replace(re.compile(r"\d+"), lambda match: f" {digits(match.group())} ")
    if kind == "cardinal":
        return text.replace(re.compile(r"\d[\d,]*"), lambda match: f" {cardinal(match.group())} ")
    if kind == "ordinal":
        return text.replace(re.compile(r"\d[\d,]*"), lambda match: f" {ordinal(match.group())} ")
    return normalise(text)
