"""English numbers in words, as Americans say them: no "and" inside, years in pairs."""

from __future__ import annotations

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_GROUPS = ("", "thousand", "million", "billion", "trillion", "quadrillion")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
LONGEST_CARDINAL = 15
"""Digits; longer numbers are read digit by digit."""


def cardinal(written: str | int) -> str:
    """A whole number, commas allowed: 1,305 → one thousand three hundred five."""
    text = str(written).replace(",", "")
    if len(text) > LONGEST_CARDINAL:
        return digits(text)
    number = int(text)
    if number < 100:
        return _below_hundred(number)
    parts: list[str] = []
    for name in _GROUPS:
        number, group = divmod(number, 1000)
        if group:
            hundreds, rest = divmod(group, 100)
            words = [ONES[hundreds], "hundred"] if hundreds else []
            words += [_below_hundred(rest)] if rest else []
            parts.append(" ".join([*words, name]).strip())
    return " ".join(reversed(parts))


def _below_hundred(number: int) -> str:
    if number < 20:
        return ONES[number]
    return _TENS[number // 10 - 2] + (" " + ONES[number % 10] if number % 10 else "")


def ordinal(written: str | int) -> str:
    """21 → twenty first."""
    return ordinal_form(cardinal(written))


def ordinal_form(words: str) -> str:
    """twenty one → twenty first."""
    head, space, last = words.rpartition(" ")
    if last in _ORDINALS:
        return head + space + _ORDINALS[last]
    return head + space + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def plural(words: str) -> str:
    """eighty → eighties, six → sixes, hundred → hundreds."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith(("x", "ss")) else "s")


def digits(written: str, zero: str = "zero") -> str:
    """Digit by digit."""
    return " ".join(zero if digit == "0" else ONES[int(digit)] for digit in written if digit.isdigit())


def number(written: str) -> str:
    """Whole or decimal, commas allowed: 3.05 → three point zero five."""
    whole, point, decimals = written.partition(".")
    if point and not whole:
        return f"point {digits(decimals)}"
    spoken = cardinal(whole or "0")
    if whole.startswith("0") and len(whole) > 1 and not point:
        spoken = digits(whole)
    return f"{spoken} point {digits(decimals)}" if decimals else spoken


def year(written: str | int) -> str:
    """1905 → nineteen o five, 2008 → two thousand eight, 2015 → twenty fifteen, 634 → six thirty four."""
    value = int(written)
    century, rest = divmod(value, 100)
    if value < 100 or value >= 10000 or value % 1000 == 0 or 2000 <= value < 2010 or value < 1000 and rest < 10:
        return cardinal(value)
    if rest == 0:
        return cardinal(century) + " hundred"
    return cardinal(century) + (" o " + ONES[rest] if rest < 10 else " " + _below_hundred(rest))


def pairs(written: str) -> str:
    """A code of three or four digits as people say it: 380 → three eighty, 404 → four o four."""
    if len(written) not in (3, 4) or written.startswith("0"):
        return digits(written)
    if written.endswith("000"):
        return cardinal(written)
    head, tail = written[:-2], written[-2:]
    if tail == "00":
        return cardinal(head) + " hundred"
    return cardinal(head) + (" o " + ONES[int(tail)] if tail.startswith("0") else " " + cardinal(tail))


_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def roman(written: str) -> int:
    """The number that a Roman numeral writes: XIV → 14."""
    values = [_ROMAN[letter] for letter in written]
    return sum(
        -value if place + 1 < len(values) and values[place + 1] > value else value for place, value in enumerate(values)
    )
