"""The quality gate on clean recordings of people it never heard, as they are and spoiled on purpose.

    python bench/gate.py [--cache runs/cache] [--clips 60] [--write docs/gate.md]

Music and rooms are made here in other ways than those the gate learnt from. Prints a table; with --write it becomes the
page. Recordings come from `resay train features CORPUS`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from rich.progress import track as progress

import resay
from resay.audio import FORMAT, Audio
from resay.gate import Gate, Item
from resay.train import spoiling
from resay.train.recordings import Clip, Recordings, is_held_out

RATE = FORMAT.sample_rate
CLEAN_FLOOR, CLEAN_BAND = -50.0, 7_000.0  # dB, Hz: what the corpus table says of a recording that counts as clean
SHORTEST, LONGEST = 3.0, 10.0  # seconds
FAINTEST, STILLEST = -30.0, 1.2  # dB of the loudest tenth, seconds without a sound: no clean clip is faint or has gaps
CLEAREST, SHORTEST_SOUND = 25.0, 3  # dB under the loudest tenth: noise lies lower, sound higher for so many 20 ms
Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def guitar(count: int, random: np.random.Generator) -> np.ndarray:
    """Plucked strings (Karplus and Strong 1983), a broken chord over and over."""
    track, step = np.zeros(count), int(random.uniform(0.15, 0.35) * RATE)
    chord = [random.choice((82.4, 98.0, 110.0, 130.8)) * 2 ** (tone / 12) for tone in (0, 7, 12, 15, 19)]
    for number, at in enumerate(range(0, count, step)):
        delay = int(RATE / chord[number % len(chord)])
        length = min(count - at, 2 * RATE)
        string = np.zeros(length + delay + 1)
        string[: delay + 1] = random.uniform(-1, 1, delay + 1)
        for first in range(delay + 1, len(string), delay):
            part = string[first - delay - 1 : first]
            end = min(first + delay, len(string))
            string[first:end] = 0.498 * (part[1:] + part[:-1])[: end - first]
        track[at : at + length] += string[:length]
    return track


def organ(count: int, random: np.random.Generator) -> np.ndarray:
    """Drawbars at fixed ratios, chords with a slow tremolo."""
    at = np.arange(count) / RATE
    track, step = np.zeros(count), int(random.uniform(0.8, 1.6) * RATE)
    for first in range(0, count, step):
        place = at[first : first + step]
        base = 130.8 * 2 ** (random.integers(0, 12) / 12)
        for tone in (0, 4, 7):
            for ratio, strength in ((0.5, 0.6), (1, 1.0), (1.5, 0.4), (2, 0.7), (4, 0.3)):
                track[first : first + step] += strength * np.sin(2 * np.pi * base * 2 ** (tone / 12) * ratio * place)
    return track * (1 + 0.2 * np.sin(2 * np.pi * 6 * at))


def brass(count: int, random: np.random.Generator) -> np.ndarray:
    """Detuned saw-teeth in thirds whose brightness swells."""
    at = np.arange(count) / RATE
    track = np.zeros(count)
    for tone in random.choice(12, 3, replace=False):
        for detune in (-0.06, 0.05):
            track += 2 * ((174.6 * 2 ** ((tone + detune) / 12) * at) % 1.0) - 1
    dull = np.convolve(track, np.ones(24) / 24, mode="same")
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * at / random.uniform(1.0, 2.5))
    return swell * track + (1 - swell) * dull


def beat(count: int, random: np.random.Generator) -> np.ndarray:
    """Four on the floor with a bass of squares and open hats."""
    at = np.arange(count) / RATE
    length = 60 / random.uniform(100, 140)
    inside = at % length
    kick = np.sin(2 * np.pi * (48 * inside + 4 * (1 - np.exp(-30 * inside)))) * np.exp(-inside * 14)
    hats = random.standard_normal(count) * np.exp(-((at + length / 2) % length) * 35)
    notes = np.array([55.0, 55.0, 65.4, 49.0])[(at / length / 2).astype(int) % 4]
    bass = np.sign(np.sin(2 * np.pi * np.cumsum(notes) / RATE))
    return kick + 0.25 * np.diff(hats, prepend=0.0) + 0.3 * bass


MUSIC = (guitar, organ, brass, beat)


def shoebox(random: np.random.Generator) -> np.ndarray:
    """Impulse response of a rectangular room by mirror images (Allen and Berkley 1979): 60 dB down in 0.5 to 1.0 s."""
    size = random.uniform((4.0, 3.5, 2.5), (8.0, 6.5, 3.5))
    seconds, speed = random.uniform(0.5, 1.0), 343.0
    volume, surface = size.prod(), 2 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    reflected = np.exp(-0.5 * 24 * np.log(10) * volume / (speed * seconds * surface))  # Eyring's formula, amplitude
    mouth = random.uniform(0.8, size - 0.8)
    ear = np.clip(mouth + random.normal(0, 1, 3) * random.uniform(0.8, 1.6), 0.4, size - 0.4)
    reach = np.ceil(seconds * speed * 0.7 / (2 * size)).astype(int)
    response = np.zeros(int(seconds * RATE) + 1)
    grids = np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")
    cells = np.stack([grid.ravel() for grid in grids], axis=1)
    for mirror in np.ndindex(2, 2, 2):
        away = (1 - 2 * np.array(mirror)) * mouth + 2 * cells * size - ear
        distance = np.sqrt((away**2).sum(axis=1))
        bounces = np.abs(cells - np.array(mirror)).sum(axis=1) + np.abs(cells).sum(axis=1)
        place = (distance / speed * RATE).astype(int)
        there = place < len(response)
        np.add.at(response, place[there], reflected ** bounces[there] / np.maximum(distance[there], 0.3))
    return response.astype(np.float32)


def with_music(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return spoiling.mixed(sound, MUSIC[int(random.integers(len(MUSIC)))](len(sound), random), 10.0)


def in_a_room(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return spoiling.convolved(sound, shoebox(random))


def clipped(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Cut off at where 1 to 5 % of the samples lie above; every other one quieter afterwards."""
    top = float(np.quantile(np.abs(sound), 1 - random.uniform(0.01, 0.05)))
    return np.clip(sound, -top, top) / top * float(random.choice((0.99, 0.5)))


def telephone(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return Audio(sound).resampled(8_000).resampled(RATE).samples


def half_band(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return Audio(sound).resampled(16_000).resampled(RATE).samples


def faint(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """At 40 dB below full scale, or 40 dB quieter than it was."""
    level = 10 * np.log10((sound.astype(np.float64) ** 2).mean() + 1e-12)
    return sound * spoiling.decibel(-40.0 - level if random.random() < 0.5 else -40.0)


def silent(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Two seconds of silence before, behind, or in the quietest place of the middle."""
    hush = random.standard_normal(2 * RATE) * 1e-4 * float(random.integers(2))
    frames = (sound[: len(sound) // 300 * 300].reshape(-1, 300) ** 2).mean(axis=1)
    quarter = len(frames) // 4
    middle = (quarter + int(np.convolve(frames, np.ones(8), mode="same")[quarter:-quarter].argmin())) * 300
    at = int(random.choice((0, middle, len(sound))))
    return np.concatenate([sound[:at], hush, sound[at:]])


@dataclass(frozen=True)
class Way:
    """One way to spoil a recording, and the findings of which one must tell it."""

    name: str
    spoil: Spoil
    codes: frozenset[str]


@dataclass(frozen=True)
class Row:
    """How often a spoiling was found, or a clean recording passed."""

    name: str
    clips: int
    found: int
    missed: tuple[str, ...]


def ways(others: list[np.ndarray]) -> list[Way]:
    """All spoilings; `others` are recordings of other people."""

    def another(random: np.random.Generator, count: int) -> np.ndarray:
        return spoiling.stretch(others[int(random.integers(len(others)))], count, random)

    def over(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return spoiling.mixed(sound, another(random, len(sound)), random.uniform(0.0, 5.0))

    def behind(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return np.concatenate([sound, another(random, int(random.uniform(2.0, 4.0) * RATE))])

    several = frozenset({"several_speakers"})
    return [
        Way("music, 10 dB under the voice", with_music, frozenset({"music"})),
        Way("a room of 0.5 to 1.0 s", in_a_room, frozenset({"echo"})),
        Way("a second voice at the same time, 0 to 5 dB under", over, several),
        Way("a second voice afterwards", behind, several),
        Way("clipping", clipped, frozenset({"clipped"})),
        Way("sampled at 8 kHz", telephone, frozenset({"narrow_band"})),
        Way("nothing above 8 kHz", half_band, frozenset({"narrow_band"})),
        Way("level of -40 dB", faint, frozenset({"quiet"})),
        Way("two seconds of silence", silent, frozenset({"silence_head", "silence_tail", "long_pause"})),
    ]


def edited(sound: np.ndarray) -> bool:
    """Whether a recording (S,) has an ordinary level, well above its noise, and neither silence around it nor a hole.

    Not asked of the product's own measures: what is judged here shall not choose what it is judged by.
    """
    step = RATE // 50
    frames = (sound[: len(sound) // step * step].reshape(-1, step).astype(np.float64) ** 2).mean(axis=1)
    decibels = 10 * np.log10(frames + 1e-12)
    loudest = float(np.quantile(decibels, 0.9))
    loud = np.lib.stride_tricks.sliding_window_view(decibels > loudest - CLEAREST, SHORTEST_SOUND).all(axis=1)
    spoken = np.flatnonzero(np.convolve(loud, np.ones(SHORTEST_SOUND)) > 0)  # a click is no speech
    gaps = np.diff(spoken, prepend=-1, append=len(frames))
    noise = float(np.quantile(decibels, 0.1))
    return loudest >= FAINTEST and noise <= loudest - CLEAREST and float(gaps.max()) * step / RATE <= STILLEST


def chosen(recordings: Recordings, count: int) -> list[Clip]:
    """Clean held-out clips, the sets in turn, one of each speaker."""
    seen: set[str] = set()
    sets: dict[str, list[Clip]] = {}
    for clip in sorted(recordings.clips, key=lambda it: it.id[::-1]):
        fits = SHORTEST <= FORMAT.seconds(clip.frames) <= LONGEST
        clean = clip.floor <= CLEAN_FLOOR and clip.bandwidth >= CLEAN_BAND
        if is_held_out(clip) and fits and clean and clip.speaker not in seen and edited(recordings.samples(clip)):
            seen.add(clip.speaker)
            sets.setdefault(clip.set, []).append(clip)
    turns = sorted((place, name, clip.id) for name, found in sets.items() for place, clip in enumerate(found))
    by_id = {clip.id: clip for found in sets.values() for clip in found}
    return [by_id[name] for _, _, name in turns[:count]]


def measure(recordings: Recordings, checks: Gate, count: int) -> list[Row]:
    """Every clip as it is and spoiled in every way."""
    clips = chosen(recordings, count)
    sounds = [recordings.samples(clip) for clip in clips]
    clean = [(clip.id, checks.check(Item(clip.id, Audio(sound)))) for clip, sound in zip(clips, sounds, strict=True)]
    failed = tuple(
        f"{name} ({', '.join(it.code for it in verdict.report.findings if it.severity != 'advice')})"
        for name, verdict in clean
        if not verdict.passed
    )
    rows = [Row("clean: passed", len(clips), len(clips) - len(failed), failed)]
    for number, way in enumerate(ways(sounds)):
        missed = []
        for at, clip in enumerate(progress(clips, way.name, transient=True)):
            random = np.random.Generator(np.random.Philox(key=np.array([at, number], dtype=np.uint64)))
            if way.codes == {"several_speakers"}:
                way = ways(sounds[:at] + sounds[at + 1 :])[number]
            spoiled = way.spoil(sounds[at], random).astype(np.float32)
            found = checks.check(Item(clip.id, Audio(spoiled))).report.findings
            if not way.codes & {it.code for it in found}:
                missed.append(clip.id)
        rows.append(Row(way.name, len(clips), len(clips) - len(missed), tuple(missed)))
    return rows


def page(rows: list[Row]) -> str:
    """Markdown."""
    command = f"python bench/gate.py --clips {rows[0].clips} --write docs/gate.md"
    lines = [
        "# The quality gate, measured",
        "",
        f"Made by `{command}` on {date.today().isoformat()}; do not edit.",
        "",
        "`resay voice check FILE|FOLDER [--text TEXT|TABLE] [--json] [--html OUT]` says what would spoil a voice.",
        "",
        f"{rows[0].clips} clean recordings of {rows[0].clips} people that nothing was trained on, each as it is and",
        f"spoiled in every way. Clean: noise below {CLEAN_FLOOR:.0f} dB, sound up to {CLEAN_BAND / 1000:.0f} kHz, the",
        f"loudest tenth above {FAINTEST:.0f} dB and {CLEAREST:.0f} dB over the quietest, no {STILLEST:.1f} s without",
        "sound at the ends or within.",
        "Music (plucked strings, organ, brass, beats) and rooms (mirror images) are made in other ways than",
        "those of training.",
        "",
        "| | recordings | found | share |",
        "|-|-:|-:|-:|",
    ]
    lines += [f"| {row.name} | {row.clips} | {row.found} | {row.found / row.clips:.1%} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    engine = resay.Engine(threads=1)
    rows = measure(Recordings(options.cache), Gate(engine.reference), options.clips)
    print(page(rows))
    for row in rows:
        if row.missed:
            print(f"{row.name}: {' '.join(row.missed)}", file=sys.stderr)
    if options.write:
        options.write.write_text(page(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
