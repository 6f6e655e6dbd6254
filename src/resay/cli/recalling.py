"""Find again what a manifest names: its voice, its style, its lexicons, by their digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import voices
from ..errors import ResayError, UnknownVoice
from ..manifest import Input, Manifest, digest_of, voice_input
from ..replay import Difference, clip_differences, refuse
from ..takes import Cast
from ..voices import Voice, VoiceLibrary
from . import sources
from .casting import Names, spoken_by
from .messages import message

if TYPE_CHECKING:
    from ..reference import Profile
    from ..synthesis import Engine

LARGEST_LEXICON = 2**26  # bytes; larger files are not read only to see whether they are the one


@dataclass(frozen=True)
class Around:
    """Where to look: folders with files, the voice library, and what was named on the command line."""

    folders: tuple[Path, ...]
    library: VoiceLibrary
    names: Names = field(default_factory=Names)


def cast(recorded: Manifest, around: Around, engine: Engine) -> Cast:
    """The recorded cast. Raises Unreproducible for a clip that has changed, UnknownVoice where a voice is not found."""
    speaker = _speaker(recorded, around)
    clip = None
    if isinstance(speaker, Path):
        # Named, not refused silently later: a re-encoded clip gives another voice that sounds nearly the same.
        harmful = [it for it in clip_differences(recorded, speaker) if "same samples" not in it.detail]
        refuse(harmful)
        agreed = recorded.consent if around.names.consent is None else sources.permission(around.names.consent, speaker)
        words = recorded.inputs.transcript
        speaker, clip = sources.clone(speaker, agreed, spoken_by(recorded.request, words), engine, words)
    profile, style = _style(recorded, around, engine)
    paths = around.names.lexicons or tuple(found_lexicons(recorded, around.folders))
    transcript = None if clip is None else recorded.inputs.transcript
    return Cast(speaker, clip, profile, style, *sources.lexicon(paths), transcript)


def _speaker(recorded: Manifest, around: Around) -> Voice | Path:
    if around.names.voice is not None:
        return sources.voice_or_clip(around.names.voice, around.library)
    found = voice_by_digest(recorded.voice, around)
    if found is not None:
        return found
    if recorded.inputs.clip is not None:
        for path in _files(around.folders, recorded.inputs.clip.name):
            return path
        raise UnknownVoice(message("clip_wanted", clip=recorded.inputs.clip.name))
    named = recorded.voice.name
    if named in around.library:
        detail = "has changed since: its digest is not the recorded one"
        refuse([Difference("voice", f"{named} {detail}")])
    raise UnknownVoice(message("voice_wanted", voice=named, digest=recorded.voice.digest[:19]))


def voice_by_digest(wanted: Input, around: Around) -> Voice | None:
    """A voice that sounds exactly so, whatever it is called now; the recorded name is tried first."""
    for voice in _voices(wanted.name, around):
        if voice.digest == wanted.digest:
            return voice
    return None


def _voices(first: str, around: Around) -> Iterator[Voice]:
    names = sorted(around.library.names(), key=lambda name: name != first)
    loaders: list[Callable[[], Voice]] = [partial(around.library.get, name) for name in names]
    loaders += [partial(voices.load, path) for folder in around.folders for path in sorted(folder.glob("*.voice"))]
    for load in loaders:
        try:
            yield load()
        except ResayError:
            continue  # a damaged voice is not the one that is looked for


def style_source(recorded: Manifest, around: Around) -> Voice | Path | None:
    """Whom it was said like: a voice, a clip, or nobody. Raises UnknownVoice where it is not found."""
    if around.names.style is not None:
        return sources.voice_or_clip(around.names.style, around.library)
    wanted = recorded.inputs.style
    if wanted is None:
        return None
    found = voice_by_digest(wanted, around) or next(_files(around.folders, wanted.name), None)
    if found is None:
        raise UnknownVoice(message("style_wanted", style=wanted.name))
    return found


def _style(recorded: Manifest, around: Around, engine: Engine) -> tuple[Profile | None, Input | None]:
    found = style_source(recorded, around)
    if found is None:
        return None, None
    if isinstance(found, Voice):
        return found.profile, voice_input(found)
    profile, _, clip = sources.listen(found, engine)
    return profile, Input(clip.name, clip.digest)


def found_lexicons(recorded: Manifest, folders: Sequence[Path]) -> Iterator[Path]:
    """The recorded lexicon files, in their order, where they still lie beside the manifest; else none of them.

    That of `--phoneme` may still lie where it was read.
    """
    usual = sources.PHONEME_LEXICON.parent
    folders = [*folders, usual] if usual.is_dir() else folders
    found = []
    for wanted in recorded.inputs.lexicons:
        candidates = [path for folder in folders for path in sorted(folder.iterdir()) if _may_be_lexicon(path)]
        found += [path for path in candidates if digest_of(path.read_bytes()) == wanted.digest][:1]
    if len(found) == len(recorded.inputs.lexicons):
        yield from found


def _may_be_lexicon(path: Path) -> bool:
    named = path.suffix.lower() in (".jsonl", ".pls", ".xml", ".json", ".txt")
    return named and path.is_file() and path.stat().st_size <= LARGEST_LEXICON


def _files(folders: Sequence[Path], name: str) -> Iterator[Path]:
    """A manifest may name anything: only plain names in our folders count."""
    for folder in folders:
        path = folder / Path(name).name
        if path.is_file():
            yield path
