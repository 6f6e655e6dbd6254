"""Sound from outside. Everything about it may be a lie: its name, its type, the length and the rate in its head."""

from __future__ import annotations

import io

import soundfile

from .. import audio
from ..audio import Audio
from ..errors import BadAudio
from .limits import Limits
from .problems import TooMuch

MOST_CHANNELS, HIGHEST_RATE = 8, 192_000
"""Above these a small file could still unpack to more than the memory holds."""


def sound(content: bytes, limits: Limits) -> Audio:
    """What a client's recording holds. Raises TooMuch, BadAudio."""
    if len(content) > limits.upload_bytes:
        raise TooMuch(f"the recording has {len(content)} bytes; this server takes {limits.upload_bytes}")
    if not content:
        raise BadAudio("the recording is empty")
    try:
        head = soundfile.info(io.BytesIO(content))
    except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError) as error:
        raise BadAudio("the recording is not a sound file that can be read (WAV, FLAC, MP3, OGG, Opus)") from error
    if head.channels > MOST_CHANNELS or not 0 < head.samplerate <= HIGHEST_RATE:
        raise BadAudio(f"the recording has {head.channels} channels at {head.samplerate} Hz; use mono at 16 to 48 kHz")
    return audio.read(content, longest=limits.clip_seconds)
