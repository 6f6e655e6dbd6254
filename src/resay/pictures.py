"""Pictures of speech as SVG: waveform and pitch on one time axis. Nothing but text, so they lie inside any page.

Letters in shapes: S samples, T mel frames.
"""

from __future__ import annotations

import base64
import html
import struct
import zlib
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


@dataclass(frozen=True)
class Mark:
    """A stretch of time to point out, in seconds, with a word on it."""

    text: str
    start: float
    end: float


def picture(sounds: Sequence[Drawn], beside: Sequence[Drawn] = (), marks: Sequence[Mark] = ()) -> str:
    """One or two sounds: a waveform each, and their pitch in one diagram. A complete SVG document.

    Its scales hold for the sounds of the pictures `beside` it as well, so that they are compared by eye. Marks are
    shaded over the whole height.
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
    parts += [_mark(mark, seconds, top + MARGIN + PITCH_HEIGHT, row) for row, mark in enumerate(marks)]
    height = top + 2 * MARGIN + PITCH_HEIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
    return head + 'font-size="12"><rect width="100%" height="100%" fill="#fff"/>' + "".join(parts) + "</svg>\n"


def _mark(mark: Mark, seconds: float, height: int, row: int) -> str:
    left, width = WIDTH * mark.start / seconds, max(2.0, WIDTH * (mark.end - mark.start) / seconds)
    box = f'<rect x="{left:.1f}" y="0" width="{width:.1f}" height="{height}" fill="#c2410c" fill-opacity="0.13"/>'
    y = MARGIN + 14 + 14 * (row % 6)
    return f'{box}<text x="{left + 2:.1f}" y="{y}" fill="#9a3412">{html.escape(mark.text)}</text>'


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


SPECTRUM_HEIGHT = 240  # points
DARKEST = 9.0
"""Nepers under the loudest: everything below is as dark."""
PALETTE = np.array([(13, 8, 43), (66, 27, 110), (140, 41, 99), (205, 72, 66), (246, 138, 42), (252, 233, 150)])
"""From silent to loud; lightness rises all along, so it reads in grey as well."""


def spectrogram(mel: np.ndarray) -> np.ndarray:
    """Log mels (T, M) as a picture, uint8 (M, T, 3), low bands at the bottom."""
    level = np.clip((mel - mel.max(initial=0.0)) / DARKEST + 1.0, 0.0, 1.0).T[::-1] * (len(PALETTE) - 1)
    places = np.arange(len(PALETTE))
    return np.stack([np.interp(level, places, PALETTE[:, channel]) for channel in range(3)], axis=-1).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """A picture uint8 (H, W, 3) as a PNG file."""
    height, width, _ = pixels.shape

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@dataclass(frozen=True)
class Tier:
    """A row of stretches under a spectrogram, lowest first; colours by the severity of what they mean."""

    name: str
    marks: Sequence[Mark]
    colour: str = "#222"


def aligned(mel: np.ndarray, tiers: Sequence[Tier]) -> str:
    """A spectrogram of log mels (T, M) with rows of named stretches and their boundaries. A complete SVG document."""
    seconds = FORMAT.seconds(len(mel)) or 1.0
    # A tenth of a second wants room for a syllable's letters.
    width = max(WIDTH, int(140 * seconds))
    height = SPECTRUM_HEIGHT + MARGIN * (len(tiers) + 1)
    image = base64.b64encode(png(spectrogram(mel))).decode()
    place = f'width="{width}" height="{SPECTRUM_HEIGHT}" preserveAspectRatio="none"'
    parts = [f'<image {place} href="data:image/png;base64,{image}"/>']
    for row, tier in enumerate(tiers):
        top = SPECTRUM_HEIGHT + MARGIN * row
        for mark in tier.marks:
            left, right = (width * time / seconds for time in (mark.start, mark.end))
            over = 0 if row == 0 else top
            parts.append(
                f'<path d="M{left:.1f} {over}V{top + MARGIN}M{right:.1f} {over}V{top + MARGIN}" stroke="#888"/>'
            )
            label = html.escape(mark.text)
            where = f'x="{(left + right) / 2:.1f}" y="{top + 16}" text-anchor="middle"'
            parts.append(f'<text {where} fill="{tier.colour}">{label}</text>')
    parts.append(f'<g transform="scale({width / WIDTH:.4f} 1)">{_axis(seconds, height - MARGIN)}</g>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
    return head + 'font-size="12"><rect width="100%" height="100%" fill="#fff"/>' + "".join(parts) + "</svg>\n"


def bounded(mel: np.ndarray, times: Sequence[float], scale: int = 4) -> np.ndarray:
    """A spectrogram uint8 (3 M, scale T, 3) of log mels (T, M) with a light line at each time, seconds."""
    pixels = spectrogram(mel).repeat(3, axis=0).repeat(scale, axis=1)
    for time in times:
        column = min(pixels.shape[1] - 1, int(time * FORMAT.frame_rate * scale))
        pixels[:, column] = 255
    return pixels
