"""Voices on disk: a `.voice` file holds what a speaker sounds like, their consent, and where it came from.

The file is safetensors (arrays `timbre` and `style`; of a tuned voice those of its adapter; where the words of its clip
were told, those of its prompt) with one JSON header, so that no program has to unpickle anything and the header of
thousands can be read without their arrays.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import safetensors
import safetensors.numpy

from . import aligner, audio
from .adapter import Adapter
from .consent import Consent
from .errors import BadFile, BadOption, UnknownVoice
from .prompt import Prompt
from .reference import Profile
from .text import phonemes

VERSION, TUNED_VERSION = 1, 2
"""Of the file's layout, for a voice from a clip and for a tuned one: whoever cannot read adapters shall say so, and not
speak in another voice. Further arrays and header fields may join within a version: readers pass over them."""
ARRAYS = ("timbre", "style", "sounds")
PROMPT_ARRAYS = ("prompt", "prompt_meaning")
LANGUAGES = ("zh", "en")
GENDERS = ("female", "male", "neutral", "")
SUFFIX = ".voice"
SHIPPED = Path(__file__).parent / "models" / "voices"
LONGEST_NAME = 80  # characters
FORBIDDEN = frozenset('/\\:*?"<>|')  # what one system or another refuses in a file name, or reads as a path
ADAPTER = "adapter."  # before the names of the adapter's arrays
HEADER = "resay"  # the one metadata key: safetensors keeps several in no certain order, and files shall be equal


@dataclass(frozen=True, eq=False)
class Voice:
    """Somebody's way of sounding, with the permission to use it."""

    name: str
    language: str
    """`zh` or `en`: what the speaker spoke; it decides how a text without letters is read."""
    profile: Profile
    consent: Consent
    gender: str = ""
    description: str = ""
    source: str = ""
    """Digest of the clip, or a word on where a shipped voice comes from."""
    quality: Mapping[str, Any] = field(default_factory=dict)
    """The report on the clip, as JSON."""
    seed: int | None = None
    """The seed that suits this voice."""
    tags: tuple[str, ...] = ()
    tuning: Mapping[str, Any] = field(default_factory=dict)
    """How it was tuned, as JSON; empty where it was not."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 over what decides the sound: language, pitch, timbre, style, sounds, adapter and prompt; no notes."""
        head = {"version": VERSION, "language": self.language, "pitch": float(self.profile.pitch)}
        if self.profile.adapter is not None:
            head["model"] = self.profile.adapter.model
        digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
        for name, array in self._arrays().items():
            digest.update(f"{name}:{array.shape}".encode() + array.tobytes())
        return "sha256:" + digest.hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays."""
        tuned = {"tuning": dict(self.tuning)} if self.tuning else {}
        return {
            "name": self.name,
            "language": self.language,
            "gender": self.gender,
            "description": self.description,
            "source": self.source,
            "quality": dict(self.quality),
            "seed": self.seed,
            "tags": list(self.tags),
            "consent": self.consent.to_json(),
            **tuned,
        }

    def to_bytes(self) -> bytes:
        """The content of a `.voice` file: equal voices give equal bytes."""
        adapter = self.profile.adapter
        version = VERSION if adapter is None else TUNED_VERSION
        header = {"version": version, "pitch": float(self.profile.pitch), **self.to_json()}
        if adapter is not None:
            header["model"] = adapter.model
        arrays = self._arrays()
        if self.profile.prompt is not None:
            header["prompt"] = {"phoneme_table": phonemes.VERSION, "seal": _prompt_seal(arrays)}
        header["seal"] = _seal(header, arrays)
        text = json.dumps(header, ensure_ascii=False, sort_keys=True, allow_nan=False)
        return safetensors.numpy.save(arrays, metadata={HEADER: text})

    def save(self, path: str | Path) -> None:
        """Write the file whole or not at all."""
        audio.write_bytes(path, self.to_bytes())

    def _arrays(self) -> dict[str, np.ndarray]:
        style = np.ascontiguousarray(self.profile.style, dtype="<f4")
        arrays = {"style": style, "timbre": np.ascontiguousarray(self.profile.timbre, dtype="<f4")}
        if self.profile.sounds is not None:
            arrays["sounds"] = np.ascontiguousarray(self.profile.sounds, dtype="<f2")
        if self.profile.prompt is not None:
            arrays["prompt"] = np.ascontiguousarray(self.profile.prompt.table(), dtype="<f4")
            arrays["prompt_meaning"] = np.ascontiguousarray(self.profile.prompt.meaning, dtype="<f2")
        own = self.profile.adapter.arrays if self.profile.adapter is not None else {}
        for name in sorted(own):
            kind = "<f2" if name.endswith(".ranks") else "<f4"  # the ranks are most of a tuned voice
            arrays[f"{ADAPTER}{name}"] = np.ascontiguousarray(own[name], dtype=kind)
        return arrays


def _seal(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Digest of everything in the file: a voice or a consent with one flipped bit is not taken for the real one."""
    content = {name: value for name, value in header.items() if name != "seal"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        if name not in PROMPT_ARRAYS:  # which have a seal of their own in the header: older readers pass over both
            digest.update(name.encode() + np.ascontiguousarray(array, dtype="<f4").tobytes())
    return "sha256:" + digest.hexdigest()


def _prompt_seal(arrays: Mapping[str, np.ndarray]) -> str:
    content = b"".join(np.ascontiguousarray(arrays[name], dtype="<f4").tobytes() for name in PROMPT_ARRAYS)
    return "sha256:" + hashlib.sha256(content).hexdigest()


def load(path: str | Path) -> Voice:
    """Read a `.voice` file. Raises BadFile, in one line, where it is missing, damaged or of a later version."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: the voice cannot be read ({error.strerror or 'no such file'})") from error
    return parse(content, str(path))


def parse(content: bytes, name: str) -> Voice:
    """The voice that bytes are, wherever they lay; `name` is told in refusals. Raises BadFile, in one line."""
    try:
        tensors = dict(safetensors.deserialize(content))  # type: ignore[no-untyped-call]
        header = _header(name, json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__"))
        # Names that this version does not know are a later one's additions: passed over.
        known = [key for key in sorted(tensors) if key in (*ARRAYS, *PROMPT_ARRAYS) or key.startswith(ADAPTER)]
        arrays = {key: _array(tensors[key]) for key in known}
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise BadFile(f"{name}: damaged, or not a voice file") from error
    # Voices from before there were seals have none.
    if "seal" in header and header["seal"] != _seal(header, arrays):
        raise BadFile(f"{name}: the voice is damaged or was edited: its content does not match its seal")
    try:
        return _voice(header, arrays)
    except BadFile as error:
        raise BadFile(f"{name}: {error}") from None


def _array(tensor: Mapping[str, Any]) -> np.ndarray:
    kinds = {"F32": "<f4", "F16": "<f2"}
    if tensor["dtype"] not in kinds:
        raise ValueError(f"an array of {tensor['dtype']}")
    return np.frombuffer(tensor["data"], dtype=kinds[tensor["dtype"]]).reshape(tensor["shape"])


def _header(name: str, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    try:
        header = json.loads((metadata or {})[HEADER])
        version = int(header["version"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise BadFile(f"{name}: damaged, or not a voice file") from None
    if version > TUNED_VERSION:
        raise BadFile(f"{name}: a voice of version {version}; this resay reads up to {TUNED_VERSION}, so update resay")
    return header


def _voice(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Voice:
    for name in ("timbre", "style"):
        if name not in arrays:
            raise BadFile(f"the voice has no {name}")
        array = arrays[name]
        if array.ndim != 1 or len(array) == 0 or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise BadFile(f"the voice's {name} is damaged")
    sounds = arrays.get("sounds")
    if sounds is not None and (sounds.shape != aligner.SOUNDS or not np.isfinite(sounds).all()):
        raise BadFile("the voice's sounds are damaged")
    fields = {name: header.get(name) for name in ("name", "language", "pitch", "gender", "description", "source")}
    if not isinstance(fields["pitch"], int | float) or not np.isfinite(fields["pitch"]) or fields["pitch"] < 0:
        raise BadFile("the voice's pitch is damaged")
    if fields["language"] not in LANGUAGES or not isinstance(fields["name"], str):
        raise BadFile("the voice's name or language is damaged")
    seed = header.get("seed")
    quality, tuning = header.get("quality"), header.get("tuning")
    timbre, style = _frozen(arrays["timbre"]), _frozen(arrays["style"])
    profile = Profile(timbre, style, float(fields["pitch"]), None if sounds is None else _frozen(sounds))
    return Voice(
        name=fields["name"],
        language=fields["language"],
        profile=replace(profile, adapter=_adapter(header, arrays), prompt=_prompt(header.get("prompt"), arrays)),
        consent=Consent.from_json(header.get("consent")),
        gender=str(fields["gender"] or ""),
        description=str(fields["description"] or ""),
        source=str(fields["source"] or ""),
        quality=quality if isinstance(quality, dict) else {},
        seed=seed if isinstance(seed, int) else None,
        tags=tuple(str(tag) for tag in header.get("tags") or ()),
        tuning=tuning if isinstance(tuning, dict) else {},
    )


def _adapter(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Adapter | None:
    own = {name.removeprefix(ADAPTER): array for name, array in arrays.items() if name.startswith(ADAPTER)}
    if header["version"] < TUNED_VERSION:
        return None
    model = header.get("model")
    if not isinstance(model, str) or not own:
        raise BadFile("the tuned voice has no adapter")
    for name, array in own.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise BadFile(f"the voice's {name} is damaged")
    return Adapter(model, {name: _frozen(array) for name, array in own.items()})


def _prompt(header: object, arrays: Mapping[str, np.ndarray]) -> Prompt | None:
    """The prompt of a voice whose header tells of one."""
    if header is None:
        return None
    if not isinstance(header, dict) or not arrays.keys() >= set(PROMPT_ARRAYS):
        raise BadFile("the voice's prompt is damaged")
    table = header.get("phoneme_table")
    if table != phonemes.VERSION:
        raise BadFile(f"the voice's prompt is of phoneme table {table}, this is {phonemes.VERSION}; add the voice anew")
    if header.get("seal") != _prompt_seal(arrays):
        raise BadFile("the voice's prompt is damaged or was edited: it does not match its seal")
    try:
        return Prompt.of(*(arrays[name] for name in PROMPT_ARRAYS))
    except ValueError as error:
        raise BadFile(f"the voice's prompt is damaged: {error}") from error


def _frozen(array: np.ndarray) -> np.ndarray:
    array = np.array(array, dtype=np.float32)
    array.flags.writeable = False
    return array


def checked_name(name: str) -> str:
    """The name in its canonical form (NFC). Raises BadOption where it could not be a plain file name everywhere."""
    plain = unicodedata.normalize("NFC", name).strip()
    letters = [unicodedata.category(letter) for letter in plain]
    if not plain:
        raise BadOption("a voice needs a name")
    if len(plain) > LONGEST_NAME:
        raise BadOption(f"a voice's name may have {LONGEST_NAME} characters, not {len(plain)}")
    if FORBIDDEN & set(plain) or any(letter.startswith("C") for letter in letters):
        raise BadOption(f'{plain!r} cannot name a voice: leave out / \\ : * ? " < > | and control characters')
    if plain[0] in ".-" or plain[-1] == ".":
        raise BadOption(f"{plain!r} cannot name a voice: it must not begin with a dot or dash, nor end with a dot")
    if Path(plain).suffix.lower() in (SUFFIX, *(f".{ending}" for ending in audio.FILE_FORMATS), ".ogg"):
        raise BadOption(f"{plain!r} cannot name a voice: it would be taken for a file")
    return plain


def default_folders() -> tuple[Path, Path]:
    """The shipped voices and the user's own: $RESAY_VOICES, or `voices` in the user's data folder."""
    chosen = os.environ.get("RESAY_VOICES")
    own = Path(chosen) if chosen else platformdirs.user_data_path("resay", appauthor=False) / "voices"
    return SHIPPED, own


class VoiceLibrary:
    """Voices by name, in one or more folders. The last folder is the user's: new voices go there.

    Nothing is read until it is asked for. A name of an earlier folder cannot be taken again: one name is one voice.
    """

    def __init__(self, folders: Sequence[Path] | None = None) -> None:
        self.folders = tuple(default_folders() if folders is None else folders)
        if not self.folders:
            raise ValueError("a voice library needs a folder")

    def names(self) -> list[str]:
        """All names, in alphabetical order."""
        return sorted(self._paths())

    def __iter__(self) -> Iterator[Voice]:
        """Every voice, in the order of `names`. Raises BadFile at a damaged one."""
        for name in self.names():
            yield self.get(name)

    def __contains__(self, name: str) -> bool:
        return self._place(name) is not None

    def get(self, name: str) -> Voice:
        """Raises UnknownVoice, with the nearest names, or BadFile for a damaged file."""
        path = self._path(name)
        # The file's name is the voice's: whoever renames the file renames the voice.
        return replace(load(path), name=unicodedata.normalize("NFC", path.stem))

    def is_own(self, name: str) -> bool:
        """Whether a voice is the user's. Raises UnknownVoice."""
        return self._path(name).parent == self.folders[-1]

    def refuse_taken(self, name: str, overwrite: bool = False) -> None:
        """Raises BadOption where a new voice could not get this name."""
        taken = self._place(name)
        if taken is not None and taken.parent != self.folders[-1]:
            raise BadOption(f"a voice called {name!r} ships with resay; choose another name")
        if taken is not None and not overwrite:
            raise BadOption(f"there is a voice called {name!r} already; use --replace to overwrite it")

    def add(self, voice: Voice, overwrite: bool = False) -> Path:
        """Save a voice in the user's folder. Raises BadOption for a bad or taken name."""
        if checked_name(voice.name) != voice.name:
            raise BadOption(f"{voice.name!r} is not in its canonical form; use {checked_name(voice.name)!r}")
        self.refuse_taken(voice.name, overwrite)
        path = self._place(voice.name) or self.folders[-1] / f"{voice.name}{SUFFIX}"
        voice.save(path)
        return path

    def remove(self, name: str) -> Path:
        """Erase a voice of the user's folder. Raises UnknownVoice, or BadOption for a shipped one."""
        path = self._path(name)
        if not self.is_own(name):
            raise BadOption(f"{name!r} ships with resay and cannot be removed")
        audio.erase(path)
        return path

    def places(self) -> dict[str, Path]:
        """Where each voice lies, by name."""
        return self._paths()

    def _path(self, name: str) -> Path:
        place = self._place(name)
        if place is not None:
            return place
        paths = self._paths()
        near = difflib.get_close_matches(name, paths, n=3) or sorted(paths)[:8]
        hint = f"did you mean {' or '.join(near)}?" if near else "there are no voices yet"
        raise UnknownVoice(f"no voice is called {name!r} and no clip lies there; {hint}")

    def _place(self, name: str) -> Path | None:
        """Where a voice lies. Its file is looked for by its name, so that thousands of others cost nothing."""
        plain = unicodedata.normalize("NFC", name).strip()
        for folder in self.folders if plain and not FORBIDDEN & set(plain) and plain[0] != "." else ():
            path = folder / f"{plain}{SUFFIX}"
            with contextlib.suppress(OSError, ValueError):  # a name too long, or with a zero byte, is no file's
                if path.is_file():
                    return path
        # Some systems hand file names on in another normal form; only there is the whole folder read.
        return None if plain.isascii() else self._paths().get(plain)

    def _paths(self) -> dict[str, Path]:
        # Folders are read anew every time: a listing is quick, and another process may just have added a voice.
        paths: dict[str, Path] = {}
        for folder in self.folders:
            for path in folder.glob(f"*{SUFFIX}") if folder.is_dir() else ():
                if not path.name.startswith("."):
                    paths.setdefault(unicodedata.normalize("NFC", path.stem), path)
        return paths
