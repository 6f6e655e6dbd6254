"""Make a recorded sound again, and say what stands in the way: model, voice, text, clip, lexicon or version.

Where everything agrees the bits agree. Elsewhere the recorded plan is spoken, so that only arithmetic can differ, and
the result is measured against the original.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from . import audio, embedding, identity, manifest
from .audio import Audio
from .compare import Comparison, compare
from .errors import BadFile, ResayError, Unreproducible
from .manifest import Manifest, PieceRecord
from .outputs import Collected, Staging
from .prosody import Sampling
from .shared_adapter import STAGE
from .synthesis import Engine
from .takes import LOSSY, Cast, Take, take

RUNTIME_CAUSES = {"resay": "version", "onnxruntime": "version", "numpy": "version", "soxr": "version"}
"""Which causes the fields of the manifest's runtime belong to; the others are `runtime`."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as the manifest says."""

    cause: str
    """`manifest`, `text`, `voice`, `clip`, `style`, `adapter`, `lexicon`, `model`, `version`, `runtime` or `sound`."""
    detail: str

    def __str__(self) -> str:
        return f"{self.cause}: {self.detail}"


@dataclass(frozen=True, eq=False)
class Replay:
    """A sound made again."""

    take: Take
    sound: Audio
    way: str
    """`seed` where text and seed were enough, `plan` where the recorded plan was spoken."""
    identical: bool
    """Whether every sample is the same."""
    differences: tuple[Difference, ...]
    """What differs and did not prevent it."""
    comparison: Comparison | None
    """Against the original, where the bits differ."""


def replay(recorded: Manifest, engine: Engine, cast: Cast, *, day: date, original: Audio | None = None) -> Replay:
    """Make it again. Raises Unreproducible, naming the causes, where it cannot be made or does not meet the criteria.

    The voice's consent must hold on `day`: an old permission makes no new sound.
    """
    adapters = adapter_differences(recorded, engine.digests)
    refuse([*own_differences(recorded), *cast_differences(recorded, cast), *adapters])
    around = tuple(surroundings(recorded, engine.digests, manifest.runtime()))
    made, sound = _spoken(recorded, engine, cast, day, planned=False)
    way, read_differently = "seed", list(_readings(recorded.pieces, made.manifest.pieces))
    identical = made.manifest.output.digest == recorded.output.digest
    if not identical and not read_differently:
        way = "plan"
        made, sound = _spoken(recorded, engine, cast, day, planned=True)
        identical = made.manifest.output.digest == recorded.output.digest
    if identical:
        return Replay(made, sound, way, True, around, None)
    causes = [*read_differently, *around]
    if original is None:
        hint = "put the original sound beside the manifest to have it compared"
        raise Unreproducible(_told([*causes, Difference("sound", f"not the recorded samples; {hint}")]))
    found = compare(original, sound)
    if not found.reproduces:
        failed = " and ".join(name.replace("_", " ") for name, met in found.criteria.items() if not met)
        raise Unreproducible(_told([*causes, Difference("sound", f"fails on {failed} ({found})")]))
    return Replay(made, sound, way, False, tuple(causes), found)


def stage(done: Replay, staged: Staging, target: Path, *, embed: bool = False) -> None:
    """Write the sound and its manifest, which names the file it now lies in. Raises BadFile, BadOption."""
    output = done.take.manifest.output
    content = audio.encode(done.sound, output.format)
    lossy = manifest.digest_of(content) if output.format in LOSSY else None
    made = replace(done.take.manifest, output=replace(output, file=target.name, content=lossy))
    if embed:
        content = embedding.embed(content, output.format, made.to_bytes())
    beside = manifest.beside(target)
    staged.add(target, content)
    staged.add(beside, made.to_bytes())


def refuse(differences: Sequence[Difference]) -> None:
    """Raise Unreproducible where there are any."""
    if differences:
        raise Unreproducible(_told(differences))


def _told(differences: Sequence[Difference]) -> str:
    return "does not reproduce: " + "; ".join(str(difference) for difference in differences)


def _spoken(recorded: Manifest, engine: Engine, cast: Cast, day: date, *, planned: bool) -> tuple[Take, Audio]:
    sink = Collected()
    plans = [piece.plan for piece in recorded.pieces] if planned else None
    name, file_format = recorded.output.file, recorded.output.format
    made = take(engine, recorded.request, cast, sink, day=day, file_name=name, file_format=file_format, plans=plans)
    return made, sink.sound


def own_differences(recorded: Manifest) -> Iterator[Difference]:
    """Where a manifest contradicts itself: somebody has changed it."""
    if recorded.intact:
        return
    yield Difference("manifest", "it was changed after it was sealed")
    text = recorded.request.text
    if manifest.digest_of(text.encode("utf-8", "surrogatepass")) != recorded.inputs.text:
        strange = [str(remark) for remark in identity.remarks(text)]
        said = [text[slice(*piece.span)] for piece in recorded.pieces]
        changed = [
            difference
            for piece, now in zip(recorded.pieces, said, strict=True)
            if (difference := identity.text_difference(piece.text, now))
        ]
        yield Difference("text", "; ".join([*strange[:3], *changed[:2]] or ["it is not the text that was spoken"]))


def text_differences(recorded: Manifest, text: str) -> Iterator[Difference]:
    """Whether a text is the recorded one, to the last invisible character."""
    difference = identity.text_difference(recorded.request.text, text)
    if difference:
        yield Difference("text", difference)


def clip_differences(recorded: Manifest, path: Path) -> Iterator[Difference]:
    """Whether a clip file is the recorded one. Raises BadAudio."""
    if recorded.inputs.clip is None:
        yield Difference("clip", f"the voice {recorded.voice.name} was not cloned from a clip")
        return
    difference = identity.clip_difference(recorded.inputs.clip, path)
    if difference:
        yield Difference("clip", difference)


def cast_differences(recorded: Manifest, cast: Cast) -> Iterator[Difference]:
    """Whether voice, style and lexicons are the recorded ones."""
    if cast.voice.digest != recorded.voice.digest:
        name = cast.voice.name
        detail = f"{name} is not the recorded {recorded.voice.name}" if name != recorded.voice.name else ""
        yield Difference("voice", detail or f"{name} has changed: its digest is not the recorded one")
    given, known = cast.style_input, recorded.inputs.style
    if (given and given.digest) != (known and known.digest):
        yield Difference("style", f"{given.name if given else 'none'} is not {known.name if known else 'none'}")
    lexicons = [entry.digest for entry in cast.lexicons]
    for entry in recorded.inputs.lexicons:
        if lexicons and entry.digest not in lexicons:
            yield Difference("lexicon", f"{entry.name} is missing or has changed")


def adapter_differences(recorded: Manifest, models: Mapping[str, str]) -> Iterator[Difference]:
    """Whether the shared adapter is the recorded one: it is a choice of the request like the voice, not an accident."""
    wanted, given = recorded.models.get(STAGE), models.get(STAGE)
    if wanted != given:
        hint = f"{wanted} is needed; give it with --adapter FILE" if wanted else "none was used; leave out --adapter"
        yield Difference("adapter", hint)


def surroundings(recorded: Manifest, models: Mapping[str, str], runtime: Mapping[str, str]) -> Iterator[Difference]:
    """Models and versions that are not the recorded ones. They need not be heard."""
    other = [name for name, digest in sorted(recorded.models.items()) if models.get(name) != digest]
    if other:
        yield Difference("model", f"other weights: {', '.join(other)}")
    for name, value in sorted(recorded.runtime.items()):
        if runtime.get(name) != value:
            yield Difference(RUNTIME_CAUSES.get(name, "runtime"), f"{name} {value} -> {runtime.get(name, 'none')}")


def _readings(recorded: Sequence[PieceRecord], made: Sequence[PieceRecord]) -> Iterator[Difference]:
    """Where the text is read otherwise than it was: another version of the text frontend, or a missing lexicon."""
    if len(recorded) != len(made):
        yield Difference(
            "text", f"it falls into {len(made)} pieces, not {len(recorded)}: the text frontend has changed"
        )
        return
    for old, new in zip(recorded, made, strict=True):
        if old.phonemes != new.phonemes:
            place = next(
                (at for at, (one, two) in enumerate(zip(old.phonemes, new.phonemes, strict=False)) if one != two), 0
            )
            then, now = (" ".join(symbols[max(0, place - 1) : place + 3]) for symbols in (old.phonemes, new.phonemes))
            yield Difference("text", f"{old.text.strip()[:30]!r} reads {now}, not {then}: give its --lexicon")
            return


def found_manifest(path: Path) -> tuple[Manifest, Path]:
    """The manifest of a sound or of itself, and where it was found. Raises BadFile."""
    if path.suffix.lower() == ".json":
        return manifest.read(path), path
    beside = path.with_suffix(".json")
    if beside.is_file():
        return manifest.read(beside), beside
    try:
        return manifest.read(path), path
    except BadFile as error:
        if not path.is_file():
            raise BadFile(f"{path}: no such file") from error
        raise BadFile(f"{path}: no manifest beside it ({beside.name}) and none inside it") from error


def found_sound(recorded: Manifest, path: Path) -> Path | None:
    """The sound that a manifest found at `path` belongs to, where it is there."""
    if path.suffix.lower() != ".json":
        return path
    # A manifest could name any file: only its own folder is looked at.
    sound = path.with_name(Path(recorded.output.file).name) if recorded.output.file else path
    return sound if sound.is_file() and sound != path else None


def original(recorded: Manifest, sound: Path | None) -> Audio | None:
    """The recorded sound itself. None where the file is missing or is not the one: nothing is measured against that."""
    if sound is None or any(sound_differences(recorded, sound)):
        return None
    return read_sound(recorded, sound)


def read_sound(recorded: Manifest, sound: Path) -> Audio:
    """The samples of a sound file in the manifest's format. Raises BadAudio."""
    if recorded.output.format == "pcm":
        content = sound.read_bytes()
        samples = np.frombuffer(content[: len(content) // 2 * 2], dtype="<i2").astype(np.float32) / 32768.0
        return Audio(samples, recorded.output.sample_rate)
    return audio.read(sound, longest=max(audio.LONGEST_CLIP, 2 * recorded.output.seconds))


def sound_differences(recorded: Manifest, sound: Path) -> Iterator[Difference]:
    """Whether a sound file is the one that a manifest describes."""
    if recorded.output.format in LOSSY:
        if manifest.digest_of(sound.read_bytes()) != recorded.output.content:
            yield Difference("sound", f"{sound.name} is not the file that was written")
        return
    try:
        heard = read_sound(recorded, sound)
    except ResayError as error:
        yield Difference("sound", str(error))
        return
    if heard.digest() != recorded.output.digest:
        lengths = (len(heard.samples), recorded.output.samples)
        rest = f"{lengths[0]} samples, not {lengths[1]}" if lengths[0] != lengths[1] else "its samples were changed"
        yield Difference("sound", f"{sound.name} is not what the manifest describes: {rest}")


def between(first: Manifest, second: Manifest) -> Iterator[Difference]:
    """What went in otherwise for the second of two sounds."""
    yield from text_differences(first, second.request.text)
    for name, value in vars(first.request).items():
        other = getattr(second.request, name)
        if name != "text" and other != value:
            yield Difference(name.replace("_", " "), f"{_plain(value, other)} -> {_plain(other, value)}")
    if first.voice.digest != second.voice.digest:
        yield Difference("voice", f"{first.voice.name} -> {second.voice.name}")
    for cause in ("clip", "style"):
        one, two = getattr(first.inputs, cause), getattr(second.inputs, cause)
        if (one and one.digest) != (two and two.digest):
            yield Difference(cause, f"{one.name if one else 'none'} -> {two.name if two else 'none'}")
    if first.inputs.transcript != second.inputs.transcript:
        told, other = (repr(made.inputs.transcript or "") for made in (first, second))
        yield Difference("transcript", f"{told} -> {other}")
    if [entry.digest for entry in first.inputs.lexicons] != [entry.digest for entry in second.inputs.lexicons]:
        yield Difference("lexicon", "other lexicons")
    yield from surroundings(first, second.models, second.runtime)


def _plain(value: object, other: object) -> str:
    """A setting in words; of several together only those that differ."""
    if not isinstance(value, Sampling) or not isinstance(other, Sampling):
        return str(value)
    return ", ".join(f"{name} {part}" for name, part in vars(value).items() if part != getattr(other, name))
