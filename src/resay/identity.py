"""Is this the same input? What may have happened to a clip or a text between two requests, named.

A clip that was re-encoded and a text with an invisible character look equal to a person and are not.

Letters in shapes: T mel frames, B bands, F fingerprint frames.
"""

from __future__ import annotations

import hashlib
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile

from . import audio
from .audio import FORMAT, Audio
from .errors import BadAudio, BadText
from .text import cleaning
from .text.traced import Traced

STEP = 8  # mel frames from one fingerprint frame to the next, 0.1 s
BANDS = 9  # neighbours are compared, which gives eight bits
LONGEST_PRINT = 100  # fingerprint frames, 10 s: enough to tell recordings apart, too coarse to hold a voice
ALIKE = 0.75  # share of equal bits; unrelated recordings agree in a half, a 64 kbit/s MP3 in nine tenths
USUAL_SIGNS = frozenset("“”‘’—…，。、！？；：（）《》〈〉「」『』【】·￥¥℃％＋－～")
"""Full-width and typographic signs that people mean to write."""
HALF_WIDTH = {",": "，(U+FF0C) or 、(U+3001)", ".": "。(U+3002)", ";": "；(U+FF1B)", ":": "：(U+FF1A)"}


@dataclass(frozen=True)
class Clip:
    """A clip as it came: enough to say later whether another file is the same one, and if not, what was done to it."""

    name: str
    digest: str
    """SHA-256 of the file."""
    sound: str
    """`Audio.digest` of what it decodes to, mono, at its own rate."""
    sample_rate: int
    encoding: str
    """Container and coding, such as `WAV PCM_16`."""
    fingerprint: str
    """Hexadecimal: when which of eight bands rises against its neighbour, ten times a second. Survives re-encoding."""


def clip(path: str | Path) -> Clip:
    """The identity of a clip file. Raises BadAudio where it cannot be read."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadAudio(f"{path}: the clip cannot be read ({error.strerror or error})") from error
    sound = audio.read(path)
    file = soundfile.info(io.BytesIO(content))
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    encoding = f"{file.format} {file.subtype}"
    return Clip(Path(path).name, digest, sound.digest(), sound.sample_rate, encoding, fingerprint(sound))


def fingerprint(sound: Audio, offset: int = 0) -> str:
    """Eight bits for every tenth of a second, hexadecimal, from the `offset`-th mel frame on.

    After Haitsma and Kalker (2002): the sign of the energy difference between neighbouring bands and frames.
    """
    mel = audio.log_mel(sound.resampled(FORMAT.sample_rate).samples)[offset:]
    count = min(len(mel) // STEP - 1, LONGEST_PRINT + 1)
    if count < 2:
        return ""
    edges = np.linspace(0, FORMAT.mel_bands, BANDS + 1).astype(int)
    bands = np.stack([mel[:, low:high].mean(axis=1) for low, high in pairwise(edges)], axis=1)
    windows = np.stack([bands[at * STEP : (at + 2) * STEP].mean(axis=0) for at in range(count)])
    bits = np.diff(windows[:, :-1] - windows[:, 1:], axis=0) > 0
    return np.packbits(bits, axis=1).tobytes().hex()


def likeness(recorded: str, sound: Audio) -> float:
    """Share of equal bits between a recorded fingerprint and a sound's, 0 to 1, at the best shift under 0.1 s."""
    known = np.unpackbits(np.frombuffer(bytes.fromhex(recorded), np.uint8))
    best = 0.0
    for offset in range(STEP):
        given = np.unpackbits(np.frombuffer(bytes.fromhex(fingerprint(sound, offset)), np.uint8))
        count = min(len(known), len(given))
        # A clip with its second half cut off is another clip: what is missing counts as half agreed, as chance would.
        equal = float((known[:count] == given[:count]).sum()) + 0.5 * (max(len(known), len(given)) - count)
        best = max(best, equal / max(len(known), len(given), 1))
    return best


def clip_difference(recorded: Clip, path: str | Path) -> str | None:
    """What was done to a clip since it was recorded, in words, or None where the file is the same. Raises BadAudio."""
    given = clip(path)
    if given.digest == recorded.digest:
        return None
    if given.sound == recorded.sound:
        return f"the clip lies in another file ({recorded.encoding} -> {given.encoding}) with the same samples"
    if likeness(recorded.fingerprint, audio.read(path)) < ALIKE:
        return f"{given.name} is another recording than {recorded.name}"
    if given.sample_rate != recorded.sample_rate:
        rates = f"{recorded.sample_rate} -> {given.sample_rate} Hz"
        return f"the clip is the same recording at another sample rate ({rates}); use the original file"
    if given.encoding != recorded.encoding:
        return f"the clip was re-encoded ({recorded.encoding} -> {given.encoding}); use the original file"
    return "the clip is the same recording, re-encoded or edited: its samples differ; use the original file"


@dataclass(frozen=True)
class Remark:
    """One character of a text that may not be what its writer sees."""

    position: int
    character: str
    kind: str
    """`invisible`, `space`, `full-width`, `look-alike` or `half-width`."""
    effect: str
    """What resay makes of it."""

    def __str__(self) -> str:
        return f"character {self.position + 1} is {named(self.character)} ({self.kind}; {self.effect})"


def named(character: str) -> str:
    """`U+200B ZERO WIDTH SPACE`."""
    return f"U+{ord(character):04X} {unicodedata.name(character, 'CONTROL CHARACTER')}"


def remarks(text: str) -> Iterator[Remark]:
    """Invisible characters, odd spaces, full-width letters, look-alikes, half-width signs in Chinese; in order."""
    for position, character in enumerate(text):
        if " " <= character <= "~" and character not in HALF_WIDTH or character in "\n\t" or character in USUAL_SIGNS:
            continue
        category = unicodedata.category(character)
        becomes = cleaning.plain(character)
        if category in ("Cf", "Cc", "Cn", "Co") and becomes == "":
            yield Remark(position, character, "invisible", "left out")
        elif category == "Zs":
            yield Remark(position, character, "space", "read as a space")
        elif character in HALF_WIDTH:
            if _between_han(text, position):
                yield Remark(position, character, "half-width", f"in Chinese write {HALF_WIDTH[character]}")
        elif becomes and becomes != character and not cleaning.is_han(character) and category[0] in "LNPS":
            wide = "\uff01" <= character <= "\uff5e"
            yield Remark(position, character, "full-width" if wide else "look-alike", f"read as {becomes!r}")


def _between_han(text: str, position: int) -> bool:
    return 0 < position < len(text) - 1 and cleaning.is_han(text[position - 1]) and cleaning.is_han(text[position + 1])


def canonical_text(text: str) -> str:
    """The text in plain characters and single spaces: equal for texts that read the same. Raises BadText."""
    return " ".join(cleaning.clean(Traced.of(text)).text.split())


def text_difference(recorded: str, given: str) -> str | None:
    """Where two texts differ, with every strange character named, or None where they are equal."""
    if recorded == given:
        return None
    changes = []
    for kind, start, end, first, last in SequenceMatcher(None, recorded, given, autojunk=False).get_opcodes():
        if kind != "equal":
            before, after = _shown(recorded[start:end]), _shown(given[first:last])
            words = {"insert": f"{after} was added", "delete": f"{before} is missing"}
            changes.append(f"at character {start + 1} {words.get(kind, f'{before} became {after}')}")
    try:
        same = canonical_text(recorded) == canonical_text(given)
    except BadText:
        same = False
    more = f", and {len(changes) - 3} more" if len(changes) > 3 else ""
    return "; ".join(changes[:3]) + more + (" (it reads the same)" if same else "")


def _shown(part: str) -> str:
    """A stretch of text; what could be mistaken is named."""
    strange = [character for character in part if not (character.isascii() or cleaning.is_han(character))]
    if strange or len(part) == 1:
        return ", ".join(named(character) for character in (strange or part)[:3])
    return repr(part[:20] + "…" if len(part) > 20 else part)
