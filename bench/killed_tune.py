"""Kill `resay tune` at ten moments and see whether it comes to the file that an undisturbed run makes.

    python bench/killed_tune.py [--kills 10] [--epochs 12] [--models DIR] [--seed 1]

The recordings are a minute spoken by a shipped voice. Moments are drawn so that the kills lie all over the training;
the process gets SIGKILL, and the command is called again. Exits with 4 where the files differ.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from resay import audio
from resay.evaluate import sentences
from resay.synthesis import SHIPPED, Engine, Request
from resay.voices import VoiceLibrary

MINUTE = 60.0


def record(folder: Path, models: Path) -> None:
    """A minute of speech with its texts."""
    engine, voice = Engine(models), next(voice for voice in VoiceLibrary() if voice.language == "en")
    seconds = 0.0
    for number, words in enumerate(sentences.unseen("en")):
        sound = engine.say(Request(words, language="en"), voice).audio
        path = folder / f"{number:02d}.wav"
        audio.write(path, sound)
        path.with_suffix(".txt").write_text(words, encoding="utf-8")
        seconds += sound.seconds
        if seconds > MINUTE:
            return


def command(recordings: Path, voices: Path, options: argparse.Namespace) -> list[str]:
    words = [sys.executable, "-m", "resay", "tune", "eve", str(recordings), "--voices", str(voices)]
    words += ["--models", str(options.models), "--epochs", str(options.epochs), "--consent", "own", "--force"]
    return words


def digest(voices: Path) -> str:
    return hashlib.sha256((voices / "eve.voice").read_bytes()).hexdigest()


def undisturbed(recordings: Path, voices: Path, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds until something of the run was kept, and from then to its end. Raises CalledProcessError if it fails."""
    begun = time.monotonic()
    process = subprocess.Popen(command(recordings, voices, options), stdout=subprocess.DEVNULL)
    while process.poll() is None and not list(voices.rglob("*.safetensors")):
        time.sleep(0.1)
    started = time.monotonic() - begun
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, "resay tune")
    return started, time.monotonic() - begun - started


def disturbed(recordings: Path, voices: Path, options: argparse.Namespace, start: float, rest: float) -> int:
    """Run to the end through kills; returns how many. Raises CalledProcessError where a run fails by itself."""
    random = np.random.default_rng(options.seed)
    for kills in range(options.kills + 1):
        patience = start + random.uniform(0.0, 2.0) * rest / options.kills if kills < options.kills else None
        process = subprocess.Popen(command(recordings, voices, options), stdout=subprocess.DEVNULL)
        try:
            if process.wait(patience):
                raise subprocess.CalledProcessError(process.returncode, "resay tune")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            continue
        return kills
    raise AssertionError("the last run has all the time it wants")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--models", type=Path, default=SHIPPED)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        recordings, whole, killed = (Path(name) / part for part in ("recordings", "whole", "killed"))
        recordings.mkdir()
        record(recordings, options.models)
        start, rest = undisturbed(recordings, whole, options)
        kills = disturbed(recordings, killed, options, start, rest)
        equal = digest(killed) == digest(whole)
        left = [path.name for path in killed.rglob("*") if path.is_file()]
    print(f"{kills} kills in a run of {start + rest:.0f} s: the same file: {equal}; left behind: {' '.join(left)}")
    return 0 if equal and left == ["eve.voice"] else 4


if __name__ == "__main__":
    sys.exit(main())
