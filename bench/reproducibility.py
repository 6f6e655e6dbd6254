"""Measure everything that resay promises about sameness, and write docs/reproducibility.md.

    python bench/reproducibility.py [--write docs/reproducibility.md] [--only protocol repeats ...] [--quick]

Another onnxruntime is installed with pip into a folder that is thrown away; where that fails its row says so. Exits
with 4 where a promise is broken; the page is written all the same and shows which.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import corruptions
import killed_batch
import onnxruntime
import protocol
import repeats

import resay
from resay import audio, manifest, outputs, replay, takes
from resay.errors import Unreproducible
from resay.manifest import Manifest
from resay.synthesis import SHIPPED
from resay.takes import Cast
from resay.weights import examine

ROOT = Path(__file__).resolve().parent.parent
SENTENCES = {
    "zh": ("今天天气很好，我们一起去公园散步吧。", "行长说，银行明天九点开门；请大家不要着急！"),
    "en": ("Say it again, exactly: the same words, the same voice.", "Please open the report, then send it to me."),
}
SEEDS = (42, 1234)
VERSIONS = ("1.20.1",)
"""Other versions of onnxruntime, the oldest that is supported among them."""
VARIANT = "早上好，同学们。"


@dataclass(frozen=True)
class Report:
    """One replay: whether it reproduced, to the last bit or within the criteria, and by how much it differs."""

    reproduced: bool
    identical: bool
    comparison: dict[str, Any] | None


@dataclass(frozen=True)
class Section:
    """A part of the page: what was done, the table, and whether the promise was kept."""

    lead: str
    table: str
    kept: bool


def speak_all(folder: Path, quick: bool) -> None:
    """Every sentence in every shipped voice of its language with every seed, spoken with one thread."""
    engine = resay.Engine(threads=1)
    for voice in resay.VoiceLibrary():
        for place, text in enumerate(SENTENCES[voice.language][: 1 if quick else None]):
            for seed in SEEDS[: 1 if quick else None]:
                target = folder / f"{voice.name}-{place}-{seed}.wav"
                with outputs.staging() as staged:
                    takes.record(engine, resay.Request(text, seed), Cast(voice), staged, target, day=date.today())


def replay_all(folder: Path, threads: int) -> list[Report]:
    """Replays of all manifests in a folder, with the onnxruntime of this process."""
    engine, library = resay.Engine(threads=threads), resay.VoiceLibrary()
    return [_replayed(manifest.read(path), path, engine, library) for path in sorted(folder.glob("*.json"))]


def _replayed(recorded: Manifest, path: Path, engine: resay.Engine, library: resay.VoiceLibrary) -> Report:
    cast, original = Cast(library.get(recorded.voice.name)), audio.read(path.with_suffix(".wav"))
    try:
        done = replay.replay(recorded, engine, cast, day=date.today(), original=original)
    except Unreproducible:
        return Report(False, False, None)
    return Report(True, done.identical, done.comparison and asdict(done.comparison))


def elsewhere(version: str, folder: Path, packages: Path) -> list[Report] | None:
    """The same replays in a process with another onnxruntime; None where that cannot be installed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
    if subprocess.run([*command, f"onnxruntime=={version}"], capture_output=True).returncode:
        return None
    paths = [str(packages), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, __file__, "--replays", str(folder)]
    answer = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    if answer["onnxruntime"] != version:
        raise RuntimeError(f"onnxruntime {answer['onnxruntime']} answered for {version}")
    return [Report(**report) for report in answer["reports"]]


def row(name: str, reports: list[Report]) -> str:
    """One line of the table: the worst of all sounds."""
    measured = [report.comparison for report in reports if report.comparison]

    def worst(field: str) -> float:
        return max((abs(found[field]) for found in measured), default=0.0)

    overlap = min((found["overlap"] for found in measured), default=1.0)
    frames = max((abs(offset) for found in measured for offset in found["key_frames_ms"]), default=0.0)
    counts = [len(reports), sum(it.identical for it in reports), sum(it.reproduced for it in reports)]
    cells = [name, *counts, f"{overlap:.2%}", f"{worst('pitch_hz'):.3f}", f"{worst('final_pitch_hz'):.3f}"]
    cells += [f"{worst('pause_ms'):.0f}", f"{frames:.0f}", f"{worst('level_db'):.4f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def around(versions: Sequence[str], quick: bool) -> tuple[str, bool]:
    """The table of replays under other settings, and whether all of them reproduced."""
    head = "| replayed with | sounds | identical | within the criteria | least overlap | pitch, Hz | final pitch, Hz "
    lines = [head + "| pauses, ms | key frames, ms | level, dB |", "|-|-:|-:|-:|-:|-:|-:|-:|-:|-:|"]
    good = True
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        speak_all(folder / "original", quick)
        for name, reports in _settings(versions, folder):
            lines.append(row(name, reports) if reports is not None else f"| {name}: cannot be installed here |")
            good = good and all(report.reproduced for report in reports or ())
    return "\n".join(lines), good


def _settings(versions: Sequence[str], folder: Path) -> Iterator[tuple[str, list[Report] | None]]:
    for threads in (1, 2, 4):
        yield f"{threads} thread{'s' if threads > 1 else ''}", replay_all(folder / "original", threads)
    for version in versions:
        yield f"onnxruntime {version}", elsewhere(version, folder / "original", folder / version)


def timed(work: Callable[[], object], times: int) -> str:
    """Seconds that something takes: least, median, most."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return " | ".join(f"{figure:.3f}" for figure in (min(taken), median(taken), max(taken)))


def costs(quick: bool) -> str:
    """What the user waits for: a new variant of a short sentence, and the check of the weights."""
    times = 2 if quick else 5
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "resay", "audition", VARIANT, "--voice", mandarin_voice(), "-o", place]

        def variant() -> None:
            subprocess.run([*command, "--seeds", "100"], check=True, capture_output=True)

        rows = [("a new variant of a short sentence, page and all (`resay audition`)", timed(variant, times))]
        rows.append(("loading the weights, their digests checked", timed(resay.Engine, times)))
        rows.append(("of that, the digests", timed(lambda: examine(SHIPPED), times)))
    lines = ["| what | least, s | median, s | most, s |", "|-|-:|-:|-:|"]
    return "\n".join([*lines, *(f"| {name} | {figures} |" for name, figures in rows)])


def mandarin_voice() -> str:
    return next(it.name for it in resay.VoiceLibrary() if it.language == "zh")


def section_protocol(quick: bool) -> Section:
    runs = 2 if quick else 5
    groups = protocol.measure(protocol.TEXT, mandarin_voice(), runs)
    lead = f"""{runs} runs each, every run a process of its own: A without a fixed seed, B with 42, C with 1234.
B and C must each be one file, and must differ. `python bench/protocol.py`"""
    return Section(lead, protocol.table(groups), protocol.passes(groups))


def section_repeats(quick: bool) -> Section:
    table = repeats.table(repeats.measure(100 if quick else 1000))
    return Section("`python bench/repeats.py`", table, True)  # another sound would have raised Unreproducible


def section_elsewhere(quick: bool) -> Section:
    lead = """Every sound was spoken with one thread and replayed from its manifest. Where the bits are not the
recorded ones, the recorded plan is spoken and the result held against the original: waveforms overlap over 95 %,
nothing is heard (pauses under 100 ms, pitch under 2 Hz), start, end and stressed syllables within 5 ms. The columns
give the worst of all. What was not measured: other processor families, accelerators, other operating systems.
`resay replay` measures there."""
    return Section(lead, *around(VERSIONS, quick))


def section_damage(quick: bool) -> Section:
    lead = "Bits flipped, stretches overwritten, ends cut off. `python bench/corruptions.py`"
    return Section(lead, corruptions.table(corruptions.measure(100 if quick else 1000)), True)


def section_killed(quick: bool) -> Section:
    killed = killed_batch.measure(8 if quick else 200, 1 if quick else 10)
    lead = """Killed with SIGKILL at random moments and resumed with two workers, then held against an undisturbed
batch of one worker, file by file. `python bench/killed_batch.py`"""
    return Section(lead, killed_batch.table_of(killed), killed.passed)


def section_costs(quick: bool) -> Section:
    lead = f"Every run of the command is a process of its own. Load average before: {os.getloadavg()[0]:.1f}."
    return Section(lead, costs(quick), True)


SECTIONS: dict[str, tuple[str, Callable[[bool], Section]]] = {
    "protocol": ("The protocol", section_protocol),
    "repeats": ("One sound, however it is made", section_repeats),
    "elsewhere": ("Elsewhere", section_elsewhere),
    "damage": ("Damage", section_damage),
    "killed": ("A batch that is killed", section_killed),
    "costs": ("What it costs", section_costs),
}
INTRODUCTION = """# Reproducibility, measured

Written by `make reproducibility` (`python bench/reproducibility.py`), each section with `--only` by itself as well;
none of the figures is typed by hand."""


def measured(name: str, quick: bool) -> tuple[str, bool]:
    """One section of the page, measured now, and whether its promise was kept."""
    started = time.perf_counter()
    heading, measure = SECTIONS[name]
    section = measure(quick)
    facts = ", ".join(f"{field} {value}" for field, value in sorted(manifest.runtime().items()))
    about = f"{date.today()}, {time.perf_counter() - started:.0f} s, {facts}"
    return f"## {heading}\n\n{section.lead}\n\n{section.table}\n\n<small>{about}</small>", section.kept


def sections_of(path: Path) -> dict[str, str]:
    """Sections of a page that was written before, by heading."""
    parts = path.read_text(encoding="utf-8").split("\n## ")[1:] if path.is_file() else []
    return {part.partition("\n")[0]: f"## {part.strip()}" for part in parts}


def main() -> int:
    """Measure and write; a section at a time, so that a broken promise does not hide the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, default=ROOT / "docs" / "reproducibility.md")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS), help="leave other sections be")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--replays", type=Path, help=argparse.SUPPRESS)  # what `elsewhere` calls
    chosen = parser.parse_args()
    if chosen.replays is not None:
        reports = [asdict(report) for report in replay_all(chosen.replays, 1)]
        print(json.dumps({"onnxruntime": onnxruntime.__version__, "reports": reports}))
        return 0
    good, done = True, sections_of(chosen.write)
    for name in chosen.only:
        done[SECTIONS[name][0]], kept = measured(name, chosen.quick)
        good = good and kept
        ordered = [done[heading] for heading, _ in SECTIONS.values() if heading in done]
        audio.write_bytes(chosen.write, ("\n\n".join([INTRODUCTION, *ordered]) + "\n").encode())
    return 0 if good else Unreproducible.exit_code


if __name__ == "__main__":
    sys.exit(main())
