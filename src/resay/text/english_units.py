"""English: money and measures in words."""

from __future__ import annotations

import re

from .english_numbers import cardinal, number

_MAGNITUDES = {"k": "thousand", "m": "million", "mn": "million", "mm": "million", "b": "billion", "bn": "billion",
               "tn": "trillion", "t": "trillion"}  # fmt: skip
_CURRENCIES = {
    "$": ("dollar", "cent"), "US$": ("US dollar", "cent"), "A$": ("Australian dollar", "cent"),
    "C$": ("Canadian dollar", "cent"), "HK$": ("Hong Kong dollar", "cent"), "NT$": ("New Taiwan dollar", "cent"),
    "€": ("euro", "cent"), "£": ("pound", "pence"), "¥": ("yuan", "fen"), "₩": ("won", ""), "₹": ("rupee", "paise"),
    "RMB": ("yuan", "fen"), "CNY": ("yuan", "fen"), "USD": ("US dollar", "cent"), "EUR": ("euro", "cent"),
    "GBP": ("pound", "pence"), "JPY": ("yen", ""), "JP¥": ("yen", ""),
    "CN¥": ("yuan", "fen"), "CHF": ("Swiss franc", "centime"),
}  # fmt: skip
_UNITS = {
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "nm": "nanometer", "μm": "micrometer",
    "kg": "kilogram", "g": "gram", "mg": "milligram", "μg": "microgram", "t": "ton", "lb": "pound", "lbs": "pound",
    "oz": "ounce", "ft": "foot", "in": "inch", "yd": "yard", "mi": "mile", "sq mi": "square mile",
    "sq ft": "square foot", "sq km": "square kilometer", "km²": "square kilometer", "km2": "square kilometer",
    "m²": "square meter", "m2": "square meter", "cm²": "square centimeter", "m³": "cubic meter", "m3": "cubic meter",
    "cm³": "cubic centimeter", "km³": "cubic kilometer", "ft²": "square foot", "mi²": "square mile",
    "ha": "hectare", "ac": "acre", "L": "liter", "l": "liter", "ml": "milliliter", "mL": "milliliter",
    "dl": "deciliter",
    "mph": "mile per hour", "km/h": "kilometer per hour", "kph": "kilometer per hour", "kmh": "kilometer per hour",
    "m/s": "meter per second", "m/s²": "meter per second squared", "kt": "knot", "kts": "knot",
    "rpm": "revolution per minute",
    "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz", "THz": "terahertz",
    "KB": "kilobyte", "kB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte", "PB": "petabyte",
    "kbps": "kilobit per second", "Mbps": "megabit per second", "Gbps": "gigabit per second",
    "MB/s": "megabyte per second",
    "W": "watt", "kW": "kilowatt", "MW": "megawatt", "GW": "gigawatt", "kWh": "kilowatt hour", "MWh": "megawatt hour",
    "V": "volt", "kV": "kilovolt", "mV": "millivolt", "A": "amp", "mA": "milliamp", "mAh": "milliamp hour",
    "Ah": "amp hour",
    "Ω": "ohm", "kΩ": "kiloohm", "J": "joule", "kJ": "kilojoule", "cal": "calorie", "kcal": "kilocalorie",
    "N": "newton", "Pa": "pascal", "kPa": "kilopascal", "MPa": "megapascal", "hPa": "hectopascal", "psi": "P S I",
    "dB": "decibel", "mol": "mole", "hp": "horsepower", "bhp": "brake horsepower",
    "s": "second", "sec": "second", "secs": "second", "ms": "millisecond", "μs": "microsecond", "ns": "nanosecond",
    "min": "minute", "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour", "yr": "year", "yrs": "year",
    "°C": "degree Celsius", "°F": "degree Fahrenheit", "°K": "degree Kelvin", "°": "degree", "K": "kelvin",
    "px": "pixel", "dpi": "D P I", "fps": "frame per second", "MP": "megapixel", "ppm": "part per million",
    "bp": "base pair", "kbp": "kilobase pair", "cc": "C C", "eV": "electron volt", "keV": "kiloelectron volt",
    "MeV": "megaelectron volt", "lm": "lumen", "lx": "lux", "T": "tesla", "bar": "bar", "mbar": "millibar",
}  # fmt: skip
_UNCHANGED = frozenset(("hertz", "kilohertz", "megahertz", "gigahertz", "terahertz", "kelvin", "horsepower", "lux",
                        "brake horsepower", "P S I", "D P I", "C C"))  # fmt: skip
UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_BARE_LETTER_UNITS = frozenset("A T K N J W V t s h in".split())


def counted(written: str, unit: str) -> str:
    """A number and its unit, in the plural unless it is one."""
    return f"{number(written)} {unit if written == '1' else _plural_unit(unit)}"


def _plural_unit(unit: str) -> str:
    if unit in _UNCHANGED:
        return unit
    head, per, tail = unit.partition(" per ")
    for one, many in (("foot", "feet"), ("inch", "inches"), ("degree ", "degrees ")):
        if one in head:
            return head.replace(one, many) + per + tail
    return head + ("" if head.endswith("s") else "s") + per + tail


def money(match: re.Match[str]) -> str:
    """$5.50 → five dollars and fifty cents, €1.2 billion → one point two billion euros."""
    unit, part = _CURRENCIES[match["sign"] or match["code"]]
    amount = match["amount"] or match["amount_before"]
    sign = "minus " if match["minus"] else ""
    magnitude = match["magnitude"] or match["magnitude_before"]
    if magnitude:
        return f"{sign}{number(amount)} {_MAGNITUDES.get(magnitude.lower(), magnitude)} {_plural_money(unit)}"
    whole, _, decimals = amount.partition(".")
    if len(decimals) == 2 and part:
        cents = (
            cardinal(decimals) + " " + (part if part in ("pence", "fen", "paise") else part + "s" * (decimals != "01"))
        )
        if int(decimals) == 0:
            return sign + _counted_money(whole, unit)
        return sign + (f"{_counted_money(whole, unit)} and {cents}" if int(whole.replace(",", "") or 0) else cents)
    return sign + _counted_money(amount, unit)


def _plural_money(unit: str) -> str:
    return unit if unit in ("yuan", "yen", "won") else unit + "s"


def _counted_money(amount: str, unit: str) -> str:
    return f"{number(amount)} {unit if amount == '1' else _plural_money(unit)}"


def measure(match: re.Match[str]) -> str | None:
    """5 km → five kilometers, 1,795.4/km² → … per square kilometer, -5°C → minus five degrees Celsius."""
    amount, unit = match["amount"], match["unit"]
    glued = not match["space"]
    if unit in _BARE_LETTER_UNITS and (not glued or unit in ("A", "T", "K", "N", "J", "s", "in")):
        return None
    sign = {"-": "minus ", "−": "minus ", "+": "plus ", "±": "plus or minus "}.get(match["sign"] or "", "")
    if match["per"]:
        return f"{sign}{number(amount)} per {_UNITS[unit]}"
    return sign + counted(amount, _UNITS[unit])


def range_measure(match: re.Match[str]) -> str:
    """5-10 km → five to ten kilometers."""
    return f"{number(match['first'])} to {counted(match['last'], _UNITS[match['unit']])}"
