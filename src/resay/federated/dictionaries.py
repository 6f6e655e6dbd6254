"""Pronunciation dictionaries that learn from each other: only what was opted in, and only what many hold.

Everybody's lexicon stays at home. Entries that its owner has opted in are counted together with everybody else's, in
two secure sums of which the server sees only the totals:

1. how many hold an entry in each bucket, the buckets being keyed hashes of whole entries, in three rows,
2. of the buckets that at least k hold, the entries themselves: k equal entries add up to k times their bytes, which
   divide back into the entry; anything else fails its checksum and stays unread.

What k clients hold is published to all, as increments of a Yjs document (pycrdt): a set of records that only grows,
so that copies that went different ways always come together again. Which reading then counts is a written rule
(`resolved`).

Letters in shapes: R rows, B buckets, F buckets found full, W numbers of one entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pycrdt import Doc, Map

from .. import audio
from ..errors import BadFile, BadLexicon, BadOption
from ..text import Lexicon

ROWS, BUCKETS = 3, 4096
LONGEST_ENTRY, CHECKSUM = 120, 8
"""Bytes."""
WIDTH = 1 + LONGEST_ENTRY + CHECKSUM
"""Numbers of one entry in the second sum; the first counts its holders."""
MOST_ENTRIES = 256
"""Entries that one client has counted in a round: a full table would count strangers together."""
SMALLEST_CROWD = 3
RECORDS = "records"

Entry = tuple[str, str]
"""Grapheme and reading."""
Sum = Callable[[Mapping[int, np.ndarray]], np.ndarray]
"""Adds int64 vectors of clients (by number) without showing one of them to anybody."""


def _packed(entry: Entry) -> bytes:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()


def places(entry: Entry, nonce: bytes) -> tuple[int, ...]:
    """The bucket of an entry in each row, (R,). Another round's nonce scatters entries anew."""
    digests = (hashlib.sha256(nonce + bytes([row]) + _packed(entry)).digest() for row in range(ROWS))
    return tuple(int.from_bytes(digest[:8], "big") % BUCKETS for digest in digests)


def checked(entries: Iterable[Entry]) -> list[Entry]:
    """Entries that may be counted, in a fixed order. Raises BadOption where one is too long, or there are too many."""
    found = sorted(set(entries))
    for grapheme, phoneme in found:
        if len(_packed((grapheme, phoneme))) > LONGEST_ENTRY:
            raise BadOption(f"{grapheme[:20]!r} is too long to be shared: an entry has {LONGEST_ENTRY} bytes at most")
    if len(found) > MOST_ENTRIES:
        raise BadOption(f"{len(found)} entries are too many to be counted in one round; opt in {MOST_ENTRIES} at most")
    return found


def held(entries: Iterable[Entry], nonce: bytes) -> np.ndarray:
    """What a client adds to the first sum: 1 in the buckets of its entries, int64 (R · B,)."""
    table = np.zeros((ROWS, BUCKETS), dtype=np.int64)
    for entry in checked(entries):
        table[range(ROWS), places(entry, nonce)] = 1
    return table.ravel()


def full(total: np.ndarray, least: int) -> tuple[int, ...]:
    """The buckets of the first row that at least `least` clients hold, and that lie under no emptier ones.

    Raises BadOption for a crowd that hides nobody.
    """
    if least < SMALLEST_CROWD:
        raise BadOption(f"an entry that {least} hold is no common one; ask for {SMALLEST_CROWD} or more")
    return tuple(np.flatnonzero(total.reshape(ROWS, BUCKETS)[0] >= least).tolist())


def contents(
    entries: Iterable[Entry], nonce: bytes, total: np.ndarray, buckets: Sequence[int], least: int
) -> np.ndarray:
    """What a client adds to the second sum: its entries in the full buckets, int64 (F · W,).

    An entry goes only where all its rows are full by the totals of the first sum: one row may be full of others.
    """
    table = total.reshape(ROWS, BUCKETS)
    places_of = {bucket: place for place, bucket in enumerate(buckets)}
    found = np.zeros((len(buckets), WIDTH), dtype=np.int64)
    for entry in checked(entries):
        where = places(entry, nonce)
        if where[0] in places_of and (table[range(ROWS), where] >= least).all():
            content = _packed(entry)
            padded = content.ljust(LONGEST_ENTRY) + hashlib.sha256(nonce + content).digest()[:CHECKSUM]
            found[places_of[where[0]]] += np.array([1, *padded], dtype=np.int64)
    return found.ravel()


def agreed(total: np.ndarray, nonce: bytes, least: int) -> dict[Entry, int]:
    """The entries of the second sum that at least `least` clients hold, with how many. The others stay unread."""
    found = {}
    for block in total.reshape(-1, WIDTH):
        count, values = int(block[0]), block[1:]
        if count < least or (values % count).any() or (values < 0).any() or (values > 255 * count).any():
            continue
        padded = bytes((values // count).astype(np.uint8))
        content, checksum = padded[:LONGEST_ENTRY].rstrip(), padded[LONGEST_ENTRY:]
        if hashlib.sha256(nonce + content).digest()[:CHECKSUM] == checksum:
            grapheme, phoneme = json.loads(content)
            found[str(grapheme), str(phoneme)] = count
    return found


def count_round(clients: Mapping[int, Iterable[Entry]], nonce: bytes, least: int, add_up: Sum) -> dict[Entry, int]:
    """One whole round: what at least `least` of the clients hold. Raises BadOption."""
    entries = {number: checked(own) for number, own in clients.items()}
    total = add_up({number: held(own, nonce) for number, own in entries.items()})
    buckets = full(total, least)
    if not buckets:
        return {}
    second = {number: contents(own, nonce, total, buckets, least) for number, own in entries.items()}
    return agreed(add_up(second), nonce, least)


@dataclass(frozen=True, order=True)
class Record:
    """One thing that a round has published. Records are only ever added."""

    round: int
    grapheme: str
    phoneme: str
    """Empty where everything that was agreed on for the grapheme until this round is taken back."""
    holders: int


def resolved(records: Iterable[Record]) -> dict[str, str]:
    """The reading of each grapheme, by the written rule; the order of the records does not matter.

    1. A retraction takes back what was agreed on until its round, and in it.
    2. Of several readings the one counts whose last count is the highest.
    3. Of equals the one that was agreed on first; of these the first in code point order.
    """
    by_word: dict[str, list[Record]] = {}
    for record in sorted(records):
        by_word.setdefault(record.grapheme, []).append(record)
    found = {}
    for grapheme, history in sorted(by_word.items()):
        ended = max((record.round for record in history if not record.phoneme), default=-1)
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for record in history:
            if record.phoneme and record.round > ended:
                first.setdefault(record.phoneme, record.round)
                last[record.phoneme] = record.holders
        if last:
            found[grapheme] = min(last, key=lambda phoneme: (-last[phoneme], first[phoneme], phoneme))
    return found


class Published:
    """All records, as a document whose copies exchange increments and always come together."""

    def __init__(self, content: bytes = b"") -> None:
        self._document: Doc[Any] = Doc()
        self._records: Map[int] = self._document.get(RECORDS, type=Map)
        if content:
            self.merge(content)

    @classmethod
    def load(cls, path: Path) -> Published:
        """A copy from its file, empty where there is none. Raises BadFile."""
        try:
            return cls(path.read_bytes() if path.exists() else b"")
        except (OSError, BadLexicon) as error:
            raise BadFile(f"{path}: the shared dictionary cannot be read ({error})") from error

    def save(self, path: Path) -> None:
        audio.write_bytes(path, self.increment())

    def publish(self, round_: int, entries: Mapping[Entry, int]) -> None:
        """Add what a round has agreed on; an empty reading takes a grapheme back. Raises BadLexicon."""
        for (grapheme, phoneme), holders in entries.items():
            if phoneme:
                Lexicon({grapheme: phoneme})  # refuses what is no reading
            key = json.dumps([round_, grapheme, phoneme], ensure_ascii=False)
            self._records[key] = holders

    def records(self) -> Iterator[Record]:
        """Everything ever published. What another copy has slipped in that is no record is passed over."""
        for key, holders in self._records.items():
            try:
                round_, grapheme, phoneme = json.loads(key)
                if phoneme:
                    Lexicon({grapheme: phoneme})
                yield Record(int(round_), str(grapheme), str(phoneme), int(holders))
            except (ValueError, TypeError, BadLexicon):
                continue

    @property
    def state(self) -> bytes:
        """What this copy has; sent to ask for an increment."""
        return self._document.get_state()

    def increment(self, since: bytes = b"") -> bytes:
        """What a copy of that state lacks; everything without one. Raises BadLexicon for what is no state."""
        try:
            return self._document.get_update(since) if since else self._document.get_update()
        except Exception as error:  # the library raises its own kinds for damaged input, and plain ones
            raise BadLexicon(f"this is no state of a shared dictionary ({type(error).__name__})") from error

    def merge(self, increment: bytes) -> None:
        """Take an increment in; twice does nothing. Raises BadLexicon where it is damaged."""
        try:
            self._document.apply_update(increment)
        except Exception as error:  # as above
            raise BadLexicon(f"this is no increment of a shared dictionary ({type(error).__name__})") from error

    def lexicon(self) -> Lexicon:
        """The readings that count. Its version is the last round."""
        records = list(self.records())
        return Lexicon(resolved(records), max((record.round for record in records), default=0))


@dataclass
class Shelf:
    """One client's dictionaries: its own lexicon, which of its words are opted in, and what everybody agreed on."""

    folder: Path
    opted: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, folder: Path) -> Shelf:
        """Raises BadFile."""
        path = folder / "opted_in.json"
        if not path.exists():
            return cls(folder)
        try:
            return cls(folder, {str(word) for word in json.loads(path.read_text(encoding="utf-8"))})
        except (OSError, ValueError, TypeError) as error:
            raise BadFile(f"{path}: cannot be read ({error})") from error

    @property
    def own(self) -> Lexicon:
        """The client's own lexicon. Raises BadLexicon."""
        path = self.folder / "own.jsonl"
        return Lexicon.load(path) if path.exists() else Lexicon()

    @property
    def published(self) -> Published:
        return Published.load(self.folder / "agreed.yjs")

    def opt_in(self, words: Iterable[str]) -> None:
        """From the next round on these words are counted. Raises BadOption for a word that the lexicon lacks."""
        entries = self.own.entries
        for word in words:
            if word not in entries:
                raise BadOption(f"{word!r} is not in your lexicon")
            self.opted.add(word)
        checked(self.shared())
        self._save()

    def opt_out(self, words: Iterable[str]) -> None:
        """These words are counted no more. What has been published because many hold it stays published."""
        self.opted -= set(words)
        self._save()

    def shared(self) -> list[Entry]:
        """What is counted, and the only thing that is ever sent: own entries whose words are opted in."""
        return [(word, phoneme) for word, phoneme in self.own.entries.items() if word in self.opted]

    def take(self, increment: bytes) -> None:
        """Merge an increment from the server. Raises BadLexicon; the copy then stays as it was."""
        copy = self.published
        copy.merge(increment)
        copy.save(self.folder / "agreed.yjs")

    def lexicon(self) -> Lexicon:
        """What is read by: one's own entries win over those that everybody agreed on."""
        return self.published.lexicon().merge(self.own)

    def _save(self) -> None:
        audio.write_bytes(self.folder / "opted_in.json", json.dumps(sorted(self.opted), ensure_ascii=False).encode())
