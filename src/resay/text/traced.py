"""A string that remembers where in the raw text each of its characters came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Traced:
    """`text` with, for every character, the raw characters `starts[i]:ends[i]` it stands for."""

    text: str
    starts: list[int]
    ends: list[int]

    @classmethod
    def of(cls, text: str, offset: int = 0) -> Traced:
        """Raw text that stands for itself, its first character being number `offset`."""
        return cls(text, list(range(offset, offset + len(text))), list(range(offset + 1, offset + len(text) + 1)))

    @classmethod
    def join(cls, parts: Iterable[Traced]) -> Traced:
        """Several pieces one after the other."""
        texts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for part in parts:
            texts.append(part.text)
            starts += part.starts
            ends += part.ends
        return cls("".join(texts), starts, ends)

    def __len__(self) -> int:
        return len(self.text)

    def cut(self, start: int, end: int) -> Traced:
        """The characters `start:end`."""
        return Traced(self.text[start:end], self.starts[start:end], self.ends[start:end])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Raw characters that `start:end` stands for; the range must not be empty."""
        return min(self.starts[start:end]), max(self.ends[start:end])

    def replace(self, pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str | None] | str) -> Traced:
        """Every match replaced. A function that returns None leaves its match as it is.

        A replacement that is a part of its match keeps its own place. So does what the two share at their ends: in
        500元 → 五百元 the 元 stays 元. Everything between stands for everything between.
        """
        texts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        done = 0
        for match in pattern.finditer(self.text):
            new = replacement if isinstance(replacement, str) else replacement(match)
            if new is None or new == match.group():
                continue
            kept = match.group().find(new) if new else -1
            if kept >= 0:
                start, end = match.start() + kept, match.start() + kept + len(new)
                texts += self.text[done : match.start()], new
                starts += self.starts[done : match.start()] + self.starts[start:end]
                ends += self.ends[done : match.start()] + self.ends[start:end]
                done = match.end()
                continue
            head, tail = _shared_ends(match.group(), new)
            start, end = match.start() + head, match.end() - tail
            texts += self.text[done:start], new[head : len(new) - tail]
            starts += self.starts[done:start]
            ends += self.ends[done:start]
            if start < end:
                first, last = self.span(start, end)
            else:
                first = last = self.starts[start] if start < len(self.starts) else self.ends[-1]
                first = self.starts[start - 1] if start else first
            starts += [first] * (len(new) - tail - head)
            ends += [last] * (len(new) - tail - head)
            done = end
        if not texts:
            return self
        return Traced("".join(texts) + self.text[done:], starts + self.starts[done:], ends + self.ends[done:])


def _shared_ends(old: str, new: str) -> tuple[int, int]:
    """How many characters the two have in common at the front and, of the rest, at the back."""
    shortest = min(len(old), len(new))
    head = 0
    while head < shortest and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return head, tail
