"""Plan and profile to mel, and the frame-level view of a plan that training and speaking share.

Letters in shapes: P phonemes, T mel frames, M mel bands, Z latent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from . import adapter, own_sounds, postfilter, semantic
from .aligner import SOUNDS, mean_sounds
from .audio import FORMAT, MEL_CENTRE, MEL_SPREAD, QUIETEST, energy, log_mel, scaled, speech_level
from .onnx_graph import OnnxGraph
from .pitch import PITCH_CENTRE, filled_pitch
from .planning import Planning
from .prompt import POINTS
from .prosody import Plan
from .reference import Profile
from .text import phonemes

_COMB_PITCHES = np.geomspace(50.0, 800.0, 193)
_COMB_FLOOR = -1.0  # no voice is as empty between its harmonics as a row of pulses
LATENT = 192
"""Width of the latent, z."""
KERNEL = 7
"""Steps that each of the decoder's blocks looks at together."""
FIRST_FRAMES = 64
"""Mel frames decoded first, an even number: as many as the vocoder wants to see before its first sound."""
KEPT_SHIFTS = 32
"""Voices whose rehearsals are kept: what comes out of them follows from voice and weights alone."""


def _points(durations: np.ndarray) -> np.ndarray:
    """Where the pitch points lie, in frames from the start, float64 (P * 3,)."""
    starts = np.cumsum(durations) - durations
    within = (np.arange(POINTS) + 0.5) / POINTS
    return (starts[:, None] + durations[:, None] * within[None, :]).reshape(-1)


def contour(plan: Plan) -> np.ndarray:
    """The plan's pitch on every frame, octaves from the middle pitch, float64 (T,): straight lines between points."""
    frames = np.arange(int(plan.durations.sum())) + 0.5
    return np.interp(frames, _points(plan.durations), plan.pitch.reshape(-1).astype(np.float64))


@lru_cache(maxsize=1)
def _combs() -> np.ndarray:
    """What a row of pulses looks like through the mel front end, for the pitches of `_COMB_PITCHES`, float32 (N, M).

    Less its mean over the bands: where the harmonics lie, at no loudness.
    """
    rows = []
    for hertz in _COMB_PITCHES:
        turns = np.floor(np.arange(FORMAT.window * 4) * hertz / FORMAT.sample_rate)
        mel = log_mel(np.diff(turns, prepend=-1.0).astype(np.float32))
        rows.append(mel[4:-4].mean(axis=0))
    found = (np.array(rows) - np.mean(rows, axis=1, keepdims=True)) / MEL_SPREAD
    return np.maximum(found, _COMB_FLOOR).astype(np.float32)


def harmonics(hertz: np.ndarray) -> np.ndarray:
    """Where the harmonics of a pitch (T,) in Hz lie among the mel bands, float32 (T, M).

    A network draws them badly from the pitch's number: which band a harmonic falls into is no smooth function of it.
    """
    table = _combs()
    place = np.interp(np.log(hertz), np.log(_COMB_PITCHES), np.arange(len(table)))
    low = np.minimum(place.astype(np.int64), len(table) - 2)
    share = (place - low)[:, None].astype(np.float32)
    return table[low] * (1.0 - share) + table[low + 1] * share


def plan_columns(plan: Plan, middle: float) -> np.ndarray:
    """What the network reads of a plan on every frame, float32 (T, 5 + M).

    Absolute pitch in octaves, energy between phoneme centres, the way through the phoneme forth and back, log duration;
    then the harmonics of the pitch.
    """
    durations = plan.durations
    owner = np.repeat(np.arange(len(durations)), durations)
    starts = np.cumsum(durations) - durations
    frames = np.arange(int(durations.sum())) + 0.5
    through = (frames - starts[owner]) / durations[owner]
    course = contour(plan)
    octaves = course + np.log2(middle / PITCH_CENTRE)
    loudness = np.interp(frames, starts + durations / 2, plan.energy)
    columns = [octaves, loudness, through, 1.0 - through, np.log(durations[owner]) / 3.0]
    own = np.stack(columns, axis=1).astype(np.float32)
    return np.concatenate([own, harmonics(middle * np.exp2(course))], axis=1)


def measured_plan(track: np.ndarray, loudness: np.ndarray, durations: np.ndarray, middle: float) -> Plan:
    """The plan that speech followed, from pitch (T,) in Hz, loudness (T,) against the speech level, durations (P,)."""
    octaves = np.log2(filled_pitch(track) / middle)
    bounds = np.concatenate([[0], np.cumsum(durations)])
    total = np.concatenate([[0.0], np.cumsum(loudness)])
    energy = (total[bounds[1:]] - total[bounds[:-1]]) / durations
    # The mean of a window around each point rather than the frame beneath it: the tracker's jitter is not prosody.
    sums = np.concatenate([[0.0], np.cumsum(octaves)])
    centres = _points(durations)
    half = np.repeat(np.maximum(durations / POINTS / 2, 1.0), POINTS)
    first = np.clip(np.rint(centres - half), 0, len(octaves) - 1).astype(np.int64)
    last = np.clip(np.rint(centres + half), first + 1, len(octaves)).astype(np.int64)
    pitch = ((sums[last] - sums[first]) / (last - first)).reshape(-1, POINTS)
    return Plan(durations.astype(np.int64), pitch.astype(np.float32), energy.astype(np.float32))


VOICED_SHARE = 0.4
"""Phonemes with less voicing than this have no pitch of their own."""


def measured(mel: np.ndarray, track: np.ndarray, durations: np.ndarray, middle: float) -> tuple[Plan, np.ndarray]:
    """The plan that aligned speech followed, log mels (T, M) and pitch (T,), and which phonemes are voiced (P,)."""
    plan = measured_plan(track, energy(mel) - speech_level(mel), durations, middle)
    bounds = np.concatenate([[0], np.cumsum(durations)])
    total = np.concatenate([[0], np.cumsum(track > 0)])
    return plan, (total[bounds[1:]] - total[bounds[:-1]]) / durations >= VOICED_SHARE


LONGEST_START, LONGEST_END = 8, 28  # frames: 0.1 s and 0.35 s


def with_short_ends(plan: Plan, count: int) -> Plan:
    """The plan without long silence around the piece: sound shall start at once, and pieces follow each other closely.

    The first phoneme is the start, the last two of `count` are the closing punctuation and the end.
    """
    durations = plan.durations.copy()
    durations[0] = min(durations[0], LONGEST_START)
    if len(durations) == count:
        durations[-1] = min(durations[-1], LONGEST_END // 4)
        durations[-2] = min(durations[-2], LONGEST_END - durations[-1])
    return Plan(durations, plan.pitch, plan.energy)


SHORTEST_SOUND, SHORTEST_ONSET = 2, 4  # frames: 25 ms and 50 ms
_IS_SONORANT = np.isin(phonemes.SYMBOLS, "m n l r M N NG L R W Y".split())
_IS_REST = ~phonemes.IS_SOUND & (np.array(phonemes.SYMBOLS) != phonemes.BOUNDARY)


def with_audible_sounds(plan: Plan, ids: np.ndarray) -> Plan:
    """The plan with time for each of its sounds, phonemes (P,).

    A sound of one frame is one that was not found in the speech that the planner learnt from, most often a sonorant
    after a pause: planned so it is not heard, and another word is.
    """
    opens = _IS_SONORANT[ids] & np.concatenate([[False], _IS_REST[ids][:-1]])
    least = np.where(opens, SHORTEST_ONSET, np.where(phonemes.IS_SOUND[ids], SHORTEST_SOUND, 1))
    return Plan(np.maximum(plan.durations, least), plan.pitch, plan.energy)


def with_speed(plan: Plan, speed: float) -> Plan:
    """The plan at another rate of speech: 2.0 is twice as fast. Rounding is carried on, so the total is kept."""
    if speed == 1.0:
        return plan
    ends = np.rint(np.cumsum(plan.durations) / speed).astype(np.int64)
    # No phoneme may vanish: each ends at least a frame after the one before it.
    places = np.arange(len(ends))
    ends = np.maximum.accumulate(ends - places) + places
    ends = np.maximum(ends, places + 1)
    return Plan(np.diff(ends, prepend=0), plan.pitch, plan.energy)


@dataclass(frozen=True)
class _Speaker:
    """A profile that is known again by the digest of its voice."""

    digest: str
    profile: Profile = field(compare=False)


class Acoustic:
    """The exported acoustic model: text encoder over phonemes, decoder over frames."""

    def __init__(
        self,
        encoder: OnnxGraph,
        decoder: OnnxGraph,
        strength: float,
        rehearsal: Mapping[str, Sequence[own_sounds.Line]],
    ) -> None:
        """`rehearsal`: by language what is said with a voice to see how far its sounds are from the speaker's own."""
        self._encoder, self._decoder = encoder, decoder
        self._strength = strength
        self._rehearsal = rehearsal
        self._kept_shifts = lru_cache(KEPT_SHIFTS)(self._rehearse)
        # Frames on either side that decide a frame: of the decoder's blocks, which step over pairs, and the postnet's.
        blocks = 2 * int(decoder.note["decoder_layers"]) + int(decoder.note["postnet_layers"])
        self._side = -(-blocks * (KERNEL // 2) // 2) * 2

    def _encode(self, ids: np.ndarray, profile: Profile, meaning: np.ndarray | None) -> dict[str, np.ndarray]:
        own = adapter.inputs(self._encoder, "acoustic_encoder", profile.adapter)
        own |= semantic.inputs(self._encoder, meaning)
        if "sounds" in self._encoder.shapes:
            own["sounds"] = (np.zeros(SOUNDS, dtype=np.float32) if profile.sounds is None else profile.sounds)[None]
        return self._encoder.run(ids=ids[None], timbre=profile.timbre[None], style=profile.style[None], **own)

    def shifts(self, profile: Profile, digest: str) -> np.ndarray | None:
        """`own_sounds.shifts` (K, M) of a voice by profile and digest; None where there is nothing to shift it by.

        What is rehearsed is the language that the clip's sounds are of.
        """
        if profile.sounds is None or not self._rehearsal:
            return None
        return self._kept_shifts(_Speaker(digest, profile))

    def forget(self) -> None:
        """Give back what is kept of rehearsals."""
        self._kept_shifts.cache_clear()

    def _rehearse(self, speaker: _Speaker) -> np.ndarray:
        profile, said = speaker.profile, []
        assert profile.sounds is not None
        for line in self._rehearsal[own_sounds.spoken(profile.sounds, self._rehearsal)]:
            meaning = np.zeros((len(line.ids), semantic.SEMANTIC), np.float32)
            mel, _ = self.render(line.ids, line.plan, profile, np.zeros, meaning)
            said.append(mean_sounds(scaled(mel), own_sounds.frame_classes(line.ids, line.plan.durations)))
        return own_sounds.shifts(profile.sounds, said)

    def render(
        self,
        ids: np.ndarray,
        plan: Plan,
        profile: Profile,
        noise: Callable[[tuple[int, int]], np.ndarray],
        meaning: np.ndarray | None = None,
        shifts: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log mels (T, M) and pitch (T,) in Hz, 0 where unvoiced, of phonemes (P,) said as planned.

        `noise` draws standard normal numbers of a shape, for weights that leave something to chance; `meaning` holds
        semantic vectors (P, 64), where weights take them; `shifts` (K, M) is what `shifts` says of the voice.
        """
        parts = self.stream(ids, Planning.of(plan), profile, noise, meaning, shifts)
        mel, voiced, hertz = (np.concatenate(column) for column in zip(*parts, strict=True))
        return mel, np.where(voiced, hertz, 0.0).astype(np.float32)

    def stream(
        self,
        ids: np.ndarray,
        planning: Planning,
        profile: Profile,
        noise: Callable[[tuple[int, int]], np.ndarray],
        meaning: np.ndarray | None = None,
        shifts: np.ndarray | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What `render` makes, in parts, a short one first, as soon as its plan is settled.

        Log mels (T, M), which frames are voiced, bool (T,), and a pitch in Hz (T,) that goes on where none is. The
        decoder sees windows that overlap by what it can look at, always the same ones.
        """
        encoded = self._encode(ids, profile, meaning)
        given = {"text": encoded["text"], "condition": encoded["condition"]}
        given |= adapter.inputs(self._decoder, "acoustic_decoder", profile.adapter)
        if "noise" in self._decoder.shapes:  # a feed-forward decoder leaves nothing to chance
            shape = (int(planning.whole().durations.sum()) + 1) // 2, LATENT
            given |= {"noise": noise(shape)[None].astype(np.float32)}
            given |= {"strength": np.array([self._strength], dtype=np.float32)}
        for plan, first, last in self._windows(planning):
            owner = np.repeat(np.arange(len(plan.durations)), plan.durations)
            columns, hertz = plan_columns(plan, profile.pitch), profile.pitch * np.exp2(contour(plan))
            before = min(first, self._side)
            seen, said = slice(first - before, last + self._side), slice(before, before + last - first)
            answer = self._decoder.run(owner=_in_pairs(owner[seen])[None], plan=_in_pairs(columns[seen])[None], **given)
            mel = answer["mel"][0, said]
            if shifts is not None:
                mel = mel + own_sounds.along(shifts, ids[: len(plan.durations)], plan.durations)[first:last]
            mel = postfilter.clarified(mel * MEL_SPREAD + MEL_CENTRE)
            yield np.maximum(mel, np.log(QUIETEST)), answer["voicing"][0, said] > 0, hertz[first:last]

    def _windows(self, planning: Planning) -> Iterator[tuple[Plan, int, int]]:
        """Which frames are decoded together, and the plan as far as they want it settled.

        What is drawn for a latent is of the whole.
        """
        least, first = FIRST_FRAMES + self._side, 0
        if "noise" not in self._decoder.shapes and planning.settled(least).durations.sum() > least:
            first = FIRST_FRAMES
            yield planning.settled(least), 0, first
        yield planning.whole(), first, int(planning.whole().durations.sum())


def _in_pairs(values: np.ndarray) -> np.ndarray:
    """Values of frames (T, ...), the last once more where they are odd: the network steps over pairs of frames."""
    return np.concatenate([values, values[-1:]]) if len(values) % 2 else values
