"""The way of a text through a sound, and what it would gain by leaving a word out or passing over some sound.

Letters in shapes: T frames, S states, W words, F prices. A state is one phoneme; pauses may be passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BAND = 1600
"""States that are looked at in one frame: about a minute of speech, so an hour needs no more memory than that."""
_NEVER = np.float32(-1e30)


@dataclass(frozen=True, eq=False)
class States:
    """Phonemes as the search sees them."""

    classes: np.ndarray
    """Class of each, int64 (S,)."""
    optional: np.ndarray
    """Which may take no time at all, bool (S,): pauses."""

    def part(self, first: int, end: int) -> States:
        return States(self.classes[first:end], self.optional[first:end])

    def held(self, frames: int | np.ndarray) -> tuple[States, np.ndarray]:
        """With every sound as so many states, which makes it last as many frames; and where each state begins (S + 1,).

        `frames` are the same for all or one number each (S,). A word that is not said cannot hide in a few frames then.
        """
        counts = np.where(self.optional, 1, frames)
        repeated = States(np.repeat(self.classes, counts), np.repeat(self.optional, counts))
        return repeated, np.concatenate([[0], np.cumsum(counts)])


def path(score: np.ndarray, states: States) -> np.ndarray:
    """Frames of every state, int64 (S,), on the likeliest way through the log posteriors (T, K).

    Monotonic: it never goes back, and leaves out nothing but pauses. Only states near the best one so far are looked
    at. Raises ValueError where there are fewer frames than sounds.
    """
    count, frames = len(states.classes), len(score)
    if frames < int((~states.optional).sum()) or not frames:
        raise ValueError("the sound is shorter than its text")
    width = min(count, BAND)
    moves = np.zeros((frames, width), dtype=np.uint8)
    offsets = np.zeros(frames, dtype=np.int64)
    best = np.full(width + 2, _NEVER, dtype=np.float32)
    best[2] = score[0, states.classes[0]]
    if count > 1 and states.optional[0]:
        best[3] = score[0, states.classes[1]]
    skips = np.concatenate([[False], states.optional])[:count]  # whether the state before may be passed over
    offset = 0
    for frame in range(1, frames):
        # What is left must still fit in: the band may not stay behind.
        wanted = int(np.clip(offset + int(best[2:].argmax()) - width // 2, offset, count - width))
        if wanted > offset:
            best[2:] = np.concatenate([best[2 + wanted - offset :], np.full(wanted - offset, _NEVER, np.float32)])
            offset = wanted
        offsets[frame] = offset
        stay, step = best[2:], best[1:-1]
        skip = np.where(skips[offset : offset + width], best[:-2], _NEVER)
        move = (step > stay).astype(np.uint8)
        found = np.maximum(stay, step)
        over = skip > found
        move[over] = 2
        moves[frame] = move
        best[2:] = np.maximum(found, skip) + score[frame, states.classes[offset : offset + width]]
    return _walked(moves, offsets, states, best[2:])


def _walked(moves: np.ndarray, offsets: np.ndarray, states: States, best: np.ndarray) -> np.ndarray:
    """Frames of every state by the moves taken (T, band), from the better of the last two states back."""
    count = len(states.classes)
    at = count - 1
    ends = best[count - 1 - offsets[-1]], best[count - 2 - offsets[-1]] if count > 1 else _NEVER
    if states.optional[-1] and ends[1] > ends[0]:
        at -= 1
    durations = np.zeros(count, dtype=np.int64)
    for frame in range(len(moves) - 1, -1, -1):
        durations[at] += 1
        at -= int(moves[frame, at - offsets[frame]])
        if at < 0:
            raise ValueError("the sound is shorter than its text")
    return durations


def reach(score: np.ndarray, states: States) -> np.ndarray:
    """Score of the best way from the start to every state at every frame, float32 (T, S)."""
    frames, count = len(score), len(states.classes)
    emitted = score[:, states.classes]
    found = np.full((frames, count + 2), _NEVER, dtype=np.float32)
    found[0, 2] = emitted[0, 0]
    if count > 1 and states.optional[0]:
        found[0, 3] = emitted[0, 1]
    skips = np.concatenate([[False], states.optional])[:count]
    for frame in range(1, frames):
        before = found[frame - 1]
        over = np.where(skips, before[:-2], _NEVER)
        found[frame, 2:] = np.maximum(np.maximum(before[2:], before[1:-1]), over) + emitted[frame]
    return found[:, 2:]


@dataclass(frozen=True, eq=False)
class Alternatives:
    """What a way through the sound would gain by departing from the text."""

    skip: np.ndarray
    """For every word the gain of leaving it out, float32 (W,)."""
    extra: np.ndarray
    """For every place between words (before the first, …, after the last) the gain of passing over sound, at each price
    of doing so, (W + 1, F)."""
    extra_start: np.ndarray
    """First frame of that sound at the first price, int64 (W + 1,)."""
    extra_end: np.ndarray
    """Past its last frame."""


def alternatives(score: np.ndarray, states: States, words: list[tuple[int, int]], free: np.ndarray) -> Alternatives:
    """Gains over the best way that keeps to the text, from log posteriors (T, K).

    `words` are stretches of states; `free` (F, T) is what a frame scores that belongs to no word, at each of several
    prices. Forward and backward scores make every departure one sum, so that all of them cost two searches (after
    Moreno et al. 1998).
    """
    ahead = reach(score, states)
    behind = reach(score[::-1], States(states.classes[::-1], states.optional[::-1]))[::-1, ::-1]
    total = max(ahead[-1, -1], ahead[-1, -2] if states.optional[-1] else _NEVER)
    past = np.pad(np.cumsum(free, axis=1, dtype=np.float64), ((0, 0), (1, 0))).astype(np.float32)
    skip = np.zeros(len(words), dtype=np.float32)
    extra = np.zeros((len(words) + 1, len(free)), dtype=np.float32)
    starts, ends = np.zeros(len(words) + 1, np.int64), np.zeros(len(words) + 1, np.int64)
    firsts = [first for first, _ in words] + [len(states.classes)]
    lasts = [0] + [end for _, end in words]
    for number, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
        # The pauses between the words may come before the free sound, after it, or both.
        before, after = _until(ahead, states, first), _from(behind, states, last)
        leave = before - past[:, 1:]
        joined = np.maximum.accumulate(leave, axis=1)[:, :-2] + past[:, 2:-1] + after[2:]
        extra[number] = joined.max(axis=1) - total
        ends[number] = int(joined[0].argmax()) + 2
        starts[number] = int(leave[0, : ends[number] - 1].argmax()) + 1
        if number < len(words):
            skip[number] = float((before[:-1] + _from(behind, states, words[number][1])[1:]).max()) - total
    return Alternatives(skip, extra, starts, ends)


def _until(ahead: np.ndarray, states: States, first: int) -> np.ndarray:
    """Best score of being through with everything before state `first` at each frame, (T,)."""
    found = np.full(len(ahead), _NEVER, dtype=np.float32)
    for state in range(first - 1, -1, -1):
        found = np.maximum(found, ahead[:, state])
        if not states.optional[state]:
            break
    return found


def _from(behind: np.ndarray, states: States, first: int) -> np.ndarray:
    """Best score of going on from state `first` at each frame to the end, (T,)."""
    found = np.full(len(behind), _NEVER, dtype=np.float32)
    for state in range(first, len(states.classes)):
        found = np.maximum(found, behind[:, state])
        if not states.optional[state]:
            break
    return found
