"""`resay tune`: a voice from a minute of recordings and more, kept as a small adapter in its `.voice` file."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from .. import audio, consent, voices
from ..adapter import Adapter
from ..consent import Consent, Use
from ..errors import BadAudio, BadOption, ConsentMissing
from ..evaluate.judges import Judges
from ..gate import Gate, gate
from ..synthesis import SHIPPED, Engine
from ..train import fine_tuning, own_recordings
from ..train.fine_tuning import PARTS, PROFILES, Options
from ..train.own_recordings import Own, Source
from ..voices import Voice, VoiceLibrary, checked_name
from . import report
from .report import Outcome

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def tune(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the voice.")],
    recordings: Annotated[
        Path, typer.Argument(metavar="RECORDINGS", help="Folder of sound files with .txt beside them, or one file.")
    ],
    agreed: Annotated[
        str | None, typer.Option("--consent", metavar="own|FILE", help="The speaker's agreement.")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="What is said in a single file.")] = None,
    profile: Annotated[Literal["quick", "quality"], typer.Option(help="Minutes, or about half an hour.")] = "quick",
    epochs: Annotated[int | None, typer.Option(min=1, max=10_000, help="Times that all is heard.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-6, max=1.0)] = None,
    dropout: Annotated[float | None, typer.Option(min=0.0, max=0.9, help="Of the adapter.")] = None,
    duration_weight: Annotated[float | None, typer.Option(min=0.5, max=10.0, help="Of durations in prosody.")] = None,
    layers: Annotated[str | None, typer.Option(metavar="LIST", help="Of encoder,decoder,prosody; all.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Of the order of the recordings and of dropout.")] = 42,
    overwrite: Annotated[bool, typer.Option("--replace", help="Overwrite a voice of this name.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Tune on recordings that the quality gate refuses; the voice records it.")
    ] = False,
    judges: Annotated[Path | None, typer.Option(metavar="DIR", help="Judge before and after with these.")] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Page to hear before and after; holds kept-back sentences.")
    ] = None,
    own_voices: Annotated[Path | None, typer.Option("--voices", metavar="DIR", help="Your voices.")] = None,
    models: Annotated[Path | None, typer.Option("--models", "--model", metavar="DIR", help="Weights.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
) -> None:
    """Tune the voice NAME to RECORDINGS: a minute or more of one speaker. A killed run goes on when called again."""
    name = checked_name(name)
    library = VoiceLibrary() if own_voices is None else VoiceLibrary([voices.SHIPPED, own_voices])
    library.refuse_taken(name, overwrite)
    permission = _permission(agreed, recordings)
    given = {"epochs": epochs, "learning_rate": learning_rate, "dropout": dropout, "duration_weight": duration_weight}
    options = _options(profile, seed, layers, **given)
    heard = Judges.open(judges)
    engine = Engine(models)
    found = own_recordings.sources(recordings, text)
    forced = _spoilt(found, engine, force)
    with _progress() as told:
        own = own_recordings.read(found, engine)
        agreed_here = consent.taken(permission, own.digest, date.today())
        plain = Voice(name, own.language, own.profile, agreed_here, source=own.digest, quality=own.quality)
        state = library.folders[-1] / ".tuning" / _key(name, own, options, engine)
        arrays = fine_tuning.adapt(own, models or SHIPPED, engine, options, state, told)
        tuned = replace(plain, profile=replace(own.profile, adapter=Adapter(engine.identity, arrays)))
        outcome = report.compare(engine, plain, tuned, own, fine_tuning.kept_back(own)[1], heard)
    facts = {"profile": profile, "seconds": round(own.seconds, 2), "forced": forced}
    tuned = replace(tuned, tuning=_recipe(options, arrays) | facts)
    path = library.add(tuned, overwrite)
    shutil.rmtree(state, ignore_errors=True)
    if page:
        audio.write_bytes(page, report.page(outcome).encode())
    _print(tuned, path, outcome, as_json)


def _recipe(options: Options, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The options as the voice records them; of rank 0 where the weights take no ranks."""
    ranks = arrays.get(fine_tuning.RANKS)
    rank = 0 if ranks is None else ranks.shape[1]
    return asdict(options) | {"layers": list(options.layers), "rank": rank}


def _permission(choice: str | None, recordings: Path) -> Consent:
    if choice is None:
        raise ConsentMissing(
            f"tuning to {recordings} needs consent: --consent own if the voice is yours or you have permission, "
            "else --consent FILE"
        )
    found = consent.own() if choice == "own" else consent.from_file(choice)
    found.require(Use.TUNE, date.today())
    return found


def _spoilt(found: Sequence[Source], engine: Engine, force: bool) -> list[str]:
    """Codes of what the quality gate refuses in the recordings, sorted: of what would spoil the timbre.

    Raises BadAudio, naming the first, where there is any and it is not forced.
    """
    checks = Gate(engine.reference, engine.aligner)
    _, findings, _ = gate([source.sound for source in found], [source.words for source in found], checks)
    refused = [it for it in findings if it.severity == "refusal"]
    if refused and not force:
        clips = len({it.clip for it in refused})
        raise BadAudio(
            f"{refused[0].clip}: {refused[0].message} ({clips} of {len(found)} recordings are refused; "
            "`resay voice check` shows all, --force tunes nevertheless)"
        )
    return sorted({it.code for it in refused})


def _options(profile: str, seed: int, layers: str | None, **given: float | None) -> Options:
    chosen = tuple(layers.split(",")) if layers is not None else PARTS
    if not chosen or not set(chosen) <= set(PARTS):
        raise BadOption(f"--layers {layers}: choose from {', '.join(PARTS)}, joined by commas")
    own: dict[str, Any] = {option: value for option, value in given.items() if value is not None}
    return replace(PROFILES[profile], seed=seed, layers=tuple(part for part in PARTS if part in chosen), **own)


def _key(name: str, own: Own, options: Options, engine: Engine) -> str:
    """Names the folder of a run: another recording, option or weights is another run."""
    content = json.dumps([own.digest, asdict(options), engine.identity])
    return f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


@contextmanager
def _progress() -> Iterator[fine_tuning.Told]:
    """A bar for each model on standard error, silent where that is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def told(stage: str, step: int, steps: int, loss: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=steps)
            bars.update(tasks[stage], completed=step, description=f"{stage}  loss {loss:.3f}")

        yield told


def _print(voice: Voice, path: Path, outcome: Outcome, as_json: bool) -> None:
    if as_json:
        facts = {"voice": voice.name, "digest": voice.digest, "path": str(path), "tuning": dict(voice.tuning)}
        print(json.dumps(facts | {"figures": outcome.figures}, ensure_ascii=False))
        return
    print(f"{voice.name}: tuned to {voice.tuning['seconds']:.0f} s of recordings, kept in {path}")
    print(report.table(outcome))
