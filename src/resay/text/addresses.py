"""Web and mail addresses, as words and the names of their signs."""

from __future__ import annotations

import re

_SPELLED = frozenset("www http https ftp io ai tv uk cn jp de fr eu us html php url id".split())
_PART = re.compile(r"[A-Za-z]+|\d|[^\sA-Za-z\d]")


def spoken_address(written: str, signs: dict[str, str]) -> str:
    """`https://a.com/b` as `a dot com slash b`; `signs` names what is between the words, other signs are left out.

    The protocol is left out, for nobody says it. Letters that make no word are spelled.
    """
    bare = re.sub(r"(?i)^[a-z]+://", "", written).rstrip("/")
    spoken = []
    for part in _PART.findall(bare):
        if part.isalpha():
            spoken.append(" ".join(part.upper()) if part.lower() in _SPELLED else part)
        else:
            spoken.append(part if part.isdigit() else signs.get(part, ""))
    return " ".join(part for part in spoken if part)
