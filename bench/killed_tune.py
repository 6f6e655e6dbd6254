"""Kill `resay tune` at ten moments and see whether it comes to the file that an undisturbed run makes.

    python bench/killed_tune.py [--kills 10] [--epochs 12] [--models DIR] [--seed 1]

The recordings are a minute spoken by a shipped voice. Each time that the run has kept something more, it gets SIGKILL
within the next second, and the command is called again. Exits with 4 where the files differ or the kills are fewer.
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
    words += [
        "--models",
        str(options.models),
        "--epochs",
        str(options.epochs),
        "--consent",
        "own",
        "--force",
        "--replace",
    ]
    return words


def digest(voices: Path) -> str:
    return hashlib.sha256((voices / "eve.voice").read_bytes()).hexdigest()


def saved(voices: Path) -> int:
    """When something of a run was kept last, in nanoseconds; 0 for never."""
    try:
        return max((path.stat().st_mtime_ns for path in voices.rglob("*.safetensors")), default=0)
    except FileNotFoundError:  # the run ends just now and clears up
        return 0


def disturbed(recordings: Path, voices: Path, options: argparse.Namespace) -> int:
    """Run to the end, killed whenever it has kept something more; returns how often.

    Raises CalledProcessError where a run fails by itself.
    """
    random = np.random.default_rng(options.seed)
    for kills in range(options.kills + 1):
        before = saved(voices)
        process = subprocess.Popen(command(recordings, voices, options), stdout=subprocess.DEVNULL)
        while process.poll() is None and (kills == options.kills or saved(voices) == before):
            time.sleep(0.05)
        time.sleep(random.uniform(0.0, 1.0))
        if process.poll() is None:
            process.kill()
            process.wait()
            continue
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, "resay tune")
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
        subprocess.run(command(recordings, whole, options), check=True, stdout=subprocess.DEVNULL)
        kills = disturbed(recordings, killed, options)
        equal = digest(killed) == digest(whole)
        left = [path.name for path in killed.rglob("*") if path.is_file()]
    print(f"{kills} kills: the same file: {equal}; left behind: {' '.join(left)}")
    return 0 if equal and kills == options.kills and left == ["eve.voice"] else 4


if __name__ == "__main__":
    sys.exit(main())
