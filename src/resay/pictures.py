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


def picture(sounds: Sequence[Drawn]) -> str:
    """One or two sounds: a waveform each, and their pitch in one diagram. A complete SVG document."""
    seconds = max((drawn.sound.seconds for drawn in sounds), default=0.0) or 1.0
    parts, top = [], 0
    for drawn, colour in zip(sounds, COLOURS, strict=False):
        parts.append(_label(drawn.name, colour, top + 14))
        parts.append(_waveform(drawn.sound, seconds, top + MARGIN, colour))
        top += MARGIN + WAVE_HEIGHT
    parts.append(_label("Hz", "#555", top + 14))
    parts.append(_pitch([drawn.track for drawn in sounds], seconds, top + MARGIN))
    parts.append(_axis(seconds, top + MARGIN + PITCH_HEIGHT))
    height = top + 2 * MARGIN + PITCH_HEIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
    return head + 'font-size="12"><rect width="100%" height="100%" fill="#fff"/>' + "".join(parts) + "</svg>\n"


def _label(text: str, colour: str, y: int) -> str:
    return f'<text x="4" y="{y}" fill="{colour}">{html.escape(text)}</text>'


def _waveform(sound: Audio, seconds: float, top: int, colour: str) -> str:
    """Lowest and highest sample of every point of width."""
    count = max(1, int(WIDTH * sound.seconds / seconds))
    edges = np.linspace(0, len(sound.samples), count + 1).astype(int)
    middle, half = top + WAVE_HEIGHT / 2, WAVE_HEIGHT / 2
    steps = []
    for x, (first, last) in enumerate(pairwise(edges)):
        stretch = sound.samples[first : max(last, first + 1)]
        low, high = (float(stretch.min()), float(stretch.max())) if len(stretch) else (0.0, 0.0)
        steps.append(f"M{x} {middle - half * high:.1f}V{middle - half * low + 0.5:.1f}")
    return f'<path d="{"".join(steps)}" stroke="{colour}" fill="none"/>'


def _pitch(tracks: Sequence[np.ndarray], seconds: float, top: int) -> str:
    """Pitch curves over logarithmic frequency, with a line at every round figure."""
    voiced = np.concatenate([track[track > 0] for track in tracks]) if tracks else np.zeros(0)
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
        parts.append(f'<text x="{x + 2:.1f}" y="{top + 16}" fill="#555">{number * step:g} s</text>')
        parts.append(f'<path d="M{x:.1f} {top}v4" stroke="#555"/>')
    return "".join(parts)
