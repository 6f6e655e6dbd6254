"""Tokens to pieces short enough to speak at once, and pieces to sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import phonemes
from .readings import Token
from .sentence import Sentence, Word
from .traced import Traced

MOST_SYLLABLES, MOST_WORDS = 60, 25

_STRENGTH = {pause: strength for strength, pause in enumerate("_,—:;….!?")}
_SENTENCE_ENDS = frozenset(".!?…")


def cut(tokens: Sequence[Token], normalised: Traced) -> Iterator[list[Token]]:
    """Tokens cut at sentence ends, and where that is too long, at clauses, then at words; every piece has words."""
    piece: list[Token] = []
    for token in tokens:
        ended = piece and piece[-1].pause in _SENTENCE_ENDS and any(part.symbols for part in piece)
        if ended and token.pause not in _SENTENCE_ENDS and token.seconds is None:
            yield from _short(piece, normalised)
            piece = []
        piece.append(token)
    if any(part.symbols for part in piece):
        yield from _short(piece, normalised)


def _length(token: Token) -> float:
    """Length of a token, one being the most that is spoken at once."""
    if not token.symbols:
        return 0.0
    return len(token.reading) / MOST_SYLLABLES if token.language == "zh" else 1 / MOST_WORDS


def _short(tokens: list[Token], normalised: Traced) -> Iterator[list[Token]]:
    """A sentence in as few pieces as its length asks for, cut at the clause, else the word, nearest to equal parts."""
    lengths = [_length(token) for token in tokens]
    total = sum(lengths)
    if total <= 1:
        yield tokens
        return
    best, best_cost = 0, 9.0
    before = 0.0
    for position in range(1, len(tokens)):
        before += lengths[position - 1]
        left, right = tokens[position - 1], tokens[position]
        inside = normalised.ends[left.end - 1] > normalised.starts[right.start]
        if right.pause or inside or before == 0 or before == total:
            continue
        cost = abs(before / total - 0.5) + (0.0 if left.pause in (";", ":", "—") else 0.1 if left.pause else 1.0)
        if cost < best_cost:
            best, best_cost = position, cost
    if not best:
        yield tokens
        return
    head = tokens[:best]
    if not head[-1].pause:
        head = [*head, Token(head[-1].end, head[-1].end, pause=",")]
    yield from _short(head, normalised)
    yield from _short(tokens[best:], normalised)


def sentence(tokens: Sequence[Token], normalised: Traced, raw: str) -> Sentence:
    """The piece with its phonemes and its way back to the raw text."""
    symbols = [phonemes.START]
    words: list[Word] = []
    breaks: dict[int, float] = {}
    pause, seconds = "", None
    for token in [*tokens, Token(0, 0, symbols=(phonemes.END,))]:
        if token.pause:
            pause = max(pause, token.pause, key=lambda sign: _STRENGTH.get(sign, -1))
            seconds = token.seconds if seconds is None else seconds + (token.seconds or 0)
            continue
        last = token.symbols == (phonemes.END,)
        if words:
            symbols.append((pause if pause != "_" else "") or "." if last else pause or phonemes.BOUNDARY)
        if seconds is not None:
            breaks[len(symbols) - 1] = seconds
        pause, seconds = "", None
        if not last and token.symbols:
            words.append(_word(token, normalised, raw, len(symbols)))
        symbols += token.symbols
    spoken = [token for token in tokens if token.symbols or _is_shown(token, normalised)]
    first = next(token for token in tokens if token.symbols)
    start, end = first.start, max(spoken[-1].end, first.end)
    span = normalised.span(start, end)
    text = normalised.text[start:end]
    for token in tokens:
        if token.shown or token.seconds is not None:
            text = text.replace(normalised.text[token.start], token.shown)
    return Sentence(raw[span[0] : span[1]], text.strip(), tuple(words), tuple(symbols), span, breaks)


def _is_shown(token: Token, normalised: Traced) -> bool:
    """Whether a pause is a sign that was written rather than a break or the end of a line."""
    return bool(token.pause) and token.seconds is None and normalised.text[token.start : token.end] != "\n"


def _word(token: Token, normalised: Traced, raw: str, begin: int) -> Word:
    start, end = normalised.span(token.start, token.end)
    place = (begin, begin + len(token.symbols))
    said = token.shown or normalised.text[token.start : token.end]
    return Word(raw[start:end], token.language, token.reading, token.source, (start, end), place, said)
