"""What a blurred voice is still like, and how surely it is still found: likeness against re-identification.

    python bench/blur.py --cache runs/cache [--speak 12] [--draws 20]

Speakers whom no network was trained on are blurred; a gallery holds another clip of each of them and one of every other
person with two clips. Two attackers: one takes the nearest timbre, one knows all about the blur and about how people's
clips differ (Gaussian posterior over timbre and pitch). Prints a table as Markdown.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resay import audio, blurring, consent, reference, synthesis
from resay.reference import Profile
from resay.train import annotations
from resay.train.recordings import Recordings, is_held_out
from resay.voices import Voice

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
SHORTEST = 240
"""Mel frames (3 s) of a clip that counts."""
TEXT = "Yesterday we walked along the river until the lights came on."


@dataclass(frozen=True, eq=False)
class People:
    """Two clips of each: (N, 2) rows of the profiles, the held-out people first."""

    rows: np.ndarray
    held_out: int


def people(recordings: Recordings) -> People:
    by_speaker: dict[tuple[str, str], list[int]] = {}
    for index, clip in enumerate(recordings.clips):
        if clip.set != "synthetic" and clip.frames >= SHORTEST:
            by_speaker.setdefault((clip.set, clip.speaker), []).append(index)
    pairs = [rows[:2] for rows in by_speaker.values() if len(rows) > 1]
    held = [pair for pair in pairs if is_held_out(recordings.clips[pair[0]])]
    rest = [pair for pair in pairs if not is_held_out(recordings.clips[pair[0]])]
    return People(np.array([*held, *rest]), len(held))


class Informed:
    """An attacker who knows the blur's strength and shape, and how clips of one person and of several differ."""

    def __init__(self, features: np.ndarray, known: People, axes: np.ndarray) -> None:
        one, other = (features[known.rows[known.held_out :, side]] for side in (0, 1))
        self.mean, self.axes = one.mean(axis=0), blurring.full_axes(axes)
        self.within = np.cov((one - other).T) / 2
        self.between = np.cov(((one + other) / 2).T) - self.within / 2
        self.floor = 1e-5 * np.eye(features.shape[1])  # of directions in which nobody differs

    def scores(self, gallery: np.ndarray, blurred: np.ndarray, strength: float) -> np.ndarray:
        """Log likelihood that each blurred vector (P, D) is of each person of the gallery (G, D): (P, G)."""
        gain = self.between @ np.linalg.inv(self.between + self.within + self.floor)
        expected = (gallery - self.mean) @ gain.T
        spread = self.between - gain @ self.between + self.within + strength**2 * self.axes.T @ self.axes + self.floor
        # The copy was brought back to unit length; how much it had grown is known on average.
        grown = np.sqrt(1 + strength**2 * (self.axes[:, :-1] ** 2).sum())
        lengths = np.append(np.full(blurred.shape[1] - 1, grown), 1.0)
        # In coordinates in which the spread is a unit ball, log likelihood is minus half the squared distance.
        unit = np.linalg.cholesky(np.linalg.inv(spread))
        seen, known = (blurred * lengths - self.mean) @ unit, expected @ unit
        return seen @ known.T - 0.5 * (known**2).sum(axis=1)


def equal_error(scores: np.ndarray) -> float:
    """Where as many owners are refused as strangers taken; owners are on the diagonal of (P, P)."""
    own, foreign = np.diag(scores), scores[~np.eye(len(scores), dtype=bool)]
    thresholds = np.quantile(foreign, np.linspace(0, 1, 2001))
    refused, taken = ((own[None] < thresholds[:, None]).mean(1), (foreign[None] >= thresholds[:, None]).mean(1))
    place = int(np.abs(refused - taken).argmin())
    return float(refused[place] + taken[place]) / 2


def spoken(engine: synthesis.Engine, profile: Profile, other: np.ndarray) -> tuple[float, bool]:
    """What a copy sounds like when it speaks: cosine to the person's other clip (192,), and whether it is speech."""
    voice = Voice("copy", "en", profile, consent.own())
    sound = engine.say(synthesis.Request(TEXT), voice).audio
    timbre = engine.reference.timbre(audio.log_mel(reference.canonical(sound).samples))
    return float(timbre @ other), reference.check(sound).accepted


class Bench:
    """Everybody's profiles, the gallery, and both attackers."""

    def __init__(self, cache: Path) -> None:
        recordings = Recordings(cache)
        self.profiles, self.axes, self.known = annotations.profiles(cache), blurring.shipped_axes(), people(recordings)
        self.features = np.concatenate([self.profiles.timbre, np.log(self.profiles.pitch)[:, None]], axis=1)
        self.attacker = Informed(self.features, self.known, self.axes)
        self.rows = self.known.rows[: self.known.held_out, 0]
        self.engine = synthesis.Engine()

    def copies(self, strength: float, random: np.random.Generator) -> list[Profile]:
        """Of all held-out people."""
        timbre, style, pitch = self.profiles.timbre, self.profiles.style, self.profiles.pitch
        whole = [Profile(timbre[row], style[row], float(pitch[row])) for row in self.rows]
        return [blurring.blurred_profile(profile, strength, self.axes, random) for profile in whole]

    def found(self, copies: list[Profile], strength: float) -> list[float]:
        """Cosine to the voice, shares that each attack finds, equal error rate."""
        timbre = np.array([copy.timbre for copy in copies])
        vectors = np.concatenate([timbre, np.log([[copy.pitch] for copy in copies])], axis=1)
        same_clip, gallery = (self.features[self.known.rows[:, side]] for side in (0, 1))
        near = timbre @ gallery[:, :-1].T
        tables = near, self.attacker.scores(gallery, vectors, strength), timbre @ same_clip[:, :-1].T
        own = np.arange(len(copies))
        hits = [float((table.argmax(axis=1) == own).mean()) for table in tables]
        cosine = float((timbre * self.profiles.timbre[self.rows]).sum(axis=1).mean())
        return [cosine, *hits, equal_error(near[:, : len(copies)])]

    def heard(self, copies: list[Profile], count: int) -> np.ndarray:
        """Mean cosine of spoken copies to the people's other clips, and the share that passes for speech."""
        others = self.profiles.timbre[self.known.rows[:count, 1]]
        return np.mean([spoken(self.engine, copy, other) for copy, other in zip(copies, others, strict=False)], axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--speak", type=int, default=12, help="held-out people whose copies speak")
    parser.add_argument("--draws", type=int, default=20, help="of the noise")
    options = parser.parse_args()
    bench, random = Bench(options.cache), np.random.Generator(np.random.Philox(0))
    gallery = len(bench.known.rows)
    print(f"{bench.known.held_out} held-out people among {gallery}; chance {1 / gallery:.2%}\n")
    print("| strength | cosine to the voice | spoken: to the person | speech | nearest | informed | same clip | EER |")
    print("|-|-|-|-|-|-|-|-|")
    for strength in STRENGTHS:
        draws = [bench.copies(strength, random) for _ in range(options.draws)]
        cosine, *hits, error = np.mean([bench.found(copies, strength) for copies in draws], axis=0)
        likeness, speech = bench.heard(draws[0], options.speak)
        shares = " | ".join(f"{share:.0%}" for share in (speech, *hits, error))
        print(f"| {strength:g} | {cosine:.2f} | {likeness:.2f} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
