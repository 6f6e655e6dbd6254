"""Text to speech in anybody's voice, the same every time: clone a voice, choose a seed, say it again, exactly.

>>> import resay
>>> engine = resay.Engine()  # doctest: +SKIP
>>> voice = resay.VoiceLibrary().get("…")  # doctest: +SKIP
>>> engine.say(resay.Request("Good morning."), voice).audio  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio import Audio, read, write
    from .consent import Consent, Use
    from .errors import BadRequest, ConsentMissing, ResayError
    from .manifest import Manifest
    from .prosody import Plan, Sampling
    from .reference import Profile
    from .synthesis import Engine, Piece, Request, Speech
    from .text import Lexicon
    from .voices import Voice, VoiceLibrary

__version__ = "0.1.0"

__all__ = [
    "Audio",
    "BadRequest",
    "Consent",
    "ConsentMissing",
    "Engine",
    "Lexicon",
    "Manifest",
    "Piece",
    "Plan",
    "Profile",
    "Request",
    "ResayError",
    "Sampling",
    "Speech",
    "Use",
    "Voice",
    "VoiceLibrary",
    "read",
    "write",
]

_HOMES = {
    "audio": ("Audio", "read", "write"),
    "consent": ("Consent", "Use"),
    "errors": ("BadRequest", "ConsentMissing", "ResayError"),
    "manifest": ("Manifest",),
    "prosody": ("Plan", "Sampling"),
    "reference": ("Profile",),
    "synthesis": ("Engine", "Piece", "Request", "Speech"),
    "text": ("Lexicon",),
    "voices": ("Voice", "VoiceLibrary"),
}


def __getattr__(name: str) -> Any:
    # Loading on first use keeps `import resay` free of everything that a program may never ask for.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
