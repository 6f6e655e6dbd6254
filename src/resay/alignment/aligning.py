"""A text laid along a sound: words, characters and phonemes with their times, and the words that are too many or few.

Nothing here was learnt from labelled times: the classifier of frames taught itself by monotonic search.

Letters in shapes: T mel frames, M mel bands, K classes, S states, W words, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..aligner import CLASS_OF, SILENCE, Aligner, floored
from ..audio import FORMAT
from ..errors import BadAudio
from ..subtitles import Stretch
from ..text import Sentence, phonemes
from . import doubts, search
from .search import States

SENTENCE_ENDS = frozenset(".!?;…")
LEAST = 2, 3
"""Frames that a consonant and a vowel last at least (25 and 38 ms) where the text has room for that: with less, a word
that is said quickly is put into a frame or two of its neighbour."""
ROOM = 1.5
"""How many times as many frames there must be."""
HOLD = 3
"""Frames that a sound lasts at least (38 ms) where departures are looked for, fewer where the speech is that quick."""
LONGEST_STRETCH = 300
"""States in which departures from the text are looked for at once; the way through them is known by then."""


@dataclass(frozen=True)
class HeardWord(Stretch):
    """A word as written, and whether it is heard there."""

    confidence: float
    """Probability that the word is said here, 0 to 1."""
    span: tuple[int, int]
    """Characters of the raw text, end excluded."""


@dataclass(frozen=True)
class Disagreement(Stretch):
    """A stretch where text and sound differ. `text` is the word missing or repeated; of extra words it is empty."""

    kind: str
    """`missing`, `extra` or `repeated`."""
    sureness: float
    """Probability that it is so, 0 to 1."""


@dataclass(frozen=True)
class Alignment:
    """A text laid along a sound. All times are seconds from the sound's start."""

    words: tuple[HeardWord, ...]
    characters: tuple[Stretch, ...]
    """Of the Mandarin words."""
    phonemes: tuple[Stretch, ...]
    """Without pauses."""
    sentences: tuple[tuple[int, int], ...]
    """Words of each sentence, end excluded."""
    disagreements: tuple[Disagreement, ...]
    text: str
    """As given."""
    seconds: float


def align(mel: np.ndarray, sentence: Sentence, aligner: Aligner, sureness: float = doubts.LINE) -> Alignment:
    """Lay a text along the log mels (T, M) of a recording; disagreements are told above this probability.

    Raises BadAudio where the sound is too short for the text.
    """
    score = floored(aligner.log_posteriors(mel))
    try:
        durations = way(score, sentence)
    except ValueError as error:
        raise BadAudio(f"{FORMAT.seconds(len(mel)):.1f} s of sound are too short for this text") from error
    edges = np.concatenate([[0], np.cumsum(durations)])
    fitted = doubts.shipped()
    evidence = gathered(score, sentence, fitted.lengths)
    certain = 1.0 - fitted.words.probability(evidence.words)
    surplus = fitted.places.probability(evidence.places)
    return Alignment(
        words=tuple(_words(sentence, edges, certain)),
        characters=tuple(_characters(sentence, edges)),
        phonemes=tuple(
            _stretch(symbol, edges[at], edges[at + 1])
            for at, symbol in enumerate(sentence.phonemes)
            if not phonemes.is_pause(symbol)
        ),
        sentences=tuple(_sentences(sentence)),
        disagreements=tuple(_disagreements(sentence, edges, score, evidence, certain, surplus, sureness)),
        text=sentence.text,
        seconds=FORMAT.seconds(len(mel)),
    )


def states_of(sentence: Sentence) -> States:
    """Every phoneme as a state; pauses, and both ends, may take no time."""
    optional = np.array([phonemes.is_pause(symbol) for symbol in sentence.phonemes])
    return States(CLASS_OF[sentence.ids], optional)


def way(score: np.ndarray, sentence: Sentence) -> np.ndarray:
    """Frames of every phoneme, int64 (P,), on the likeliest way through the log posteriors (T, K).

    Raises ValueError where there are fewer frames than sounds.
    """
    states = states_of(sentence)
    least = np.where(phonemes.ACCENT_OF[sentence.ids] > 0, LEAST[1], LEAST[0])
    held, places = states.held(least)
    if ROOM * len(held.classes) > len(score):
        return search.path(score, states)
    return np.add.reduceat(search.path(score, held), places[:-1])


@dataclass(frozen=True, eq=False)
class Evidence:
    """What speaks for departures from the text."""

    words: np.ndarray
    """Of every word, float32 (W, F): see `doubts.WORD_FEATURES`."""
    places: np.ndarray
    """Of every place between words, float32 (W + 1, F): see `doubts.PLACE_FEATURES`."""
    starts: np.ndarray
    """First frame of what may be too much in each place, int64 (W + 1,)."""
    ends: np.ndarray
    """Past its last frame."""


def gathered(score: np.ndarray, sentence: Sentence, lengths: doubts.Lengths) -> Evidence:
    """Evidence along the way of sounds that may be as short as they like, stretch by stretch, each between two words.

    What shrinks to nothing there speaks against its word; `way` would hide it. Raises ValueError as `way` does.
    """
    states = states_of(sentence)
    edges = np.concatenate([[0], np.cumsum(search.path(score, states))])
    spans = [word.phonemes for word in sentence.words]
    gap = doubts.gaps(score, states.classes, edges)
    free = doubts.free_score(score, gap)
    parts = []
    for first, end in _stretches(spans):
        left = 0 if first == 0 else spans[first][0]
        right = len(states.classes) if end == len(spans) else spans[end][0]
        frames = slice(int(edges[left]), int(edges[right]))
        if frames.stop - frames.start < 4:
            raise BadAudio("the sound is too short for this text")
        part = states.part(left, right)
        sounds = max(1, int((~part.optional).sum()))
        held, places = part.held(int(np.clip((frames.stop - frames.start) // (2 * sounds), 1, HOLD)))
        local = [(int(places[a - left]), int(places[b - left])) for a, b in spans[first:end]]
        found = search.alternatives(score[frames], held, local, free[frames])
        parts.append((first, end, frames.start, found))
    mandarin = np.array([float(word.language == "zh") for word in sentence.words])
    return _joined(parts, doubts.Way(score, states.classes, edges, spans, mandarin, lengths))


def _stretches(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Words in groups of at most `LONGEST_STRETCH` states."""
    groups, first = [], 0
    for number in range(1, len(spans) + 1):
        if number == len(spans) or spans[number][1] - spans[first][0] > LONGEST_STRETCH:
            groups.append((first, number))
            first = number
    return groups


def _joined(parts: list[tuple[int, int, int, search.Alternatives]], way: doubts.Way) -> Evidence:
    count = len(way.spans)
    extra = np.full((count + 1, len(doubts.PRICES)), -np.inf)
    starts, ends = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    skip = np.concatenate([found.skip for _, _, _, found in parts])
    for first, end, offset, found in parts:
        # Where two stretches meet, both have looked; the greater gain counts.
        for place in range(first, end + 1):
            if found.extra[place - first, 0] > extra[place, 0]:
                extra[place] = found.extra[place - first]
                starts[place] = found.extra_start[place - first] + offset
                ends[place] = found.extra_end[place - first] + offset
    words = doubts.word_features(way, skip, extra)
    return Evidence(words, doubts.place_features(way, skip, extra, starts, ends), starts, ends)


def _stretch(text: str, first: int, end: int) -> Stretch:
    return Stretch(text, FORMAT.seconds(int(first)), FORMAT.seconds(int(end)))


def _words(sentence: Sentence, edges: np.ndarray, certain: np.ndarray) -> list[HeardWord]:
    """Words as written: what is said for one number is one word, as sure as its least sure part."""
    found = []
    for span, numbered in groupby(enumerate(sentence.words), key=lambda entry: entry[1].span):
        said = list(numbered)
        start, end = edges[said[0][1].phonemes[0]], edges[said[-1][1].phonemes[1]]
        sure = float(min(certain[number] for number, _ in said))
        times = FORMAT.seconds(int(start)), FORMAT.seconds(int(end))
        found.append(HeardWord(said[0][1].text, *times, round(sure, 3), span))
    return found


def _characters(sentence: Sentence, edges: np.ndarray) -> list[Stretch]:
    """Times of single characters; a word whose characters and syllables differ in number stays whole."""
    found = []
    for word in sentence.words:
        if word.language != "zh":
            continue
        first, end = word.phonemes
        ends = [at + 1 for at in range(first, end) if sentence.phonemes[at][-1].isdigit()]
        if len(ends) == len(word.text) and ends[-1] == end:
            starts = [first, *ends[:-1]]
            found += [_stretch(*row) for row in zip(word.text, edges[starts], edges[ends], strict=True)]
        else:
            found.append(_stretch(word.text, edges[first], edges[end]))
    return found


def _sentences(sentence: Sentence) -> list[tuple[int, int]]:
    """Words of each sentence: up to a word that a full stop or its like follows."""
    written = [list(said)[-1] for _, said in groupby(sentence.words, key=lambda word: word.span)]
    found, first = [], 0
    for number, word in enumerate(written):
        after = sentence.phonemes[word.phonemes[1] : word.phonemes[1] + 1]
        if number == len(written) - 1 or (after and after[0] in SENTENCE_ENDS):
            found.append((first, number + 1))
            first = number + 1
    return found


def _disagreements(
    sentence: Sentence,
    edges: np.ndarray,
    score: np.ndarray,
    evidence: Evidence,
    certain: np.ndarray,
    surplus: np.ndarray,
    line: float,
) -> list[Disagreement]:
    found = []
    for number, sure in enumerate(certain):
        if 1 - sure > line:
            word = sentence.words[number]
            start, end = (FORMAT.seconds(int(edges[at])) for at in word.phonemes)
            found.append(Disagreement(word.text, start, end, "missing", round(1 - float(sure), 3)))
    told: set[int] = set()
    for place in np.argsort(-surplus):
        sure, first, past = surplus[place], int(evidence.starts[place]), int(evidence.ends[place])
        # A word said twice may be too much before or behind itself: what lies beside something told is the same.
        if sure > line and not told & {place - 1, place, place + 1}:
            told.add(int(place))
            text = _repeated(sentence, place, score[first:past])
            kind = "repeated" if text else "extra"
            start, end = FORMAT.seconds(first), FORMAT.seconds(past)
            found.append(Disagreement(text, start, end, kind, round(float(sure), 3)))
    return sorted(found, key=lambda it: it.start)


def _repeated(sentence: Sentence, place: int, score: np.ndarray) -> str:
    """The words before or after a place that fit the sound (T, K) there, where some do; else the empty string."""
    best, found = doubts.LOOSEST_REPEAT, ""
    free = score.max(axis=1).sum()
    for count in (1, 2, 3):
        for first in (place - count, place):
            words = sentence.words[max(0, first) : first + count]
            if first < 0 or len(words) < count:
                continue
            classes = CLASS_OF[sentence.ids[words[0].phonemes[0] : words[-1].phonemes[1]]]
            padded = np.concatenate([[SILENCE], classes, [SILENCE]])
            states = States(padded, padded == SILENCE)
            if len(score) < len(classes):
                continue
            durations = search.path(score, states)
            owner = np.repeat(padded, durations)
            lost = float(free - score[np.arange(len(score)), owner].sum()) / len(score)
            if lost < best:
                best, found = lost, "".join(_written(words))
    return found


def _written(words: Sequence[object]) -> list[str]:
    """Words as one would write them: a space between two of Latin letters."""
    parts: list[str] = []
    for word in words:
        text = str(getattr(word, "text", ""))
        parts.append(f" {text}" if parts and parts[-1][-1].isascii() and text[:1].isascii() else text)
    return parts
