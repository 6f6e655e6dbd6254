"""Good recordings spoiled on purpose: what the gate's network learns from, and a corpus of what it must find.

Everything is drawn from the generator given. Sounds are float32 (S,) at the shared rate.
"""

from __future__ import annotations

import numpy as np

from ..audio import FORMAT

RATE = FORMAT.sample_rate
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
"""Semitones: major, minor, and the two pentatonic ones."""


def decibel(ratio: float) -> float:
    """The factor of so many decibels."""
    return float(10 ** (ratio / 20))


def mixed(speech: np.ndarray, other: np.ndarray, below: float) -> np.ndarray:
    """Another sound of the same length added so many decibels below the speech, by their mean powers."""
    powers = [float(np.sqrt((part.astype(np.float64) ** 2).mean())) + 1e-9 for part in (speech, other)]
    return (speech + other * (powers[0] / powers[1] * decibel(-below))).astype(np.float32)


def stretch(sound: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """`count` samples from a random place of a sound, repeated where it is too short."""
    if len(sound) < count:
        sound = np.tile(sound, -(-count // max(1, len(sound))))
    first = int(random.integers(0, len(sound) - count + 1))
    return sound[first : first + count]


def convolved(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    """A sound after an impulse response, as long as the sound and as loud."""
    size = 1 << (len(sound) + len(response) - 2).bit_length()
    spectrum = np.fft.rfft(sound, size) * np.fft.rfft(response, size)
    wet = np.fft.irfft(spectrum, size)[: len(sound)]
    return (wet * np.sqrt((sound**2).mean() / ((wet**2).mean() + 1e-12))).astype(np.float32)


def lowpass(sound: np.ndarray, hertz: float) -> np.ndarray:
    """Nothing above a frequency, with a steep edge as a resampler's."""
    spectrum = np.fft.rfft(sound)
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE)
    spectrum *= np.clip((hertz * 1.04 - frequencies) / (hertz * 0.08), 0.0, 1.0)
    return np.fft.irfft(spectrum, len(sound)).astype(np.float32)


def room(seconds: float, random: np.random.Generator, direct: float | None = None) -> np.ndarray:
    """Impulse response of a room whose sound takes `seconds` to fall by 60 dB (Polack's model: decaying noise).

    `direct` is how far the direct sound is above the reverberation in decibels, drawn where not given. Some early
    reflections come before; high frequencies die away sooner, as air and curtains make them.
    """
    at = np.arange(int(1.1 * seconds * RATE)) / RATE
    tail = random.standard_normal(len(at)) * 10 ** (-3 * at / seconds)
    dull = random.standard_normal(len(at)) * 10 ** (-3 * at / (seconds * random.uniform(0.4, 0.9)))
    low = lowpass(tail, random.uniform(1500, 5000))
    tail = low + dull - lowpass(dull, 4000)
    tail[: int(random.uniform(0.001, 0.012) * RATE)] = 0.0
    for place in random.integers(24, int(0.04 * RATE), int(random.integers(0, 7))):
        tail[place] += random.choice((-1, 1)) * random.uniform(0.3, 1.0) * np.abs(tail).max() * 3
    above = random.uniform(-6.0, 5.0) if direct is None else direct
    tail *= decibel(-above) / np.sqrt((tail**2).sum() + 1e-12)
    tail[0] = 1.0
    return tail.astype(np.float32)


def _tone(hertz: float, count: int, random: np.random.Generator, harmonics: np.ndarray, bend: float) -> np.ndarray:
    """A note with harmonics of these strengths; `bend` is the depth of its vibrato in semitones."""
    at = np.arange(count) / RATE
    wave = 2 ** (bend / 12 * np.sin(2 * np.pi * random.uniform(4, 7) * at))
    phase = 2 * np.pi * np.cumsum(hertz * wave) / RATE
    note = np.zeros(count)
    for number, strength in enumerate(harmonics, start=1):
        if hertz * number < RATE / 2:
            note += strength * np.sin(number * phase + random.uniform(0, 2 * np.pi))
    return note


def _spread(random: np.random.Generator) -> np.ndarray:
    """Strengths of a made-up instrument's harmonics."""
    count = int(random.integers(2, 16))
    return np.arange(1, count + 1) ** -random.uniform(0.6, 2.5) * random.uniform(0.2, 1.0, count)


def _place(track: np.ndarray, at: int, note: np.ndarray) -> None:
    track[at : at + len(note)] += note[: max(0, len(track) - at)]


def _chords(count: int, beat: float, root: float, scale: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    track, step = np.zeros(count), int(beat * random.choice((1, 2, 4)) * RATE)
    harmonics, bend = _spread(random), random.uniform(0, 0.3)
    attack = random.uniform(0.01, 0.3)
    for at in range(0, count, step):
        first = int(random.integers(0, len(scale)))
        for member in range(int(random.integers(2, 5))):
            degree = first + 2 * member
            tones = scale[degree % len(scale)] + 12 * (degree // len(scale))
            note = _tone(root * 2 ** (tones / 12), step, random, harmonics, bend)
            edge = np.minimum(np.arange(step) / RATE / attack, np.arange(step)[::-1] / RATE / 0.05)
            _place(track, at, note * np.clip(edge, 0, 1))
    return track


def _melody(count: int, beat: float, root: float, scale: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    track, at, degree = np.zeros(count), 0, int(random.integers(0, 8))
    harmonics, fall = _spread(random), random.uniform(1.0, 9.0)
    while at < count:
        step = int(beat * random.choice((0.25, 0.5, 0.5, 1, 2)) * RATE)
        degree = int(np.clip(degree + random.integers(-3, 4), 0, 14))
        tones = scale[degree % len(scale)] + 12 * (degree // len(scale))
        if random.random() < 0.85:
            note = _tone(2 * root * 2 ** (tones / 12), int(step * random.uniform(0.6, 1.6)), random, harmonics, 0.1)
            _place(track, at, note * np.exp(-fall * np.arange(len(note)) / RATE))
        at += step
    return track


def _drums(count: int, beat: float, random: np.random.Generator) -> np.ndarray:
    track, step = np.zeros(count), int(beat / 2 * RATE)
    at = np.arange(int(0.25 * RATE)) / RATE
    kick = np.sin(2 * np.pi * np.cumsum(50 + 120 * np.exp(-at * 40)) / RATE) * np.exp(-at * random.uniform(10, 25))
    noise = random.standard_normal(len(at))
    snare = (noise + np.sin(2 * np.pi * 190 * at)) * np.exp(-at * random.uniform(15, 40)) * 0.6
    hat = np.diff(noise, prepend=0.0) * np.exp(-at * random.uniform(30, 90)) * random.uniform(0.1, 0.5)
    pattern = random.random((3, 8)) < np.array([[0.35], [0.25], [0.7]])
    for number, place in enumerate(range(0, count, step)):
        for drum, beats in zip((kick, snare, hat), pattern, strict=True):
            if beats[number % 8]:
                _place(track, place, drum * random.uniform(0.7, 1.0))
    return track


def music(seconds: float, random: np.random.Generator) -> np.ndarray:
    """Made-up music: chords, a melody, a bass and drums, any of them alone or together, in one key and tempo."""
    count, beat = int(seconds * RATE), 60 / random.uniform(60, 170)
    root = 110 * 2 ** (random.uniform(-6, 12) / 12)
    scale = SCALES[int(random.integers(len(SCALES)))]
    parts = [_chords(count, beat, root, scale, random), _melody(count, beat, root, scale, random)]
    parts += [_melody(count, 2 * beat, root / 4, scale, random), _drums(count, beat, random)]
    parts = [part / (np.sqrt((part**2).mean()) + 1e-9) for part in parts]
    there = random.random(4) < np.array([0.7, 0.6, 0.4, 0.4])
    there[int(random.integers(2))] |= not there.any()
    track = sum(part * random.uniform(0.3, 1.0) for part, kept in zip(parts, there, strict=True) if kept)
    if random.random() < 0.4:
        track = convolved(np.asarray(track), room(random.uniform(0.3, 2.0), random))
    return lowpass(np.asarray(track), random.uniform(3000, 11_500))
