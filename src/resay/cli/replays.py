"""`resay replay`, `resay verify`, `resay compare`, `resay archive`: make it again, prove it, measure it, keep it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import archive as archives
from .. import audio, compare, manifest, outputs, replay, voices
from ..errors import BadFile, BadOption, BrokenModel, ResayError, Unreproducible
from ..manifest import Manifest
from ..replay import Difference, Replay
from ..synthesis import SHIPPED
from ..weights import examine, file_of
from . import options, recalling, sources
from .casting import Names
from .messages import message

OUTPUTS = Path("outputs")
MODEL = "model.json"

Source = Annotated[Path, typer.Argument(metavar="MANIFEST|SOUND|ARCHIVE", help="What was written, or an archive.")]
Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Sounds, manifests, voices, archives or folders of weights.")
]
Text = Annotated[str | None, typer.Option("--text", help="The text that it should be; - reads standard input.")]
Folder = Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT", help="A file; of an archive a folder.")]
Voice = Annotated[str | None, typer.Option("--voice", metavar="NAME|CLIP", help="The recorded voice or its clip.")]
ClaimedClip = Annotated[Path | None, typer.Option("--clip", metavar="CLIP", help="The clip that it should be.")]


@dataclass(frozen=True)
class Found:
    """A manifest with what lies around it."""

    path: Path
    manifest: Manifest
    sound: Path | None
    names: Names
    folders: tuple[Path, ...]
    models: Path | None


@options.grouped
def replay_command(
    source: Source,
    output: Folder = None,
    voice: Voice = None,
    consent: options.Consent = None,
    style: options.Style = None,
    lexicon: options.Lexicons = None,
    text: Text = None,
    file: options.File = None,
    embed_manifest: options.Embed = False,
    voices: options.Voices = None,
    weights: sources.Weights = sources.Weights(),
    as_json: options.Json = False,
) -> None:
    """Make a recorded sound again, byte for byte where model and runtime are the recorded ones.

    Elsewhere its recorded plan is spoken and measured against the original. Exit code 4, with the cause, where that
    does not reproduce it.
    """
    names = Names(voice, consent, style, tuple(lexicon or ()))
    claimed = None if text is None and file is None else sources.raw_text(text, file)
    reports = []
    with _found(source, names) as everything:
        for found in everything:
            if claimed is not None:
                replay.refuse(list(replay.text_differences(found.manifest, claimed)))
            own = replace(weights, models=weights.models or found.models)
            target = _target(found, output, source)
            reports.append(_replayed(found, own, sources.library(voices), target, embed_manifest))
    if as_json:
        print(json.dumps(reports[0] if len(reports) == 1 else {"replays": reports}, ensure_ascii=False))
        return
    for report in reports:
        exact = message("identical") if report["identical"] else message("within", figures=report["figures"])
        print(message("replayed", output=report["output"], source=source, exact=exact, seed=report["seed"]))


def _replayed(
    found: Found, weights: sources.Weights, library: voices.VoiceLibrary, target: Path, embed: bool
) -> dict[str, Any]:
    recorded = found.manifest
    replay.refuse(list(replay.own_differences(recorded)))
    engine = sources.engine(weights)
    cast = recalling.cast(recorded, recalling.Around(found.folders, library, found.names), engine)
    original = replay.original(recorded, found.sound)
    done = replay.replay(recorded, engine, cast, day=date.today(), original=original)
    for difference in done.differences:
        sources.note(str(difference))
    with outputs.staging() as staged:
        replay.stage(done, staged, target, embed=embed)
    return {**_facts(done), "output": str(target), "manifest": str(target.with_suffix(".json"))}


def _facts(done: Replay) -> dict[str, Any]:
    made, found = done.take.manifest, done.comparison
    return {
        "identical": done.identical,
        "way": done.way,
        "seed": made.request.seed,
        "voice": made.voice.name,
        "digest": made.output.digest,
        "differences": [asdict(difference) for difference in done.differences],
        "criteria": found.criteria if found else {"overlap": True, "prosody": True, "key_frames": True},
        "comparison": asdict(found) if found else None,
        "figures": str(found) if found else "",
    }


def _target(found: Found, output: Path | None, source: Path) -> Path:
    recorded = found.manifest.output
    ending = Path(recorded.file).suffix or f".{recorded.format}"
    if found.path.parent != source.parent or source.suffix.lower() == ".zip":
        return (output or OUTPUTS / source.stem) / f"{found.path.stem}{ending}"
    return output or OUTPUTS / f"{found.path.stem}-replay{ending}"


@contextmanager
def _found(source: Path, names: Names) -> Iterator[list[Found]]:
    """The manifests of a source; an archive is unpacked for as long as they are needed."""
    if source.suffix.lower() != ".zip":
        made, path = replay.found_manifest(source)
        sound = source if source != path else replay.found_sound(made, path)
        yield [Found(path, made, sound, names, tuple(dict.fromkeys((path.parent, Path()))), None)]
        return
    with tempfile.TemporaryDirectory(prefix="resay-") as folder:
        contents = archives.unpack(source, Path(folder))
        yield [_unpacked(take, names, contents.models) for take in contents.takes]


def _unpacked(take: archives.Unpacked, names: Names, models: Path | None) -> Found:
    packed = Names(
        names.voice or str(take.voice),
        names.consent,
        names.style or (str(take.style) if take.style else None),
        names.lexicons or take.lexicons,
    )
    return Found(take.manifest, manifest.read(take.manifest), take.sound, packed, (), models)


def verify_command(
    files: Files,
    text: Text = None,
    file: options.File = None,
    clip: ClaimedClip = None,
    as_json: options.Json = False,
) -> None:
    """Check that files are what their manifests say, and texts and clips what they should be. Exit code 4 where not."""
    claimed = None if text is None and file is None else sources.raw_text(text, file)
    reports = [_verified(path, claimed, clip) for path in files]
    bad = [report for report in reports if report["differences"]]
    if as_json:
        print(json.dumps({"verified": not bad, "files": reports}, ensure_ascii=False))
    for report in reports if not as_json else ():
        if not report["differences"]:
            print(message("verified", file=report["file"]))
    for remark in dict.fromkeys(_words(it) for report in reports for it in report["surroundings"]):
        sources.note(remark)
    if bad:
        told = [
            message("unverified", file=report["file"], problem="; ".join(map(_words, report["differences"])))
            for report in bad
        ]
        raise Unreproducible(message("not_verified", count=len(bad), total=len(reports), problem="; ".join(told)))


def _words(difference: dict[str, str]) -> str:
    return f"{difference['cause']}: {difference['detail']}"


def _verified(path: Path, text: str | None, clip: Path | None) -> dict[str, Any]:
    found: list[Difference] = []
    around: list[Difference] = []
    if path.is_dir() or path.name == MODEL:
        found += _damaged_weights(path if path.is_dir() else path.parent)
    elif path.suffix.lower() == voices.SUFFIX:
        try:
            voices.load(path)
        except BadFile as error:
            found.append(Difference("voice", str(error)))
    elif path.suffix.lower() == ".zip":
        with tempfile.TemporaryDirectory(prefix="resay-") as folder:
            for take in archives.unpack(path, Path(folder)).takes:
                made = manifest.read(take.manifest)
                found += replay.own_differences(made)
                found += replay.sound_differences(made, take.sound) if take.sound else ()
    else:
        made, place = replay.found_manifest(path)
        sound = path if place != path else replay.found_sound(made, path)
        found += replay.own_differences(made)
        if sound is None:
            found.append(Difference("sound", f"{made.output.file or 'the sound'} is not beside its manifest"))
        else:
            found += replay.sound_differences(made, sound)
        found += replay.text_differences(made, text) if text is not None else ()
        found += replay.clip_differences(made, clip) if clip is not None else ()
        around += _surroundings(made)
    report = {"differences": [asdict(it) for it in found], "surroundings": [asdict(it) for it in around]}
    return {"file": str(path), **report}


def _surroundings(made: Manifest) -> Iterator[Difference]:
    """What a replay would meet here that is not as recorded: told, and no fault of the file."""
    try:
        digests, _ = examine(SHIPPED)
        yield from _damaged_weights(SHIPPED)
    except BrokenModel as error:
        yield Difference("model", str(error))
        return
    yield from replay.surroundings(made, digests, manifest.runtime())


def _damaged_weights(folder: Path) -> Iterator[Difference]:
    """Which weights of a folder are not those that its `model.json` was written for."""
    for name in examine(folder)[1]:
        yield Difference("model", f"{file_of(name)} is damaged or missing: it is not what model.json was written for")


def compare_command(
    first: Annotated[Path, typer.Argument(metavar="A")],
    second: Annotated[Path, typer.Argument(metavar="B")],
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="OUT.svg", help="By default in outputs/.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 4 where a criterion is not met.")] = False,
    as_json: options.Json = False,
) -> None:
    """Say how much two sounds differ, and draw both."""
    sounds = [audio.read(first), audio.read(second)]
    picture = picture or OUTPUTS / f"{first.stem}-{second.stem}.svg"
    if picture.suffix.lower() != ".svg":
        raise BadOption(f"{picture}: the picture is SVG; end its name in .svg")
    found = compare.compare(*sounds)
    causes = _causes(first, second)
    audio.write_bytes(picture, compare.picture((first.name, sounds[0]), (second.name, sounds[1])).encode())
    report = {**asdict(found), "criteria": found.criteria, "reproduces": found.reproduces, "picture": str(picture)}
    if as_json:
        print(json.dumps({**report, "causes": [asdict(cause) for cause in causes]}, ensure_ascii=False))
    else:
        _print_comparison(report, causes)
    if strict and not found.reproduces:
        told = "; ".join(map(str, causes)) or str(found)
        raise Unreproducible(message("unlike", first=first, second=second, problem=told))


def _causes(first: Path, second: Path) -> list[Difference]:
    """Why they differ, where both have a manifest."""
    try:
        return list(replay.between(replay.found_manifest(first)[0], replay.found_manifest(second)[0]))
    except ResayError:
        return []


def _print_comparison(report: dict[str, Any], causes: Sequence[Difference]) -> None:
    for name, value in report.items():
        if isinstance(value, dict):
            value = ", ".join(f"{part.replace('_', ' ')} {'yes' if met else 'NO'}" for part, met in value.items())
        elif isinstance(value, tuple):
            value = ", ".join(f"{part:g}" for part in value)
        elif isinstance(value, float):
            value = f"{value:.4g}"
        print(f"{name:15}  {value}")
    for cause in causes:
        print(f"{'differs in':15}  {cause}")


def archive_command(
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="Manifests or sounds.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="X.zip")],
    voice: Voice = None,
    consent: options.Consent = None,
    style: options.Style = None,
    lexicon: options.Lexicons = None,
    with_models: Annotated[bool, typer.Option("--models/--no-models", help="Pack the weights as well.")] = True,
    voices: options.Voices = None,
    models: Annotated[Path | None, typer.Option("--models-folder", metavar="DIR", help="Other weights.")] = None,
    as_json: options.Json = False,
) -> None:
    """Pack sounds with everything that made them: voice, lexicon, weights. `resay replay X.zip` makes them again."""
    if output.suffix.lower() != ".zip":
        raise BadOption(f"{output}: an archive's name ends in .zip")
    names = Names(voice, consent, style, tuple(lexicon or ()))
    engine = sources.engine(sources.Weights(models))
    entries = []
    for path in manifests:
        with _found(path, names) as everything:
            entries += [_entry(found, sources.library(voices), engine) for found in everything]
    with outputs.staging() as staged:
        archives.pack(staged.place(output), entries, (models or SHIPPED) if with_models else None)
    size = output.stat().st_size / 1e6
    report = {"archive": str(output), "count": len(entries), "size": size}
    print(json.dumps(report) if as_json else message("archived", **report))


def _entry(found: Found, library: voices.VoiceLibrary, engine: Any) -> archives.Entry:
    recorded = found.manifest
    replay.refuse(list(replay.own_differences(recorded)))
    if found.sound is not None:
        replay.refuse(list(replay.sound_differences(recorded, found.sound)))
    around = recalling.Around(found.folders, library, found.names)
    cast = recalling.cast(recorded, around, engine)
    # An archive that could not be replayed is worth nothing: better told now than in three years.
    around_it = replay.surroundings(recorded, engine.digests, recorded.runtime)
    replay.refuse([*replay.cast_differences(recorded, cast), *around_it])
    lexicons = found.names.lexicons or tuple(recalling.found_lexicons(recorded, found.folders))
    if len(lexicons) < len(recorded.inputs.lexicons):
        missing = recorded.inputs.lexicons[len(lexicons)].name
        raise BadFile(message("lexicon_wanted", manifest=found.path, lexicon=missing))
    style = recalling.style_source(recorded, around)
    return archives.Entry(recorded, found.sound, cast.voice, style, lexicons)
