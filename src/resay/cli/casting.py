"""From the options of a command to a request and a cast: what every command that speaks is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import audio, identity
from ..consent import Consent
from ..errors import BadOption, BadText
from ..manifest import Input, voice_input
from ..prosody import Sampling
from ..seeds import Role, SeedLibrary, Settings
from ..synthesis import Request
from ..takes import Cast
from ..text import Lexicon
from ..voices import Voice, VoiceLibrary
from . import options, sources
from .messages import message

if TYPE_CHECKING:
    from ..reference import Profile
    from ..synthesis import Engine

DEFAULT_SEED = 42
SHOWN_REMARKS = 5


@dataclass(frozen=True)
class Names:
    """Who speaks, by whose leave, like whom, and with whose readings: as written on the command line."""

    voice: str | None = None
    consent: str | None = None
    style: str | None = None
    lexicons: tuple[Path, ...] = ()
    words: str | None = None
    """What is said in the clip; of a stored voice it is passed over."""

    def with_role(self, role: Role | None) -> Names:
        return self if role is None or self.voice is not None else replace(self, voice=role.voice)


@dataclass(frozen=True)
class Who:
    """Options: who speaks, by whose leave, like whom, and with whose readings."""

    voice: options.Voice = None
    role: options.Role = None
    consent: options.Consent = None
    style: options.Style = None
    lexicon: options.Lexicons = None
    phoneme: options.Phoneme = False

    def names(self) -> Names:
        """Raises BadLexicon where that of `--phoneme` is not there."""
        return Names(self.voice, self.consent, self.style, sources.lexicons(self.lexicon, self.phoneme))


@dataclass(frozen=True)
class Manner:
    """Options: how to speak, as written on the command line; None where nothing was."""

    seed: options.Seed = None
    language: options.InLanguage = "auto"
    speed: options.Speed = None
    sampling: options.SamplingMethod = None
    top_k: options.TopK = None
    temperature: options.Temperature = None
    style_strength: options.StyleStrength = None
    accent: options.Accent = None
    context: options.Context = False

    def request(self, text: str, role: Role | None = None, sample_rate: int = audio.FORMAT.sample_rate) -> Request:
        """What is written here, else what the role says, else the defaults. Raises BadOption, BadText."""
        if not text.strip():
            raise BadText(message("no_text"))
        usual = Settings() if role is None else role.settings
        seed = DEFAULT_SEED if role is None else role.seed
        return Request(
            text=text,
            seed=seed if self.seed is None else sources.seed(self.seed),
            language=usual.language if self.language == "auto" else self.language,
            speed=usual.speed if self.speed is None else self.speed,
            sampling=self._sampling(usual.sampling),
            style_strength=usual.style_strength if self.style_strength is None else self.style_strength,
            accent=usual.accent if self.accent is None else self.accent,
            context=self.context,
            sample_rate=sample_rate,
        )

    def _sampling(self, usual: Sampling) -> Sampling:
        method = self.sampling or usual.method
        if self.top_k is not None and method != "topk":
            raise BadOption(message("not_with", option="--top-k", other=f"--sampling {method}"))
        if self.temperature is not None and method == "greedy":
            raise BadOption(message("not_with", option="--temperature", other="--sampling greedy"))
        chosen = replace(usual, method=method)
        chosen = chosen if self.top_k is None else replace(chosen, top_k=self.top_k)
        return chosen if self.temperature is None else replace(chosen, temperature=self.temperature)


@dataclass(frozen=True, eq=False)
class Chosen:
    """What the names stand for: all that can be refused without the networks has been."""

    speaker: Voice | Path
    agreed: Consent
    style: Voice | Path | None
    lexicon: Lexicon | None
    lexicons: tuple[Input, ...]
    words: str | None = None
    """What is said in the speaker's clip, where that is told."""


def role(name: str | None, library: Path | None = None) -> Role | None:
    """The role that `--role` names. Raises BadOption."""
    return None if name is None else SeedLibrary(library).get(name)


def chosen(names: Names, known: VoiceLibrary, playing: Role | None = None) -> Chosen:
    """Find voice, consent, style and lexicon. Raises UnknownVoice, BadAudio, ConsentMissing, BadLexicon, BadOption."""
    if names.voice is None:
        raise BadOption(message("no_voice"))
    speaker = sources.voice_or_clip(names.voice, known)
    if playing is not None and isinstance(speaker, Voice) and names.voice == playing.voice:
        _warn_of_changed_voice(playing, speaker)
    agreed = sources.permission(names.consent, speaker)
    style = None if names.style is None else sources.voice_or_clip(names.style, known)
    words = names.words if isinstance(speaker, Path) else None
    return Chosen(speaker, agreed, style, *sources.lexicon(names.lexicons), words)


def _warn_of_changed_voice(playing: Role, speaker: Voice) -> None:
    if playing.voice_digest not in ("", speaker.digest):
        sources.note(message("voice_of_role_changed", voice=speaker.name, role=playing.name))


def cast(found: Chosen, request: Request, engine: Engine) -> Cast:
    """The voice and the style themselves: clips are listened to. Raises BadAudio."""
    speaker, clip = found.speaker, None
    if isinstance(speaker, Path):
        speaker, clip = sources.clone(speaker, found.agreed, spoken_by(request, found.words), engine, found.words)
    profile, style_input = _style(found.style, engine)
    return Cast(speaker, clip, profile, style_input, found.lexicon, found.lexicons, found.words)


def spoken_by(request: Request, words: str | None) -> str:
    """The language of a clip's speaker: that of the words told, else that of the text they shall say."""
    return sources.language_of(request.text, request.language) if words is None else sources.language_of(words, "auto")


def _style(found: Voice | Path | None, engine: Engine) -> tuple[Profile | None, Input | None]:
    """The profile that gives the style, and what it came from. Of a clip only its delivery is used, not its timbre."""
    if found is None:
        return None, None
    if isinstance(found, Voice):
        return found.profile, voice_input(found)
    profile, _, source = sources.listen(found, engine)
    return profile, Input(source.name, source.digest)


def warn_of(text: str) -> None:
    """Say on standard error what in a text is not what it looks like, since such texts get mixed up."""
    found = list(identity.remarks(text))
    for remark in found[:SHOWN_REMARKS]:
        sources.note(str(remark))
    if len(found) > SHOWN_REMARKS:
        sources.note(message("more_remarks", count=len(found) - SHOWN_REMARKS))
