"""`resay voice check`: the quality gate over one recording or a folder of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import audio
from ..errors import BadAudio, BadFile, BadOption
from . import options, sources
from .messages import message

if TYPE_CHECKING:
    from ..gate import Verdict
    from ..gate.coverage import Coverage
    from ..quality import Finding

Source = Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="Somebody speaking; of a folder every sound.")]
Text = Annotated[
    str | None,
    typer.Option("--text", metavar="TEXT|FILE", help="What is said; for a folder a table: name, tab or |, text."),
]
Page = Annotated[Path | None, typer.Option("--html", metavar="OUT", help="Write a page with pictures and sounds.")]


@dataclass(frozen=True)
class Recordings:
    """Sound files with what is said in each, where that is known."""

    files: tuple[Path, ...]
    texts: tuple[str | None, ...]


def check_recordings(
    source: Source,
    said: Text = None,
    language: options.InLanguage = "auto",
    html: Page = None,
    models: options.Models = None,
    threads: options.Threads = 2,
    as_json: options.Json = False,
) -> None:
    """Say whether recordings are good enough to take a voice from, what would spoil it, where, and what to do.

    Exit code 2 where one is not. Texts lie beside the sounds as NAME.txt, or are given with --text.
    """
    from ..gate import Gate, gate, page

    found = recordings(source, said)
    if len(found.files) == 1 and not source.is_dir():
        audio.read(found.files[0])  # a file that is no sound is refused like everywhere, before any network loads
    engine = sources.engine(sources.Weights(models, threads))
    with progress(len(found.files)) as advance:
        verdicts, findings, covered = gate(
            found.files, found.texts, Gate(engine.reference, engine.aligner), language, watch=lambda _: advance()
        )
    if html is not None:
        audio.write_bytes(html, page.page(str(source), verdicts, findings, covered).encode())
    report = page.to_json(verdicts, findings, covered)
    if as_json:
        alone = report["clips"][0] if len(verdicts) == 1 and not source.is_dir() else {}
        print(json.dumps({**alone, **report}, ensure_ascii=False))
    else:
        _print(verdicts, findings, covered)
    for it in findings:
        if it.severity == "refusal":
            raise BadAudio(message("clip_refused", clip=it.clip or source, problem=it.message))


def recordings(source: Path, said: str | None) -> Recordings:
    """The sounds of a file or folder with their texts. Raises BadFile, BadOption, BadAudio."""
    if not source.exists():
        raise BadAudio(message("no_such_clip", clip=source))
    if not source.is_dir():
        return Recordings((source,), (_text_of(source, said),))
    files = tuple(sorted(path for path in source.rglob("*") if path.suffix.lower() in sources.SOUND_ENDINGS))
    if not files:
        raise BadFile(message("no_sounds", folder=source))
    if said is None:
        return Recordings(files, tuple(_beside(path) for path in files))
    table = _table(Path(said))
    unknown = sorted(set(table) - {path.stem for path in files})
    if unknown:
        raise BadOption(message("no_such_sounds", file=said, names=", ".join(unknown[:3])))
    return Recordings(files, tuple(table.get(path.stem) for path in files))


def _text_of(sound: Path, said: str | None) -> str | None:
    if said is None:
        return _beside(sound)
    path = Path(said)
    return sources.text_file(path) if path.suffix.lower() == ".txt" and path.is_file() else said


def _beside(sound: Path) -> str | None:
    words = sound.with_suffix(".txt")
    return sources.text_file(words) if words.is_file() else None


def _table(path: Path) -> dict[str, str]:
    """Texts by the stem of their sound: first column and last column of each line."""
    table = {}
    for number, line in enumerate(sources.text_file(path).splitlines(), start=1):
        if not line.strip():
            continue
        columns = line.split("\t" if "\t" in line else "|")
        if len(columns) < 2:
            raise BadFile(message("no_table", file=path, line=number))
        table[Path(columns[0].strip()).stem] = columns[-1].strip()
    return table


@contextmanager
def progress(total: int) -> Iterator[Any]:
    """A progress bar on standard error where somebody watches it and there is something to wait for."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=total < 2) as bar:
        task = bar.add_task(message("checking"), total=total)
        yield lambda: bar.advance(task)


def _print(verdicts: Sequence[Verdict], findings: Sequence[Finding], covered: Coverage | None) -> None:
    for verdict in verdicts:
        report = verdict.report
        if report.accepted:
            print(message("clip_accepted", clip=verdict.name))
        figures = (
            ("seconds", report.seconds),
            ("speech", report.speech_seconds),
            ("level_db", report.level_db),
            ("noise_floor_db", report.noise_floor_db),
            ("bandwidth_hz", report.bandwidth_hz),
            ("pitch_hz", report.pitch_hz),
            ("syllables_a_second", report.rate),
        )
        print("  " + "  ".join(f"{name} {value:g}" for name, value in figures))
    for it in findings:
        when = "" if it.start is None or it.end is None else f" [{it.start:.2f}–{it.end:.2f} s]"
        clip = f"{it.clip}: " if len(verdicts) > 1 and it.clip else ""
        print(f"{it.severity}: {clip}{it.message}{when}")
    if covered:
        print(message("covered", sentences=covered.sentences, questions=covered.questions))
