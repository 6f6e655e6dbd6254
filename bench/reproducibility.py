"""Measure everything that resay promises about sameness, and write docs/reproducibility.md.

    python bench/reproducibility.py [--write docs/reproducibility.md] [--onnxruntime 1.20.1 ...] [--quick]

Each named onnxruntime is installed with pip into a folder that is thrown away; without a network its row is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import corruptions
import killed_batch
import protocol
import repeats

import resay
from resay import manifest

ROOT = Path(__file__).resolve().parent.parent
SENTENCES = {
    "zh": ("今天天气很好，我们一起去公园散步吧。", "行长说，银行明天九点开门；请大家不要着急！"),
    "en": ("Say it again, exactly: the same words, the same voice.", "Please open the report, then send it to me."),
}
SEEDS = (42, 1234)


@dataclass(frozen=True)
class Setting:
    """Another way of running the same replay."""

    name: str
    options: tuple[str, ...] = ()
    packages: Path | None = None
    """Folder with another onnxruntime."""


def spoken(folder: Path, quick: bool) -> list[Path]:
    """Manifests of every sentence in every shipped voice of its language with every seed, made with one thread."""
    made = []
    for voice in resay.VoiceLibrary():
        for place, text in enumerate(SENTENCES[voice.language][: 1 if quick else None]):
            for seed in SEEDS[: 1 if quick else None]:
                target = folder / f"{voice.name}-{place}-{seed}.wav"
                command = [sys.executable, "-m", "resay", "speak", text, "--voice", voice.name, "--seed", str(seed)]
                subprocess.run([*command, "--threads", "1", "-o", str(target)], check=True, capture_output=True)
                made.append(target.with_suffix(".json"))
    return made


def replayed(path: Path, setting: Setting, folder: Path) -> dict[str, object] | None:
    """The report of one replay, None where it did not reproduce."""
    environment = dict(os.environ)
    if setting.packages is not None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(setting.packages), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "resay", "replay", str(path), "-o", str(folder / path.with_suffix(".wav").name)]
    done = subprocess.run([*command, "--json", *setting.options], env=environment, capture_output=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


def row(setting: Setting, manifests: list[Path], folder: Path) -> str:
    """One line of the table."""
    reports = [replayed(path, setting, folder) for path in manifests]
    good = [report for report in reports if report is not None]
    measured = [report["comparison"] for report in good if report["comparison"]]

    def worst(name: str) -> float:
        return max((abs(found[name]) for found in measured), default=0.0)

    overlap = min((found["overlap"] for found in measured), default=1.0)
    frames = max((abs(offset) for found in measured for offset in found["key_frames_ms"]), default=0.0)
    identical = sum(bool(report["identical"]) for report in good)
    cells = [setting.name, len(reports), identical, len(good), f"{overlap:.2%}", f"{worst('pitch_hz'):.3f}"]
    cells += [f"{worst('final_pitch_hz'):.3f}", f"{worst('pause_ms'):.0f}", f"{frames:.0f}", f"{worst('level_db'):.4f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def settings(versions: list[str], folder: Path) -> Iterator[Setting]:
    """What can be varied on this machine."""
    for threads in (1, 2, 4):
        yield Setting(f"{threads} thread{'s' if threads > 1 else ''}", ("--threads", str(threads)))
    for version in versions:
        packages = folder / version
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
        done = subprocess.run([*command, f"onnxruntime=={version}"], capture_output=True)
        if done.returncode:
            print(f"onnxruntime {version} cannot be installed here", file=sys.stderr)
        else:
            yield Setting(f"onnxruntime {version}", ("--threads", "1"), packages)


def around(versions: list[str], quick: bool) -> str:
    """The table of replays under other settings."""
    head = "| replayed with | sounds | identical | within the criteria | least overlap | pitch, Hz | final pitch, Hz "
    lines = [head + "| pauses, ms | key frames, ms | level, dB |", "|-|-:|-:|-:|-:|-:|-:|-:|-:|-:|"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        manifests = spoken(folder / "original", quick)
        for setting in settings(versions, folder):
            lines.append(row(setting, manifests, folder / "replayed"))
    return "\n".join(lines)


def page(versions: list[str], quick: bool) -> str:
    """The whole page, measured now."""
    here = manifest.runtime()
    voice = next(it.name for it in resay.VoiceLibrary() if it.language == "zh")
    killed = killed_batch.measure(8 if quick else 200, 1 if quick else 10)
    return PAGE.format(
        day=date.today(),
        runs=2 if quick else 5,
        machine=", ".join(f"{name} {value}" for name, value in sorted(here.items())),
        protocol=protocol.table(protocol.measure(protocol.TEXT, voice, 2 if quick else 5)),
        repeats=repeats.table(repeats.measure(100 if quick else 1000)),
        around=around(versions, quick),
        corruptions=corruptions.table(corruptions.measure(100 if quick else 1000)),
        items=killed.items,
        kills=killed.kills,
        equal="all files equal" if killed.equal else "FILES DIFFER",
        twice=killed.spoken_twice,
    )


PAGE = """# Reproducibility, measured

Written by `python bench/reproducibility.py` on {day}; none of the figures is typed by hand.
Measured with {machine}.

## The protocol

{runs} runs each, every run a process of its own: A without a fixed seed, B with 42, C with 1234. B and C must each be
one file, and must differ. `python bench/protocol.py`

{protocol}

## One sound, however it is made

`python bench/repeats.py`

{repeats}

## Elsewhere

Every sound was spoken with one thread and replayed from its manifest. Where the bits are not the recorded ones, the
recorded plan is spoken and the result held against the original: waveforms overlap over 95 %, nothing is heard (pauses
under 100 ms, pitch under 2 Hz), start, end and stressed syllables within 5 ms. The columns give the worst of all.

{around}

What was not measured: other processor families, accelerators, other operating systems. `resay replay` measures there.

## Damage

Bits flipped, stretches overwritten, ends cut off. `python bench/corruptions.py`

{corruptions}

## A batch that is killed

{items} items, killed with SIGKILL {kills} times at random moments and resumed, two workers: {equal} to an undisturbed
batch of one worker; {twice} finished items were spoken again. `python bench/killed_batch.py`
"""


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, default=ROOT / "docs" / "reproducibility.md")
    parser.add_argument("--onnxruntime", nargs="*", default=["1.20.1"])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    chosen = parser.parse_args()
    chosen.write.write_text(page(chosen.onnxruntime, chosen.quick), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
