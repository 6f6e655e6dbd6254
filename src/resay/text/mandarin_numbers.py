"""Mandarin numbers in characters."""

from __future__ import annotations

_DIGITS = "零一二三四五六七八九"
_GROUPS = ("", "万", "亿", "万亿", "亿亿")
LONGEST_CARDINAL = 16
"""Digits; longer numbers are read digit by digit."""


def digits(written: str, one: str = "一") -> str:
    """Digit by digit: 2024 → 二零二四; telephone numbers say 幺 for one."""
    return "".join(one if digit == "1" else _DIGITS[int(digit)] for digit in written if digit.isdigit())


def cardinal(written: str | int) -> str:
    """A whole number, commas allowed: 10,500 → 一万零五百, 2000 → 两千, 12 → 十二."""
    text = str(written).replace(",", "")
    if len(text) > LONGEST_CARDINAL:
        return digits(text)
    number = int(text)
    if number == 0:
        return _DIGITS[0]
    groups: list[int] = []
    while number:
        number, group = divmod(number, 10000)
        groups.append(group)
    spoken, gap = "", False
    for power in range(len(groups) - 1, -1, -1):
        group = groups[power]
        if not group:
            gap = bool(spoken)
            continue
        if spoken and (gap or group < 1000):
            spoken += _DIGITS[0]
        said = _below_ten_thousand(group, first=not spoken)
        spoken += ("两" if said == "二" and power and not spoken else said) + _GROUPS[power]
        gap = False
    return spoken


def _below_ten_thousand(number: int, first: bool) -> str:
    spoken, skipped = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if not digit:
            skipped = bool(spoken)
            continue
        if skipped:
            spoken += _DIGITS[0]
        skipped = False
        if unit == 10 and digit == 1 and first and not spoken:
            spoken += name
        else:
            spoken += ("两" if digit == 2 and unit == 1000 else _DIGITS[digit]) + name
    return spoken


def number(written: str) -> str:
    """Whole or decimal, commas allowed: 3.05 → 三点零五; a leading zero makes it a row of digits."""
    whole, _, decimals = written.partition(".")
    whole = whole or "0"
    spoken = digits(whole) if whole.startswith("0") and len(whole) > 1 else cardinal(whole)
    return f"{spoken}点{digits(decimals)}" if decimals else spoken


def amount(written: str) -> str:
    """A number before a measure word: 2 → 两."""
    return "两" if written == "2" else number(written)
