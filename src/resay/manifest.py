"""What made a sound: request, plan, seed, voice, weights, versions, inputs and result, so that it can be made again."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from . import __version__, embedding
from .consent import Consent
from .errors import BadFile, ResayError
from .identity import Clip
from .prosody import Plan, Sampling
from .synthesis import Engine, Piece, Request
from .text import VERSION as TEXT_VERSION
from .text import phonemes
from .voices import Voice

SCHEMA = 1
"""Of the manifest's layout; `manifest.schema.json` beside this module describes it."""


@dataclass(frozen=True)
class Input:
    """A file or text that went in."""

    name: str
    digest: str


@dataclass(frozen=True)
class Inputs:
    """Everything that went in beside the voice."""

    text: str
    """Digest of the text as it came, UTF-8."""
    clip: Clip | None = None
    """The clip that was cloned, where the voice came from one."""
    style: Input | None = None
    """The voice (by its digest) or clip that gave the style, where it was another."""
    lexicons: tuple[Input, ...] = ()
    transcript: str | None = None
    """What is said in the clip, where that was told."""


@dataclass(frozen=True)
class Output:
    """What came out."""

    file: str
    """Name without folder: the manifest lies beside it. Empty where it went to standard output."""
    format: str
    sample_rate: int
    samples: int
    digest: str
    """`Audio.digest` of the sound before any lossy encoding."""
    bandwidth: int
    """Hz above which there is nothing: less than half the sample rate where the model has no more to give."""
    content: str | None = None
    """Digest of the whole file, of formats (MP3, Opus) from which the samples do not come back as they were."""

    @property
    def seconds(self) -> float:
        return self.samples / self.sample_rate


@dataclass(frozen=True, eq=False)
class PieceRecord:
    """One piece as it was said."""

    text: str
    normalised: str
    span: tuple[int, int]
    """Characters of the raw text, end excluded."""
    phonemes: tuple[str, ...]
    plan: Plan
    samples: int

    @classmethod
    def of(cls, piece: Piece) -> PieceRecord:
        said = piece.sentence
        return cls(said.text, said.normalised, said.span, said.phonemes, piece.plan, len(piece.audio.samples))


@dataclass(frozen=True, eq=False)
class Manifest:
    """The birth certificate of one sound."""

    request: Request
    day: date
    """Consent was checked against it."""
    voice: Input
    consent: Consent
    inputs: Inputs
    pieces: tuple[PieceRecord, ...]
    models: Mapping[str, str]
    """Stage to digest of its graph."""
    runtime: Mapping[str, str]
    """Versions and processor: equal bits are promised only where these are equal."""
    output: Output
    intact: bool = True
    """Whether it was read back just as it was sealed: nobody has changed it."""

    @classmethod
    def of(
        cls,
        engine: Engine,
        request: Request,
        voice: Voice,
        pieces: Iterable[PieceRecord],
        output: Output,
        *,
        day: date,
        inputs: Inputs | None = None,
    ) -> Manifest:
        """Of what an engine has just spoken. Without `inputs` nothing but the request's text went in."""
        return cls(
            request=request,
            day=day,
            voice=voice_input(voice),
            consent=voice.consent,
            inputs=inputs or Inputs(digest_of(request.text.encode())),
            pieces=tuple(pieces),
            models=engine.digests,
            runtime=runtime(),
            output=output,
        )

    def to_json(self) -> dict[str, Any]:
        data = {
            "resay_manifest": SCHEMA,
            "request": asdict(self.request),
            "seed": self.request.seed,
            "day": self.day.isoformat(),
            "voice": asdict(self.voice),
            "consent": self.consent.to_json(),
            "inputs": asdict(self.inputs),
            "phoneme_table": phonemes.VERSION,
            "text_frontend": TEXT_VERSION,
            "pieces": [_piece_to_json(piece) for piece in self.pieces],
            "models": dict(self.models),
            "runtime": dict(self.runtime),
            "output": {**asdict(self.output), "seconds": self.output.seconds},
        }
        return {**data, "seal": seal(data)}

    def to_bytes(self) -> bytes:
        """Canonical JSON, UTF-8: keys sorted, nothing optional, one newline at the end."""
        return canonical(self.to_json()) + b"\n"

    @classmethod
    def from_json(cls, data: object) -> Manifest:
        """Raises BadFile for anything but a manifest of this schema."""
        if not isinstance(data, dict) or "resay_manifest" not in data:
            raise BadFile("not a resay manifest")
        if data["resay_manifest"] != SCHEMA:
            raise BadFile(f"a manifest of schema {data['resay_manifest']}; this resay reads {SCHEMA}")
        try:
            return _from_json(data)
        except KeyError as error:
            raise BadFile(f"the manifest lacks {error}") from error
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadFile(f"the manifest is damaged ({error})") from error


def read(path: str | Path) -> Manifest:
    """Read a manifest, or the one inside a WAV or FLAC file. Raises BadFile, in one line, where there is none."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: the manifest cannot be read ({error.strerror or error})") from error
    try:
        return parse(content)
    except ResayError as error:
        raise BadFile(f"{path}: {error}") from error


def parse(content: bytes) -> Manifest:
    """The manifest that bytes are, or that lies inside the sound file that they are. Raises BadFile."""
    if content[:4] in (b"RIFF", b"fLaC"):
        inside = embedding.extract(content)
        if inside is None:
            raise BadFile("there is no manifest inside this sound file")
        content = inside
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"the manifest is not JSON ({error})") from error
    return Manifest.from_json(data)


def seal(data: Mapping[str, Any]) -> str:
    """Digest of a manifest's content but for the seal itself: whoever changes a figure by hand breaks it."""
    return digest_of(canonical({name: value for name, value in data.items() if name != "seal"}))


def beside(output: Path) -> Path:
    """Where the manifest of a sound file lies: out.wav -> out.json. Raises BadFile where something else lies there."""
    path = output.with_suffix(".json")
    if path == output:
        raise BadFile(f"{output}: the manifest needs this name; give the sound another ending")
    if path.exists():
        try:
            data = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            data = None
        if not isinstance(data, dict) or "resay_manifest" not in data:
            raise BadFile(f"{path}: is no manifest of resay's and would be overwritten; choose another -o")
    return path


def canonical(data: object) -> bytes:
    """One JSON text for one value."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def voice_input(voice: Voice) -> Input:
    return Input(voice.name, voice.digest)


@lru_cache(maxsize=1)
def runtime() -> Mapping[str, str]:
    """Versions and processor of this process."""
    versions = {name: metadata.version(name) for name in ("numpy", "onnxruntime", "soxr")}
    here = {
        "resay": __version__,
        "python": platform.python_version(),
        "system": sys.platform,
        "processor": _processor(),
    }
    return {**versions, **here}


def _processor() -> str:
    # platform.processor() says nothing on most Linux systems; the kernel does.
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return f"{platform.machine()} {line.partition(':')[2].strip()}"
    except OSError:
        pass
    return f"{platform.machine()} {platform.processor()}".strip()


def _piece_to_json(piece: PieceRecord) -> dict[str, Any]:
    return {
        "text": piece.text,
        "normalised": piece.normalised,
        "span": list(piece.span),
        "phonemes": list(piece.phonemes),
        "plan": piece.plan.to_json(),
        "samples": piece.samples,
    }


def _piece_from_json(data: Mapping[str, Any]) -> PieceRecord:
    start, end = data["span"]
    return PieceRecord(
        text=data["text"],
        normalised=data["normalised"],
        span=(start, end),
        phonemes=tuple(data["phonemes"]),
        plan=Plan.from_json(data["plan"]),
        samples=data["samples"],
    )


def _from_json(data: Mapping[str, Any]) -> Manifest:
    request, inputs, output = dict(data["request"]), dict(data["inputs"]), dict(data["output"])
    output.pop("seconds")
    if not isinstance(request["text"], str):
        raise TypeError("the text is none")
    return Manifest(
        request=Request(**{**request, "sampling": Sampling(**request["sampling"])}),
        day=date.fromisoformat(data["day"]),
        voice=Input(**data["voice"]),
        consent=Consent.from_json(data["consent"]),
        inputs=Inputs(
            text=inputs["text"],
            clip=Clip(**inputs["clip"]) if inputs["clip"] else None,
            style=Input(**inputs["style"]) if inputs["style"] else None,
            lexicons=tuple(Input(**entry) for entry in inputs["lexicons"]),
            transcript=inputs.get("transcript"),
        ),
        pieces=tuple(_piece_from_json(piece) for piece in data["pieces"]),
        models=dict(data["models"]),
        runtime=dict(data["runtime"]),
        output=Output(**output),
        intact=data["seal"] == seal(data),
    )
