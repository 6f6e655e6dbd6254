"""`resay align`: when each word of a text sounds in a recording, and where the two disagree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from .. import audio, manifest, outputs, pictures, text
from ..errors import BadFile, BadOption, BadText, ResayError
from ..pictures import Mark, Tier
from . import checking, options, sources
from .messages import message

if TYPE_CHECKING:
    from ..aligner import Aligner
    from ..alignment import Alignment

ENDINGS = {".textgrid": "textgrid", ".json": "json", ".srt": "srt", ".vtt": "vtt"}
PICTURES = (".png", ".svg")

Clip = Annotated[Path, typer.Argument(metavar="CLIP|FOLDER", help="Somebody speaking; of a folder every sound.")]
Text = Annotated[
    str | None,
    typer.Argument(metavar="TEXT|FILE.txt", help="What is said; - reads standard input."),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="OUT.TextGrid|json|srt|vtt|DIR", help="CLIP.TextGrid."),
]
FileFormat = Annotated[Literal["textgrid", "json", "srt", "vtt"] | None, typer.Option("--format")]
Picture = Annotated[
    Path | None, typer.Option("--picture", metavar="OUT.png|svg|DIR", help="The spectrogram with the boundaries.")
]
Sureness = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="Tell a disagreement that is surer than this; 0.1 finds most and errs often."),
]


@dataclass(frozen=True)
class Job:
    """One recording with its text, and where everything goes."""

    sound: Path
    text: str
    target: Path
    file_format: str
    picture: Path | None


def align_command(
    clip: Clip,
    said: Text = None,
    output: Output = None,
    file_format: FileFormat = None,
    picture: Picture = None,
    language: options.InLanguage = "auto",
    lexicon: options.Lexicons = None,
    sureness: Sureness = 0.5,
    models: options.Models = None,
    threads: options.Threads = 2,
    as_json: options.Json = False,
) -> None:
    """Find when each word of TEXT sounds in CLIP, how sure that is, and where text and sound disagree.

    A folder's texts lie beside its sounds as NAME.txt.
    """
    jobs = _jobs(clip, said, output, file_format, picture)
    for job in jobs:
        _spare_manifest(job.target)
    readings, _ = sources.lexicon(lexicon)
    read = [(job, _sentence(job, language, readings)) for job in jobs]
    engine = sources.engine(sources.Weights(models, threads))
    reports, failures = [], []
    with checking.progress(len(jobs)) as advance, outputs.staging() as staged:
        for job, sentence in read:
            try:
                reports.append(_aligned(job, sentence, engine.aligner, staged, sureness))
            except ResayError as error:
                if len(jobs) == 1:
                    raise
                failures.append(f"{job.sound}: {error}")
            advance()
    if as_json:
        print(json.dumps(reports[0] if not clip.is_dir() else {"alignments": reports}, ensure_ascii=False))
    else:
        for report in reports:
            _print(report)
    if failures:
        raise BadText(f"{failures[0]} ({len(failures)} of {len(jobs)} failed)")


def _jobs(
    clip: Path, said: str | None, output: Path | None, file_format: str | None, picture: Path | None
) -> list[Job]:
    if clip.is_dir():
        if said is not None:
            raise BadOption(message("not_with", option="TEXT", other=f"a folder ({clip})"))
        found = checking.recordings(clip, None)
        pairs = [(file, words) for file, words in zip(found.files, found.texts, strict=True) if words is not None]
        if not pairs:
            raise BadFile(message("no_texts", folder=clip))
        wanted = file_format or "textgrid"
        folder = output or clip
        jobs = []
        for file, words in pairs:
            place = folder / file.relative_to(clip)
            drawn = picture / file.relative_to(clip).with_suffix(".png") if picture else None
            jobs.append(Job(file, words, place.with_suffix(_ending(wanted)), wanted, drawn))
        return jobs
    spoken = sources.raw_text(said, None) if said == "-" else checking.recordings(clip, said).texts[0]
    if spoken is None:
        raise BadText(message("no_text_beside", clip=clip, file=clip.with_suffix(".txt").name))
    chosen = file_format or (ENDINGS.get(output.suffix.lower(), "") if output else "textgrid")
    if not chosen:
        raise BadOption(message("align_ending", output=output, endings=", ".join(sorted(ENDINGS))))
    if picture and picture.suffix.lower() not in PICTURES:
        raise BadOption(message("align_ending", output=picture, endings=", ".join(PICTURES)))
    return [Job(clip, spoken, output or clip.with_suffix(_ending(chosen)), chosen, picture)]


def _spare_manifest(target: Path) -> None:
    """What made a sound lies beside it as NAME.json: an alignment of that name would make the sound nobody's."""
    try:
        manifest.read(target)
    except BadFile:
        return
    raise BadOption(message("is_manifest", file=target))


def _ending(file_format: str) -> str:
    return ".TextGrid" if file_format == "textgrid" else f".{file_format}"


def _sentence(job: Job, language: str, readings: text.Lexicon | None) -> text.Sentence:
    try:
        return text.sentence(job.text, language, readings)
    except BadText as error:
        raise BadText(f"{job.sound}: {error}") from error


def _aligned(
    job: Job, sentence: text.Sentence, aligner: Aligner, staged: outputs.Staging, sureness: float
) -> dict[str, object]:
    from .. import alignment

    mel = audio.log_mel(audio.read(job.sound).resampled(audio.FORMAT.sample_rate).samples)
    found = alignment.align(mel, sentence, aligner, sureness)
    staged.add(job.target, alignment.write(found, job.file_format).encode())
    if job.picture is not None:
        boundaries = [time for word in found.words for time in (word.start, word.end)]
        drawn = job.picture.suffix.lower() == ".png"
        content = pictures.png(pictures.bounded(mel, boundaries)) if drawn else _drawing(mel, found).encode()
        staged.add(job.picture, content)
    return {"clip": str(job.sound), "output": str(job.target), **alignment.to_json(found)}


def _drawing(mel: np.ndarray, found: Alignment) -> str:
    marks = [Mark(word.text, word.start, word.end) for word in found.words]
    sounds = [Mark(sound.text, sound.start, sound.end) for sound in found.phonemes]
    wrong = [Mark(f"{it.kind} {it.text}".strip(), it.start, it.end) for it in found.disagreements]
    tiers = [Tier("words", marks), Tier("phonemes", sounds, "#666"), Tier("disagreements", wrong, "#c2410c")]
    return pictures.aligned(mel, tiers)


def _print(report: dict[str, object]) -> None:
    words, wrong = report["words"], report["disagreements"]
    assert isinstance(words, list)
    assert isinstance(wrong, list)
    sure = sum(word["confidence"] for word in words) / max(1, len(words))
    print(message("aligned", output=report["output"], words=len(words), sure=sure))
    for it in wrong:
        print(message("disagreement", **{name: it[name] for name in ("kind", "text", "start", "end")}))
