"""The user's lexicon: readings that win over everything.

A lexicon is JSONL, one object a line: `{"grapheme": "重庆", "phoneme": "chóng qìng"}`; the phoneme is pinyin with tone
marks or digits, ARPAbet or IPA. A first line `{"version": 3}` may count its states. W3C Pronunciation Lexicon
Specification 1.0 files are read and written as well. Increments carry only what changed, and the digest of what they
apply to, so that a dictionary can be kept locally and synchronised in small steps.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..errors import BadLexicon, BadText
from . import cleaning, notation, pls
from .notation import Pronunciation
from .traced import Traced

_UNWRITABLE = re.compile(r"[\x00-\x08\n-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML document and no text file may have."""


_HASH = "sha256:"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a lexicon file, and where; lines and columns count from one."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, column {self.column}: {self.message}"


@dataclass(frozen=True)
class Increment:
    """What turns the lexicon with digest `base` into the one with digest `digest`."""

    base: str
    digest: str
    version: int
    changed: Mapping[str, str]
    removed: tuple[str, ...]

    def to_json(self) -> str:
        """One line of JSON."""
        fields = {"base": _HASH + self.base, "digest": _HASH + self.digest, "version": self.version}
        return json.dumps(fields | {"changed": dict(self.changed), "removed": self.removed}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Increment:
        """The increment that `to_json` wrote. Raises BadLexicon where it is none."""
        try:
            fields = json.loads(text)
            changed = {str(key): str(value) for key, value in fields["changed"].items()}
            removed = tuple(map(str, fields["removed"]))
            base, digest = (str(fields[name]).removeprefix(_HASH) for name in ("base", "digest"))
            return cls(base, digest, int(fields["version"]), changed, removed)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadLexicon(f"this is no lexicon increment: {error}") from error


@dataclass(frozen=True)
class Lexicon:
    """Readings as written, by grapheme. `version` counts the states of one lexicon."""

    entries: Mapping[str, str] = field(default_factory=dict)
    version: int = 0

    def __post_init__(self) -> None:
        """Raise BadLexicon for a grapheme that is empty or a reading that is none."""
        for grapheme, phoneme in self.entries.items():
            problem = _entry_problem(grapheme, phoneme)
            if problem:
                raise BadLexicon(f"lexicon entry {grapheme!r}: {problem[0]}")

    @classmethod
    def load(cls, path: str | Path) -> Lexicon:
        """A lexicon file, JSONL or PLS. Raises BadLexicon with file, line and column."""
        lexicon, problems = read(path)
        if problems:
            raise BadLexicon(str(problems[0]))
        return lexicon

    def save(self, path: str | Path) -> None:
        """Write it as JSONL, or as PLS where the name ends in .pls or .xml; under a temporary name first.

        Raises BadLexicon where the file cannot be written.
        """
        target = Path(path)
        text = self.to_pls() if target.suffix.lower() in pls.ENDINGS else self.to_jsonl()
        temporary = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise BadLexicon(f"{path}: cannot be written: {error.strerror}") from error

    def to_jsonl(self) -> str:
        """The file form, in the order of the entries."""
        head = [json.dumps({"version": self.version})] if self.version else []
        return "\n".join([*head, *map(_line, self.entries.items())]) + "\n"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the entries, whatever their order or version: equal lexicons have equal digests."""
        return hashlib.sha256("\n".join(map(_line, sorted(self.entries.items()))).encode()).hexdigest()

    def add(self, grapheme: str, phoneme: str) -> Lexicon:
        """With one entry more at the end, or changed in its place. Raises BadLexicon where the reading is none."""
        if self.entries.get(grapheme) == phoneme:
            return self
        return Lexicon({**self.entries, grapheme: phoneme}, self.version + 1)

    def merge(self, other: Lexicon) -> Lexicon:
        """Both together; where both have a grapheme, the other wins."""
        merged = {**self.entries, **other.entries}
        return Lexicon(merged, max(self.version, other.version) + (merged != dict(self.entries)))

    def diff(self, newer: Lexicon) -> Increment:
        """What has to change for this to become `newer`."""
        changed = {key: value for key, value in newer.entries.items() if self.entries.get(key) != value}
        removed = tuple(sorted(set(self.entries) - set(newer.entries)))
        # A file that was edited by hand may have kept its version: the next state is a later one all the same.
        later = self.version + 1 if changed or removed else self.version
        return Increment(self.digest, newer.digest, max(newer.version, later), changed, removed)

    def apply(self, increment: Increment) -> Lexicon:
        """The newer lexicon. Raises BadLexicon where the increment belongs to another state."""
        if increment.base != self.digest:
            raise BadLexicon(f"the increment is for lexicon {increment.base[:12]}, this one is {self.digest[:12]}")
        kept = {key: value for key, value in self.entries.items() if key not in increment.removed}
        newer = Lexicon({**kept, **increment.changed}, increment.version)
        if newer.digest != increment.digest:
            raise BadLexicon("the increment does not give the lexicon that it promises")
        return newer

    def to_pls(self) -> str:
        """As a W3C PLS 1.0 document."""
        return pls.write(self.entries.items(), self.version)

    @cached_property
    def _written(self) -> dict[str, str]:
        """Graphemes as the cleaned text has them → as kept."""
        return {cleaning.clean(Traced.of(grapheme)).text: grapheme for grapheme in self.entries}

    @cached_property
    def _lengths(self) -> dict[str, list[int]]:
        """For a first character, lower case, how long the graphemes are that begin with it, longest first."""
        lengths: dict[str, set[int]] = {}
        for written in self._written:
            lengths.setdefault(written[0].lower(), set()).add(len(written))
        return {first: sorted(found, reverse=True) for first, found in lengths.items()}

    @cached_property
    def characters(self) -> frozenset[str]:
        """Every character that some entry has."""
        return frozenset("".join(self.entries))

    def matches(self, text: str) -> Iterator[tuple[int, int, Pronunciation]]:
        """Entries in a cleaned text, left to right, the longest first: start, end and reading.

        Letters match whole words only; an entry without capitals matches however the text is capitalised.
        """
        position = 0
        while position < len(text):
            for length in self._lengths.get(text[position].lower(), ()):
                found = text[position : position + length]
                end = position + len(found)
                grapheme = self._written.get(found) or self._written.get(found.lower())
                if grapheme is None or _inside_word(text, position) or _inside_word(text, end):
                    continue
                yield position, end, notation.pronunciation(self.entries[grapheme])
                position = end
                break
            else:
                position += 1


def _line(entry: tuple[str, str]) -> str:
    """An entry as a line of the file."""
    return json.dumps({"grapheme": entry[0], "phoneme": entry[1]}, ensure_ascii=False)


def _inside_word(text: str, place: int) -> bool:
    """Whether the place between two characters is inside an English word or a number."""
    if not 0 < place < len(text):
        return False
    left, right = text[place - 1], text[place]
    return (
        left.isascii()
        and right.isascii()
        and (left.isalpha() and right.isalpha() or left.isdigit() and right.isdigit())
    )


def _entry_problem(grapheme: str, phoneme: str) -> tuple[str, int] | None:
    """What is wrong with an entry and the place in its phoneme, or -1 for the grapheme."""
    try:
        cleaned = cleaning.clean(Traced.of(grapheme)).text
    except BadText as error:
        return str(error), -1
    if _UNWRITABLE.search(grapheme):
        return "the grapheme has a line end or another control character", -1
    if not cleaned.strip():
        return "the grapheme is empty", -1
    unwritable = _UNWRITABLE.search(phoneme)
    if unwritable:
        return "the reading has a control character", unwritable.start()
    try:
        notation.pronunciation(phoneme)
    except notation.UnknownSound as error:
        return str(error), error.place
    return None


def check(path: str | Path) -> list[Problem]:
    """Everything that is wrong with a lexicon file, in its order; empty where nothing is."""
    return read(path)[1]


def read(path: str | Path) -> tuple[Lexicon, list[Problem]]:
    """A lexicon file, its good entries and its problems. Raises BadLexicon where the file cannot be read at all."""
    text = _content(path)
    if Path(path).suffix.lower() in pls.ENDINGS or text.lstrip().startswith("<"):
        return _read_pls(text, str(path))
    return _read_jsonl(text, str(path))


def _content(path: str | Path) -> str:
    """A text file. Raises BadLexicon."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadLexicon(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadLexicon(f"{path}: not UTF-8 at byte {error.start}") from error


def read_change(path: str | Path) -> Increment | Lexicon:
    """An increment, or a whole lexicon. Raises BadLexicon where it is neither, with the place."""
    content = _content(path).strip()
    if re.match(r'\{\s*"(base|digest|changed|removed)"', content):
        try:
            return Increment.from_json(content)
        except BadLexicon as error:
            raise BadLexicon(f"{path}: {error}") from error
    return Lexicon.load(path)


def _read_jsonl(text: str, name: str) -> tuple[Lexicon, list[Problem]]:
    entries: dict[str, str] = {}
    problems: list[Problem] = []
    version = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(Problem(name, number, error.colno, f"not JSON: {error.msg}"))
            continue
        except (ValueError, RecursionError):
            problems.append(Problem(name, number, 1, "not JSON: a number too long or brackets too deep"))
            continue
        if isinstance(item, dict) and "version" in item and "grapheme" not in item:
            version, wrong = _version(item["version"], line)
            problems += [Problem(name, number, *wrong)] if wrong else []
            continue
        problem = _line_problem(item, line)
        if problem:
            problems.append(Problem(name, number, *problem))
        else:
            entries[item["grapheme"]] = item["phoneme"]
    return Lexicon(entries, version), problems


def _version(value: object, line: str) -> tuple[int, tuple[int, str] | None]:
    """The version that a first line tells, or column and message of what is wrong with it."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value, None
    return 0, (_value_column(line, "version"), "the version must be a whole number from 0")


def _line_problem(item: object, line: str) -> tuple[int, str] | None:
    """Column and message of what is wrong with a line's object."""
    if not isinstance(item, dict):
        return 1, 'expected an object {"grapheme": …, "phoneme": …}'
    for key in ("grapheme", "phoneme"):
        if key not in item:
            return 1, f"the {key} is missing"
        if not isinstance(item[key], str):
            return _value_column(line, key), f"the {key} must be text"
    problem = _entry_problem(item["grapheme"], item["phoneme"])
    if not problem:
        return None
    message, place = problem
    if place < 0:
        return _value_column(line, "grapheme"), message
    return _value_column(line, "phoneme") + place, message


def _value_column(line: str, key: str) -> int:
    """Column of the first character of a key's value."""
    match = re.search(rf'"{key}"\s*:\s*"?', line)
    return match.end() + 1 if match else 1


def _read_pls(text: str, name: str) -> tuple[Lexicon, list[Problem]]:
    """A PLS document."""
    try:
        document = pls.read(text)
    except pls.Broken as error:
        return Lexicon(), [Problem(name, error.line, error.column, str(error))]
    entries: dict[str, str] = {}
    problems: list[Problem] = []
    for lexeme in document.lexemes:
        said = lexeme.phoneme or pls.Place("", lexeme.line, lexeme.column)
        if lexeme.alias and not lexeme.phoneme:
            problems.append(Problem(name, said.line, said.column, "an <alias> is no reading; give a <phoneme>"))
            continue
        phoneme = said.text.strip()
        if lexeme.alphabet == "ipa" and phoneme and phoneme[0] != "/":
            phoneme = f"/{phoneme}/"
        for grapheme in lexeme.graphemes or [pls.Place("", lexeme.line, lexeme.column)]:
            problem = _entry_problem(grapheme.text.strip(), phoneme)
            if problem:
                message, place = problem
                at = grapheme if place < 0 else said
                place -= phoneme[:1] == "/" and said.text[:1] != "/"
                problems.append(Problem(name, at.line, at.column + max(place, 0), message))
            else:
                entries[grapheme.text.strip()] = phoneme
    return Lexicon(entries, document.version), problems
