"""English: dates and times of day in words."""

from __future__ import annotations

import re

from . import english_units
from .english_numbers import cardinal, ordinal, year

_MONTHS = "January February March April May June July August September October November December".split()
_MONTH_OF = {month[:length].lower(): month for month in _MONTHS for length in (3, 4, len(month))}
MONTH = (
    r"(?P<month>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|"
    r"Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?|[A-Z]{3,9})\b\.?"
)
DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?P<suffix>st|nd|rd|th|ST|ND|RD|TH)?"
YEAR = r"(?P<year>1\d{3}|20\d\d)(?![\d,]*\d)"


def _month(match: re.Match[str]) -> str | None:
    return _MONTH_OF.get(match["month"].lower().rstrip(".")) or _MONTH_OF.get(match["month"].lower()[:3])


def _named_month(written: str) -> bool:
    return written.isupper() and written.lower() not in _MONTH_OF


def month_day(match: re.Match[str]) -> str | None:
    """May 12(th)(, 1981) → May twelfth, nineteen eighty one."""
    if _named_month(match["month"]):
        return None
    spoken = f"{_month(match)} {ordinal(match['day'])}"
    return f"{spoken}{match['gap']}{year(match['year'])}" if match["year"] else spoken


def day_month(match: re.Match[str]) -> str | None:
    """12 May 1981 → the twelfth of May nineteen eighty one."""
    if _named_month(match["month"]):
        return None
    the = "" if match["the"] else "the "
    spoken = f"{match['the'] or ''}{the}{ordinal(match['day'])} of {_month(match)}"
    return f"{spoken}{match['gap'] or ' '}{year(match['year'])}" if match["year"] else spoken


def month_year(match: re.Match[str]) -> str | None:
    """May 1981 → May nineteen eighty one."""
    return None if _named_month(match["month"]) else f"{_month(match)}{match['gap']}{year(match['year'])}"


def numeric_date(match: re.Match[str]) -> str | None:
    """2008-09-30, 9/30/2008, 30.9.2008 → the thirtieth of September two thousand eight."""
    parts = [int(part) for part in re.split(r"[-/.]", match.group())]
    if parts[0] > 31:
        written_year, month, day = parts
    else:
        month, day, written_year = parts
        if month > 12 or "." in match.group():
            month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"the {ordinal(day)} of {_MONTHS[month - 1]} {year(written_year)}"


def time(match: re.Match[str]) -> str | None:
    """9:05 → nine o five, 9 a.m. → nine A M, 9:00 → nine o'clock."""
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    half = f" {match['half'][0].upper()} M" if match["half"] else ""
    if hour > 24 or minute > 59:
        return None
    spoken = cardinal(hour)
    if minute:
        spoken += (" o " if minute < 10 else " ") + cardinal(minute)
    elif not half:
        spoken += " o'clock" if 0 < hour <= 12 else " hundred"
    if match["second"]:
        spoken += f" and {english_units.counted(match['second'], 'second')}"
    return spoken + half
