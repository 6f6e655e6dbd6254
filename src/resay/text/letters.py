"""Letter to sound for English words that no dictionary has."""

from __future__ import annotations

import re

_RULES = (
    "tion SH AH0 N|sion ZH AH0 N|ough OW1|igh AY1|tch CH|sch SH|ph F|th TH|sh SH|ch CH|wh W|ck K|ng NG|qu K W|ee IY1|"
    "ea IY1|oo UW1|ou AW1|ow OW1|oi OY1|oy OY1|ai EY1|ay EY1|au AO1|aw AO1|er ER0|ir ER1|ur ER1|ar AA1 R|or AO1 R|ey IY0|"
    "ie IY1|a AE1|b B|c K|d D|e EH1|f F|g G|h HH|i IH1|j JH|k K|l L|m M|n N|o AA1|p P|q K|r R|s S|t T|u AH1|v V|w W|x K S|"
    "y IY0|z Z"
)
_SOUNDS = {rule.split(" ")[0]: tuple(rule.split(" ")[1:]) for rule in _RULES.split("|")}
_GRAPHEME = re.compile("|".join(sorted(_SOUNDS, key=len, reverse=True)))


def sounds(word: str) -> tuple[str, ...]:
    """A guess at the reading of a lower-case word."""
    stem = word[:-1] if len(word) > 3 and word.endswith("e") and word[-2] not in "aeiou" else word
    stem = re.sub(r"([b-df-hj-np-tv-z])\1", r"\1", stem)
    return tuple(symbol for match in _GRAPHEME.finditer(stem) for symbol in _SOUNDS[match.group()])
