"""Damage manifests, sounds, voices, weights and archives at random, and see that each damage is found or harmless.

    python bench/corruptions.py [--damages 1000]

Prints a table; exits with 4 where damage went unnoticed or made something crash.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import resay
from resay import archive, manifest, outputs, replay, takes, voices
from resay.errors import BrokenModel, ResayError, Unreproducible
from resay.manifest import Manifest
from resay.synthesis import SHIPPED, Engine
from resay.takes import Cast

TEXT = "早上好。Good morning."
SHARES = {"manifest": 0.3, "sound": 0.25, "sound with its manifest inside": 0.15, "voice": 0.2, "archive": 0.06}
"""Of the damages; weights get the rest."""


@dataclass(frozen=True)
class Row:
    """What became of the damages of one kind of file."""

    kind: str
    damages: int
    refused: int
    """Told in one line when the file was read."""
    named: int
    """Read, and named as changed by verify or replay."""
    harmless: int
    """Read, and still saying the same."""


class Unnoticed(Exception):
    """Damage that changed something and was not told."""


def damaged(content: bytes, rng: random.Random) -> bytes:
    """One bit flipped, a stretch overwritten, or the end cut off."""
    kind = rng.choice(("flip", "flip", "overwrite", "cut"))
    if kind == "cut":
        return content[: rng.randrange(len(content))]
    broken, at = bytearray(content), rng.randrange(len(content))
    if kind == "flip":
        broken[at] ^= 1 << rng.randrange(8)
    else:
        broken[at : at + rng.randrange(1, 64)] = rng.randbytes(min(8, len(content) - at))
    return bytes(broken)


class World:
    """One true sound with everything that belongs to it, and the ways to look at damaged copies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = Engine(threads=1)
        self.voice = next(iter(resay.VoiceLibrary()))
        self.voice.save(folder / "true.voice")
        self.request = resay.Request(TEXT)
        with outputs.staging() as staged:
            cast, day = Cast(self.voice), date.today()
            takes.record(self.engine, self.request, cast, staged, folder / "true.wav", day=day, embed=True)
            takes.record(self.engine, self.request, cast, staged, folder / "bare.flac", day=day)
        self.manifest = manifest.read(folder / "true.json")
        entry = archive.Entry(self.manifest, folder / "true.wav", self.voice)
        archive.pack(folder / "true.zip", [entry], None)

    def manifest_(self, content: bytes) -> str:
        """Whether a damaged manifest is told."""
        made = manifest.parse(content)
        if list(replay.own_differences(made)):
            return "named"
        return self._same(made)

    def sound(self, content: bytes) -> str:
        """Whether a damaged sound beside its true manifest is told."""
        path = self.folder / "damaged.flac"
        path.write_bytes(content)
        recorded = manifest.read(self.folder / "bare.json")
        return "named" if list(replay.sound_differences(recorded, path)) else "harmless"

    def inside(self, content: bytes) -> str:
        """Whether damage to a sound with its manifest inside is told."""
        path = self.folder / "damaged.wav"
        path.write_bytes(content)
        made = manifest.read(path)
        if list(replay.own_differences(made)) or list(replay.sound_differences(made, path)):
            return "named"
        return self._same(made)

    def voice_(self, content: bytes) -> str:
        """Whether a damaged voice is told."""
        path = self.folder / "damaged.voice"
        path.write_bytes(content)
        read = replace(voices.load(path), name=self.voice.name)
        if read.digest != self.voice.digest or read.to_json() != self.voice.to_json():
            raise Unnoticed("a voice has changed")
        return "harmless"

    def archive(self, content: bytes) -> str:
        """Whether a damaged archive is told."""
        path = self.folder / "damaged.zip"
        path.write_bytes(content)
        with tempfile.TemporaryDirectory() as folder:
            (take,) = archive.unpack(path, Path(folder)).takes
            made = manifest.read(take.manifest)
            differs = list(replay.sound_differences(made, take.sound)) if take.sound else ["gone"]
            return "named" if differs else self._same(made)

    def weights(self, name: str, content: bytes) -> str:
        """Whether damaged weights are told by the replay of a sound that the true ones made."""
        models = self.folder / "models"
        if not models.exists():
            shutil.copytree(SHIPPED, models, ignore=shutil.ignore_patterns("voices"))
        (models / name).write_bytes(content)
        try:
            engine = Engine(models, threads=1)
            given = list(replay.surroundings(self.manifest, engine.digests, manifest.runtime()))
            if name == "model.json":
                done = replay.replay(self.manifest, engine, Cast(self.voice), day=date.today())
                return "harmless" if done.identical else "named"
        except BrokenModel:
            return "refused"
        except (ResayError, ArithmeticError, ValueError, RuntimeError):
            return "named"
        finally:
            shutil.copyfile(SHIPPED / name, models / name)
        if not given:
            raise Unnoticed(f"{name} has changed")
        return "named"

    def _same(self, made: Manifest) -> str:
        if made.to_bytes() != self.manifest.to_bytes():
            raise Unnoticed("a manifest has changed")
        return "harmless"


def counted(kind: str, count: int, content: bytes, look: Callable[[bytes], str], rng: random.Random) -> Row:
    """Look at so many damaged copies. Raises Unnoticed, or whatever crashed."""
    found = {"refused": 0, "named": 0, "harmless": 0}
    for _ in range(count):
        broken = damaged(content, rng)
        if broken == content:
            found["harmless"] += 1
            continue
        try:
            found[look(broken)] += 1
        except Unreproducible:
            found["named"] += 1
        except ResayError as error:
            if "\n" in str(error):
                raise
            found["refused"] += 1
    return Row(kind, count, **found)


def measure(damages: int, seed: int = 0) -> list[Row]:
    """All kinds, with their shares of the damages."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        files = {
            "manifest": ("true.json", world.manifest_),
            "sound": ("bare.flac", world.sound),
            "sound with its manifest inside": ("true.wav", world.inside),
            "voice": ("true.voice", world.voice_),
            "archive": ("true.zip", world.archive),
        }
        rows = []
        for kind, (name, look) in files.items():
            content = (Path(folder) / name).read_bytes()
            rows.append(counted(kind, max(1, round(SHARES[kind] * damages)), content, look, rng))
        names = sorted(path.name for path in SHIPPED.iterdir() if path.is_file())
        left = max(0, damages - sum(row.damages for row in rows))
        for at, name in enumerate(names):
            share = left // len(names) + (at < left % len(names))
            content = (SHIPPED / name).read_bytes()
            rows.append(counted(f"weights: {name}", share, content, lambda it, n=name: world.weights(n, it), rng))
        return rows


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| file | damages | refused when read | named by verify or replay | harmless |", "|-|-:|-:|-:|-:|"]
    lines += [f"| {row.kind} | {row.damages} | {row.refused} | {row.named} | {row.harmless} |" for row in rows]
    sums = [sum(getattr(row, name) for row in rows) for name in ("damages", "refused", "named", "harmless")]
    return "\n".join([*lines, "| **together** | " + " | ".join(f"**{total}**" for total in sums) + " |"])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--damages", type=int, default=1000)
    try:
        print(table(measure(parser.parse_args().damages)))
    except Unnoticed as error:
        print(error, file=sys.stderr)
        return Unreproducible.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
