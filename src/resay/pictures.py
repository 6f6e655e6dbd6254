"""Pictures of speech as SVG: waveform and pitch on one time axis. Nothing but text, so they lie inside any page.

Letters in shapes: S samples, T mel frames.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from .audio import FORMAT, Audio

WIDTH, WAVE_HEIGHT, PITCH_HEIGHT, MARGIN = 900, 120, 160, 24  # points
COLOURS = ("#1f5fbf", "#c2410c")
"""Of the first and the second sound; told apart by people who see no red or green too."""
LOWEST_SPAN = 4.0  # semitones: a pitch picture never zooms further in


@dataclass(frozen=True, eq=False)
class Drawn:
    """One sound to draw: its name, the sound, its pitch in Hz on mel frames (T,), 0 where unvoiced."""

    name: str
    sound: Audio
    track: np.ndarray


def picture(sounds: Sequence[Drawn], beside: Sequence[Drawn] = ()) -> str:
    """One or two sounds: a waveform each, and their pitch in one diagram. A complete SVG document.

    Its scales hold for the sounds of the pictures `beside` it as well, so that they are compared by eye.
    """
    everything = [*sounds, *beside]
    seconds = max((drawn.sound.seconds for drawn in everything), default=0.0) or 1.0
    loudest = max((float(np.abs(drawn.sound.samples).max(initial=0.0)) for drawn in everything), default=0.0) or 1.0
    parts, top = [], 0
    for drawn, colour in zip(sounds, COLOURS, strict=False):
        parts.append(_label(drawn.name, colour, top + 14))
        parts.append(_waveform(drawn.sound, seconds, loudest, top + MARGIN, colour))
        top += MARGIN + WAVE_HEIGHT
    parts.append(_label("Hz", "#555", top + 14))
    tracks, others = ([drawn.track for drawn in some] for some in (sounds, beside))
    parts.append(_pitch(tracks, others, seconds, top + MARGIN))
    parts.append(_axis(seconds, top + MARGIN + PITCH_HEIGHT))
    height = top + 2 * MARGIN + PITCH_HEIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
    return head + 'font-size="12"><rect width="100%" height="100%" fill="#fff"/>' + "".join(parts) + "</svg>\n"


def _label(text: str, colour: str, y: int) -> str:
    return f'<text x="4" y="{y}" fill="{colour}">{html.escape(text)}</text>'


def _waveform(sound: Audio, seconds: float, loudest: float, top: int, colour: str) -> str:
    """Lowest and highest sample of every point of width; a sample at `loudest` reaches the edge."""
    count = max(1, int(WIDTH * sound.seconds / seconds))
    edges = np.linspace(0, len(sound.samples), count + 1).astype(int)
    middle, half = top + WAVE_HEIGHT / 2, WAVE_HEIGHT / 2 / loudest
    above, below = [], []
    for x, (first, last) in enumerate(pairwise(edges)):
        stretch = sound.samples[first : max(last, first + 1)]
        low, high = (float(stretch.min()), float(stretch.max())) if len(stretch) else (0.0, 0.0)
        above.append(f"{x},{middle - half * high:.1f}")
        below.append(f"{x},{middle - half * low + 0.5:.1f}")
    return f'<polygon points="{" ".join(above + below[::-1])}" fill="{colour}"/>'


def _pitch(tracks: Sequence[np.ndarray], beside: Sequence[np.ndarray], seconds: float, top: int) -> str:
    """Pitch curves over logarithmic frequency, with a line at every round figure."""
    voiced = np.concatenate([np.zeros(0), *(track[track > 0] for track in (*tracks, *beside))])
    if len(voiced) == 0:
        return ""
    low, high = np.log2(float(voiced.min())), np.log2(float(voiced.max()))
    spare = max(0.02, (LOWEST_SPAN / 12 - (high - low)) / 2)
    low, high = low - spare, high + spare

    def height(hertz: float) -> float:
        return float(top + PITCH_HEIGHT * (high - np.log2(hertz)) / (high - low))

    parts = []
    for hertz in (60, 80, 100, 125, 150, 200, 250, 300, 400, 500):
        if low < np.log2(hertz) < high:
            y = height(hertz)
            parts.append(f'<path d="M0 {y:.1f}H{WIDTH}" stroke="#ddd"/>')
            parts.append(f'<text x="{WIDTH - 28}" y="{y - 2:.1f}" fill="#888">{hertz}</text>')
    for track, colour in zip(tracks, COLOURS, strict=False):
        for is_voiced, run in groupby(enumerate(track), key=lambda entry: entry[1] > 0):
            if is_voiced:
                points = " ".join(
                    f"{WIDTH * FORMAT.seconds(frame) / seconds:.1f},{height(hertz):.1f}" for frame, hertz in run
                )
                parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return "".join(parts)


def _axis(seconds: float, top: int) -> str:
    step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600) if seconds / step <= 20)
    parts = [f'<path d="M0 {top}H{WIDTH}" stroke="#555"/>']
    for number in range(int(seconds / step) + 1):
        x = WIDTH * number * step / seconds
        if x < WIDTH - MARGIN:  # a label further on would be cut off
            parts.append(f'<text x="{x + 2:.1f}" y="{top + 16}" fill="#555">{number * step:g} s</text>')
        parts.append(f'<path d="M{x:.1f} {top}v4" stroke="#555"/>')
    return "".join(parts)
