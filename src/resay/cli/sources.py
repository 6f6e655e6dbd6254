"""What commands are given: texts, voices, clips, consent, weights."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import audio, consent, identity, shared_adapter, text, voices
from ..consent import Consent
from ..errors import BadAudio, BadFile, BadLexicon, BadOption, BadText, ConsentMissing
from ..identity import Clip
from ..manifest import Input, digest_of
from ..text import Lexicon
from ..voices import Voice, VoiceLibrary
from .messages import message

if TYPE_CHECKING:
    from ..reference import Profile, Report
    from ..synthesis import Engine

HIGHEST_SEED = 2**63 - 1
PHONEME_LEXICON = Path("configs") / "G2P_replace_dict.jsonl"  # where GLM-TTS keeps it, in the working directory
DRAWN_SEEDS = 1_000_000  # a drawn seed shall be short enough to be passed on by word of mouth
SOUND_ENDINGS = frozenset(
    ".wav .wave .flac .mp3 .ogg .oga .opus .m4a .aac .wma .aiff .aif .mp4 .mkv .mov .webm .avi".split()
)


def raw_text(argument: str | None, file: Path | None) -> str:
    """The text to speak: the argument, standard input for `-`, or a file. Raises BadText or BadFile."""
    if argument is not None and file is not None:
        raise BadOption(message("two_texts"))
    if file is not None:
        return text_file(file)
    if argument is None:
        raise BadText(message("no_text"))
    # Arguments that are not UTF-8 reach us with their strange bytes wrapped up: unwrapped, they are told like a file's.
    content = sys.stdin.buffer.read() if argument == "-" else os.fsencode(argument)
    return _decoded(content, message("standard_input" if argument == "-" else "argument"))


def text_file(path: Path) -> str:
    """A whole text file, UTF-8 with or without mark."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFile(message("no_text_file", file=path, problem=error.strerror or error)) from error
    return _decoded(content, str(path))


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(message("not_utf8", file=name, place=error.start)) from error


def seed(value: str) -> int:
    """`--seed`: a whole number from 0 to 2^63 - 1, or `random`, which draws one. Raises BadOption."""
    if value == "random":
        return secrets.randbelow(DRAWN_SEEDS)
    if re.fullmatch("[0-9]{1,19}", value) and int(value) <= HIGHEST_SEED:
        return int(value)
    raise BadOption(message("seed", highest=HIGHEST_SEED, value=value))


def library(folder: Path | None) -> VoiceLibrary:
    """The shipped voices and the user's, or those of `--voices DIR`."""
    return VoiceLibrary() if folder is None else VoiceLibrary([voices.SHIPPED, folder])


def voice_or_clip(name: str, known: VoiceLibrary) -> Voice | Path:
    """What `NAME|CLIP` means: a voice by name `.voice` file, or clip. Raises UnknownVoice, BadAudio."""
    path = Path(name)
    exists = os.path.exists(name)  # noqa: PTH110 - Path.exists raises for names that are too long to be any file's
    is_path = exists or len(path.parts) > 1 or path.suffix.lower() in {*SOUND_ENDINGS, voices.SUFFIX}
    if not is_path or name in known:
        return known.get(name)
    if path.suffix.lower() == voices.SUFFIX:
        return voices.load(path)
    if not exists or not path.is_file():
        raise BadAudio(message("no_such_clip", clip=path))
    return path


def permission(choice: str | None, found: Voice | Path) -> Consent:
    """The consent under which `found` may speak: a voice's own, or what `--consent` gives for a clip."""
    if isinstance(found, Voice):
        if choice is not None:
            note(message("consent_unneeded", voice=found.name))
        return found.consent
    if choice is None:
        raise ConsentMissing(message("consent", clip=found))
    return consent.own() if choice == "own" else consent.from_file(choice)


@dataclass(frozen=True)
class Weights:
    """Which networks, and what they run on."""

    models: Path | None = None
    threads: int = 2
    provider: str = "cpu"
    adapter: Path | None = None


def engine(weights: Weights) -> Engine:
    """The networks, loaded. The one place where commands get them, and where tests put others."""
    from ..synthesis import Engine

    adapter = None if weights.adapter is None else shared_adapter.load(weights.adapter)
    loaded = Engine(weights.models, threads=weights.threads, provider=weights.provider, adapter=adapter)
    # Dictionaries load with the first word. Like the weights they belong to starting up, not to the time of a request.
    for _ in text.sentences("好 a 1"):
        pass
    return loaded


def listen(clip: Path, engine: Engine) -> tuple[Profile, Report, Clip]:
    """What is heard in a clip, its quality, its identity. Raises BadAudio where it is no use; prints its warnings."""
    try:
        profile, report = engine.listen(audio.read(clip))
    except BadAudio as error:
        known = str(error).startswith(str(clip))
        raise BadAudio(str(error) if known else f"{clip}: {error}") from error
    for finding in report.findings:
        note(f"{clip}: {finding.message}")
    return profile, report, identity.clip(clip)


def clone(clip: Path, agreed: Consent, language: str, engine: Engine) -> tuple[Voice, Clip]:
    """A voice, named like the clip, and the clip's identity. Raises BadAudio."""
    profile, report, source = listen(clip, engine)
    return Voice(clip.stem, language, profile, agreed, source=source.digest, quality=asdict(report)), source


def lexicons(paths: Sequence[Path] | None, phoneme: bool) -> tuple[Path, ...]:
    """The files of `--lexicon`, after that of `--phoneme`. Raises BadLexicon where this is not there."""
    if phoneme and not PHONEME_LEXICON.is_file():
        raise BadLexicon(message("no_phoneme_lexicon", file=PHONEME_LEXICON))
    return (*([PHONEME_LEXICON] if phoneme else []), *(paths or ()))


def lexicon(paths: Sequence[Path] | None) -> tuple[Lexicon | None, tuple[Input, ...]]:
    """All of `--lexicon` together, a later file over an earlier one. Raises BadLexicon with file, line and column."""
    if not paths:
        return None, ()
    merged = Lexicon()
    for path in paths:
        merged = merged.merge(Lexicon.load(path))
    return merged, tuple(Input(path.name, digest_of(path.read_bytes())) for path in paths)


def language_of(text: str, language: str) -> str:
    """Of a speaker of whom only the text is known: as asked for, else Mandarin where there is a Chinese character."""
    if language != "auto":
        return language
    return "zh" if re.search("[\u3400-\u9fff\uf900-\ufaff]", text) else "en"


def note(remark: str) -> None:
    """One line on standard error that is no failure."""
    print(message("note", remark=remark), file=sys.stderr)
