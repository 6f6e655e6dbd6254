"""What commands are given: texts, voices, clips, consent, weights."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .. import audio, consent, identity, shared_adapter, text, vault, voices
from ..consent import Consent
from ..errors import BadAudio, BadFile, BadLexicon, BadOption, BadRequest, BadText, ConsentMissing
from ..identity import Clip
from ..manifest import Input, digest_of
from ..text import Lexicon
from ..text.analyses import Analyses
from ..vault import Vault
from ..voices import Voice, VoiceLibrary
from . import options
from .messages import message

if TYPE_CHECKING:
    from ..reference import Profile, Report
    from ..synthesis import Engine

HIGHEST_SEED = 2**63 - 1
PHONEME_LEXICON = Path("configs") / "G2P_replace_dict.jsonl"  # where GLM-TTS keeps it, in the working directory
DRAWN_SEEDS = 1_000_000  # a drawn seed shall be short enough to be passed on by word of mouth
IN_VAULT, VOICE_ITEM = "vault:", "voice/"
"""How a voice in the vault is named on the command line, and inside the vault."""
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


@dataclass(frozen=True)
class Shelves:
    """Where voices and roles are kept."""

    voices: options.Voices = None
    seeds_file: options.Seeds = None

    @property
    def library(self) -> VoiceLibrary:
        return library(self.voices)


def library(folder: Path | None) -> VoiceLibrary:
    """The shipped voices and the user's, or those of `--voices DIR`."""
    return VoiceLibrary() if folder is None else VoiceLibrary([voices.SHIPPED, folder])


def voice_or_clip(name: str, known: VoiceLibrary) -> Voice | Path:
    """What `NAME|CLIP` means: a voice by name, `.voice` file or `vault:NAME`, or a clip.

    Raises UnknownVoice, BadAudio, BadOption.
    """
    if name.startswith(IN_VAULT):
        kept = name.removeprefix(IN_VAULT)
        return voices.parse(open_vault().get(f"{VOICE_ITEM}{kept}"), name)
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


def open_vault(folder: Path | None = None, passphrase_file: Path | None = None) -> Vault:
    """The vault, opened. Raises BadOption for a wrong or missing passphrase, BadFile where there is no vault."""
    return Vault.open(folder or vault.default_folder(), passphrase(passphrase_file))


def passphrase(file: Path | None, asked: str = "passphrase", confirm: bool = False) -> str:
    """From a file (its first line), else $RESAY_PASSPHRASE, else whoever sits at the terminal. Raises BadOption."""
    if file is not None:
        return text_file(file).partition("\n")[0].rstrip("\r")
    known = os.environ.get("RESAY_PASSPHRASE")
    if known and not confirm:
        return known
    if not sys.stdin.isatty():
        raise BadOption(message("no_passphrase"))
    return str(typer.prompt(message(asked), hide_input=True, confirmation_prompt=confirm, err=True))


def permission(choice: str | None, found: Voice | Path) -> Consent:
    """The consent under which `found` may speak: a voice's own, or what `--consent` gives for a clip."""
    if isinstance(found, Voice):
        if choice is not None:
            note(message("consent_unneeded", voice=found.name))
        return found.consent
    if choice is None:
        raise ConsentMissing(message("consent", clip=found))
    agreed = consent.own() if choice == "own" else consent.from_file(choice)
    try:
        return consent.taken(agreed, digest_of(found.read_bytes()), date.today())
    except OSError as error:
        raise BadAudio(f"{found}: cannot be read ({error.strerror or error})") from error


@dataclass(frozen=True)
class Weights:
    """Which networks, what they run on, and how they get their texts."""

    models: options.Models = None
    threads: options.Threads = 2
    provider: options.Provider = "cpu"
    engine_cache: options.EngineCache = None
    use_cache: bool = False
    """Whether texts that were read are kept, for the next time."""
    adapter: options.Adapter = None

    def __post_init__(self) -> None:
        if self.engine_cache is not None and self.provider != "tensorrt":
            raise BadOption(message("not_with", option="--engine-cache", other=f"--provider {self.provider}"))


def usable(provider: str) -> str:
    """A provider, or `cpu` where this machine has it not; then that is said. Raises BadOption for an unknown one."""
    from ..onnx_graph import missing

    reason = missing(provider)
    if reason:
        note(message("provider_missing", provider=provider, reason=reason))
    return "cpu" if reason else provider


def engine(weights: Weights) -> Engine:
    """The networks, loaded. The one place where commands get them, and where tests put others."""
    from ..onnx_graph import PROVIDERS
    from ..synthesis import Engine

    adapter = None if weights.adapter is None else shared_adapter.load(weights.adapter)
    provider = usable(weights.provider)
    loaded = Engine(
        weights.models,
        weights.threads,
        provider,
        weights.engine_cache,
        # Dictionaries load for the first text that was never read before, if there is any.
        Analyses().sentences if weights.use_cache else text.sentences,
        adapter=adapter,
    )
    if PROVIDERS[provider][0] not in loaded.runs_on:
        found = ", ".join(sorted(loaded.runs_on))
        note(message("provider_failed", provider=provider, found=found))
    if weights.use_cache:
        return loaded
    # Dictionaries load with the first word. Like the weights they belong to starting up, not to the time of a request.
    for _ in text.sentences("好 a 1"):
        pass
    return loaded


def listen(clip: Path, engine: Engine, words: str | None = None) -> tuple[Profile, Report, Clip]:
    """What is heard in a clip, its quality, its identity; `words` are what is said in it.

    Raises BadAudio where the clip is no use, BadText where the words are not; prints warnings.
    """
    try:
        profile, report = engine.listen(audio.read(clip), words)
    except BadAudio as error:
        known = str(error).startswith(str(clip))
        raise BadAudio(str(error) if known else f"{clip}: {error}") from error
    except BadText as error:
        raise BadText(message("bad_transcript", clip=clip, problem=error)) from error
    for finding in report.findings:
        note(f"{clip}: {finding.message}")
    return profile, report, identity.clip(clip)


def clone(clip: Path, agreed: Consent, language: str, engine: Engine, words: str | None = None) -> tuple[Voice, Clip]:
    """A voice, named like the clip, and the clip's identity. Raises BadAudio, BadText."""
    profile, report, source = listen(clip, engine, words)
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


@contextmanager
def extra(command: str) -> Iterator[None]:
    """Says what to install where a module is missing in the block. Raises BadRequest."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "resay"):
            raise  # one of our own: a fault, and nothing that anybody could install
        raise BadRequest(message("extra", command=command, module=missing, extra="studio")) from error


def note(remark: str) -> None:
    """One line on standard error that is no failure."""
    print(message("note", remark=remark), file=sys.stderr)
