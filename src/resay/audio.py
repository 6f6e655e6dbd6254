"""Sound as a value: one format, one reader, one resampler, one writer, one mel front end.

Letters in shapes: S samples, T mel frames, M mel bands, F frequency bins.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from . import ogg
from .errors import BadAudio, BadFile, BadOption

LONGEST_CLIP = 900.0  # seconds; a reference needs ten, a recording to align rarely more than minutes
FILE_FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "opus": ("OGG", "OPUS"),
    "pcm": ("RAW", "PCM_16"),
}


@dataclass(frozen=True)
class AudioFormat:
    """The one format that all networks share. Everything else is computed from it."""

    sample_rate: int = 24_000
    """Samples a second."""
    hop: int = 300
    """Samples from one mel frame to the next."""
    window: int = 1_200
    """Samples that one frame looks at."""
    mel_bands: int = 80
    """Bands from 0 Hz to half the sample rate."""

    @property
    def frame_rate(self) -> float:
        """Mel frames a second."""
        return self.sample_rate / self.hop

    @property
    def bins(self) -> int:
        """Frequency bins of one frame's spectrum."""
        return self.window // 2 + 1

    def seconds(self, frames: int) -> float:
        return frames * self.hop / self.sample_rate


FORMAT = AudioFormat()
SAMPLE_RATES = (FORMAT.sample_rate, 32_000)
"""Rates that sound is written at. The networks speak at the first; the other is for players that want it."""
OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound. `samples` is float32 (S,), full scale at 1.0."""

    samples: np.ndarray
    sample_rate: int = FORMAT.sample_rate

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    def pcm16(self) -> np.ndarray:
        """The samples as they are written, int16 (S,): rounded to nearest, clipped at full scale."""
        # Decoders divide by 2^15: with any other factor a sound read back would have another digest than was written.
        return np.clip(np.rint(self.samples.astype(np.float64) * 32768.0), -32768, 32767).astype("<i2")

    def digest(self) -> str:
        """SHA-256 over rate and 16-bit samples: what is heard, whatever container it lies in."""
        head = f"{self.sample_rate}:".encode()
        return "sha256:" + hashlib.sha256(head + self.pcm16().tobytes()).hexdigest()

    def resampled(self, sample_rate: int) -> Audio:
        if sample_rate == self.sample_rate:
            return self
        samples = soxr.resample(self.samples, self.sample_rate, sample_rate, quality="VHQ")
        return Audio(np.ascontiguousarray(samples, dtype=np.float32), sample_rate)

    @staticmethod
    def join(pieces: Iterable[Audio]) -> Audio:
        """All pieces one after the other. They must share one rate."""
        parts = list(pieces)
        rates = {part.sample_rate for part in parts}
        if len(rates) > 1:
            raise ValueError(f"cannot join sounds of different rates: {sorted(rates)}")
        samples = np.concatenate([part.samples for part in parts]) if parts else np.zeros(0, np.float32)
        return Audio(samples, rates.pop() if rates else FORMAT.sample_rate)


def read(source: str | Path | bytes, longest: float = LONGEST_CLIP) -> Audio:
    """Read a sound file (WAV, FLAC, MP3, Ogg Vorbis, Opus…) and mix it down to mono, at its own rate.

    Raises BadAudio, in one line, for a file that is missing, empty, not sound, damaged or above `longest` seconds.
    """
    name = "the uploaded clip" if isinstance(source, bytes) else str(source)
    if not isinstance(source, bytes):
        path = Path(source)
        if not path.exists():
            raise BadAudio(f"{name}: no such file")
        if path.is_dir():
            raise BadAudio(f"{name}: is a folder, not a sound file")
        if path.stat().st_size == 0:
            raise BadAudio(f"{name}: the file is empty")
    try:
        with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as file:
            rate = file.samplerate
            # A header may claim any length, so reading is bounded by what was asked for, not by the claim.
            frames = file.read(frames=int(longest * rate) + 1, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, RuntimeError, MemoryError, ValueError) as error:
        raise BadAudio(f"{name}: not a sound file that can be read (WAV, FLAC, MP3, OGG and Opus can)") from error
    if len(frames) == 0:
        raise BadAudio(f"{name}: the file holds no sound")
    if len(frames) > longest * rate:
        raise BadAudio(f"{name}: longer than {longest:.0f} s; cut it first")
    if not np.isfinite(frames).all():
        raise BadAudio(f"{name}: holds samples that are not numbers")
    return Audio(np.ascontiguousarray(frames.mean(axis=1), dtype=np.float32), rate)


def encode(audio: Audio, file_format: str = "wav") -> bytes:
    """The bytes of a sound file: wav, flac, mp3, opus (in Ogg) or pcm (16-bit little endian, no header)."""
    if file_format not in FILE_FORMATS:
        raise BadOption(f"unknown audio format {file_format!r}; choose one of {', '.join(FILE_FORMATS)}")
    if file_format == "pcm":
        return audio.pcm16().tobytes()
    check_rate(file_format, audio.sample_rate)
    container, subtype = FILE_FORMATS[file_format]
    buffer = io.BytesIO()
    # Lossless formats carry exactly the digested 16-bit samples; lossy encoders get the float samples.
    samples = audio.pcm16() if subtype == "PCM_16" else audio.samples
    soundfile.write(buffer, samples, audio.sample_rate, format=container, subtype=subtype)
    return ogg.steady(buffer.getvalue()) if container == "OGG" else buffer.getvalue()


def check_rate(file_format: str, sample_rate: int) -> None:
    """Raises BadOption for a rate that a format cannot have: Opus knows five of its own."""
    if file_format == "opus" and sample_rate not in OPUS_RATES:
        raise BadOption(f"opus cannot hold {sample_rate} Hz; use {FORMAT.sample_rate} Hz or another format")


def write(path: str | Path, audio: Audio, file_format: str | None = None) -> None:
    """Write a sound file whole or not at all. The format follows the name's ending unless given."""
    write_bytes(path, encode(audio, file_format or format_of(path)))


def format_of(path: str | Path) -> str:
    """The audio format that a file name asks for. Raises BadOption for an ending that is none of ours."""
    ending = Path(path).suffix.lower().lstrip(".")
    ending = {"ogg": "opus", "raw": "pcm", "wave": "wav"}.get(ending, ending)
    if ending not in FILE_FORMATS:
        raise BadOption(f"{path}: the ending says no audio format; use .{', .'.join(FILE_FORMATS)} or --format")
    return ending


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write to a temporary name beside `path`, then rename: nobody ever sees half a file. Raises BadFile."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise BadFile(f"{path}: cannot be written ({error.strerror or error})") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise BadFile(f"{path}: cannot be written ({error.strerror or error})") from error


def erase(path: Path) -> None:
    """Overwrite a file, then unlink it. Raises BadFile.

    Flash, journals, snapshots and backups may keep older copies of the same bytes: only what was sealed is safe there.
    """
    try:
        with path.open("r+b") as file:
            left = path.stat().st_size
            while left > 0:
                left -= file.write(os.urandom(min(left, 2**20)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except OSError as error:
        raise BadFile(f"{path}: cannot be erased ({error.strerror or error})") from error


def frames(samples: np.ndarray, audio_format: AudioFormat = FORMAT) -> np.ndarray:
    """Overlapping windows (S,) -> (T, window), T = S // hop, frame t centred on sample (t + 1/2) hop."""
    side = (audio_format.window - audio_format.hop) // 2
    count = len(samples) // audio_format.hop
    padded = np.pad(
        samples, (side, side + audio_format.hop), mode="reflect" if len(samples) > audio_format.window else "constant"
    )
    return np.lib.stride_tricks.sliding_window_view(padded, audio_format.window)[:: audio_format.hop][:count]


@lru_cache(maxsize=4)
def hann(window: int) -> np.ndarray:
    """Periodic Hann window, float32 (window,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)


@lru_cache(maxsize=4)
def mel_filters(audio_format: AudioFormat = FORMAT) -> np.ndarray:
    """Triangular filters (M, F), equally spaced and of equal area on Slaney's mel scale (Auditory Toolbox, 1998)."""
    # Slaney's scale is linear below 1 kHz (200/3 Hz a mel) and logarithmic above (27 mels for a factor 6.4).
    linear_end, step = 1000.0, 200.0 / 3
    log_step = np.log(6.4) / 27

    def to_mel(hertz: np.ndarray) -> np.ndarray:
        above = linear_end / step + np.log(np.maximum(hertz, linear_end) / linear_end) / log_step
        return np.where(hertz < linear_end, hertz / step, above)

    def to_hertz(mel: np.ndarray) -> np.ndarray:
        above = linear_end * np.exp(log_step * (mel - linear_end / step))
        return np.where(mel < linear_end / step, mel * step, above)

    top = audio_format.sample_rate / 2
    edges = to_hertz(np.linspace(0.0, float(to_mel(np.array(top))), audio_format.mel_bands + 2))
    bins = np.linspace(0.0, top, audio_format.bins)
    rise = (bins[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rise, fall))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


@lru_cache(maxsize=4)
def _triangles(audio_format: AudioFormat) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The filters without their zeros: the bins of all bands one after the other, their weights, where bands begin."""
    band, inside = np.nonzero(mel_filters(audio_format))
    return inside, mel_filters(audio_format)[band, inside], np.searchsorted(band, np.arange(audio_format.mel_bands))


QUIETEST = 1e-5  # of a mel band's magnitude: the floor under the logarithm
MEL_CENTRE, MEL_SPREAD = -4.0, 3.0
"""What log mels are shifted and scaled by before any network sees them."""


def log_mel(samples: np.ndarray, audio_format: AudioFormat = FORMAT) -> np.ndarray:
    """Natural logarithm of the mel magnitudes, float32 (S,) -> (T, M)."""
    windows = frames(samples.astype(np.float32), audio_format) * hann(audio_format.window)
    magnitudes = np.abs(np.fft.rfft(windows, axis=-1)).astype(np.float32)
    # Not by a matrix product: BLAS adds up in an order that follows from the number of cores, and a sound shall not.
    inside, weights, begins = _triangles(audio_format)
    mel = np.add.reduceat(magnitudes[:, inside] * weights, begins, axis=1)
    return np.log(np.maximum(mel, QUIETEST))


def energy(mel: np.ndarray) -> np.ndarray:
    """Loudness of each frame, natural logarithm of the mean mel magnitude, (T, M) -> (T,)."""
    return np.log(np.exp(mel).mean(axis=-1))


SPEECH_LEVEL = -2.8
"""Level that references and training speech are brought to: `speech_level` of it."""


def speech_level(mel: np.ndarray) -> float:
    """Loudness of the louder half of the frames of (T, M) log mels: a level that pauses do not pull down."""
    loudness = energy(mel)
    return float(loudness[loudness >= np.median(loudness)].mean())


def running_mean(values: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Mean of `size` neighbours, an odd number, around every entry along an axis; the ends stand for what is beyond."""
    padding = [(0, 0)] * values.ndim
    padding[axis] = (size // 2, size // 2)
    around = np.pad(values, padding, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(around, size, axis=axis).mean(axis=-1, dtype=values.dtype)


def scaled(mel: np.ndarray) -> np.ndarray:
    """Log mels brought to the shared speech level and the networks' scale, float32 (T, M)."""
    mel = np.maximum(mel + SPEECH_LEVEL - speech_level(mel), np.log(QUIETEST))
    return ((mel - MEL_CENTRE) / MEL_SPREAD).astype(np.float32)


def resampled(parts: Iterator[Audio], sample_rate: int) -> Iterator[Audio]:
    """Sound that comes in parts at another rate, as one: no seam between them."""
    held: Audio | None = next(parts, None)
    if held is None or held.sample_rate == sample_rate:
        if held is not None:
            yield held
            yield from parts
        return
    stream = soxr.ResampleStream(held.sample_rate, sample_rate, 1, dtype="float32", quality="VHQ")
    while held is not None:
        following = next(parts, None)
        samples = stream.resample_chunk(np.ascontiguousarray(held.samples, dtype=np.float32), last=following is None)
        yield Audio(samples, sample_rate)
        held = following
