"""When each word of a text sounds in a recording, how sure that is, and where text and sound disagree."""

from __future__ import annotations

from .aligning import Alignment, Disagreement, HeardWord, align
from .writing import FORMATS, to_json, write

__all__ = ["FORMATS", "Alignment", "Disagreement", "HeardWord", "align", "to_json", "write"]
