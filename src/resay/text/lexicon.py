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
from xml.etree import ElementTree

from ..errors import BadLexicon, BadText
from . import cleaning, notation
from .notation import Pronunciation
from .traced import Traced

_PLS = "{http://www.w3.org/2005/01/pronunciation-lexicon}"


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
        fields = {"base": self.base, "digest": self.digest, "version": self.version}
        return json.dumps(fields | {"changed": dict(self.changed), "removed": self.removed}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Increment:
        """The increment that `to_json` wrote. Raises BadLexicon where it is none."""
        try:
            fields = json.loads(text)
            changed = {str(key): str(value) for key, value in fields["changed"].items()}
            removed = tuple(map(str, fields["removed"]))
            return cls(str(fields["base"]), str(fields["digest"]), int(fields["version"]), changed, removed)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
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
        """A lexicon file, JSONL or (ending .pls or .xml) PLS. Raises BadLexicon with file, line and column."""
        lexicon, problems = _read(Path(path))
        if problems:
            raise BadLexicon(str(problems[0]))
        return lexicon

    def save(self, path: str | Path) -> None:
        """Write it as JSONL, or as PLS where the name ends in .pls or .xml; under a temporary name first."""
        target = Path(path)
        text = self.to_pls() if target.suffix in (".pls", ".xml") else self.to_jsonl()
        temporary = target.with_name(target.name + ".part")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)

    def to_jsonl(self) -> str:
        """The file form, sorted by grapheme."""
        head = [json.dumps({"version": self.version})] if self.version else []
        return "\n".join([*head, *self._lines()]) + "\n"

    def _lines(self) -> Iterator[str]:
        for grapheme, phoneme in sorted(self.entries.items()):
            yield json.dumps({"grapheme": grapheme, "phoneme": phoneme}, ensure_ascii=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the entries, whatever their order or version: equal lexicons have equal digests."""
        return hashlib.sha256("\n".join(self._lines()).encode()).hexdigest()

    def add(self, grapheme: str, phoneme: str) -> Lexicon:
        """With one entry more or changed. Raises BadLexicon where the reading is none."""
        return Lexicon({**self.entries, grapheme: phoneme}, self.version + 1)

    def merge(self, other: Lexicon) -> Lexicon:
        """Both together; where both have a grapheme, the other wins."""
        merged = {**self.entries, **other.entries}
        return Lexicon(merged, max(self.version, other.version) + (merged != dict(self.entries)))

    def diff(self, newer: Lexicon) -> Increment:
        """What has to change for this to become `newer`."""
        changed = {key: value for key, value in sorted(newer.entries.items()) if self.entries.get(key) != value}
        removed = tuple(sorted(set(self.entries) - set(newer.entries)))
        return Increment(self.digest, newer.digest, newer.version, changed, removed)

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
        root = ElementTree.Element(
            "lexicon",
            {
                "version": "1.0",
                "xmlns": _PLS[1:-1],
                "xml:lang": "zh-CN",
                "alphabet": "x-resay",
            },
        )
        for grapheme, phoneme in sorted(self.entries.items()):
            lexeme = ElementTree.SubElement(root, "lexeme")
            ElementTree.SubElement(lexeme, "grapheme").text = grapheme
            ElementTree.SubElement(lexeme, "phoneme").text = phoneme
        ElementTree.indent(root)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"

    @cached_property
    def _starts(self) -> dict[str, list[tuple[str, str]]]:
        """For a first character, lower case, the graphemes that begin with it, longest first: cleaned, and as kept."""
        starts: dict[str, list[tuple[str, str]]] = {}
        for grapheme in self.entries:
            written = cleaning.clean(Traced.of(grapheme)).text
            starts.setdefault(written[0].lower(), []).append((written, grapheme))
        for candidates in starts.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))
        return starts

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
            for written, grapheme in self._starts.get(text[position].lower(), ()):
                end = position + len(written)
                found = text[position:end]
                if found != written and not (written == written.lower() and found.lower() == written):
                    continue
                if _inside_word(text, position) or _inside_word(text, end):
                    continue
                yield position, end, self._pronunciation(grapheme)
                position = end
                break
            else:
                position += 1

    def _pronunciation(self, grapheme: str) -> Pronunciation:
        return notation.pronunciation(self.entries[grapheme])


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
    if not cleaned.strip():
        return "the grapheme is empty", -1
    try:
        notation.pronunciation(phoneme)
    except notation.UnknownSound as error:
        return str(error), error.place
    return None


def check(path: str | Path) -> list[Problem]:
    """Everything that is wrong with a lexicon file, in its order; empty where nothing is."""
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[Lexicon, list[Problem]]:
    """A lexicon file and its problems. Raises BadLexicon where the file cannot be read at all."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadLexicon(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadLexicon(f"{path}: not UTF-8 at byte {error.start}") from error
    if path.suffix in (".pls", ".xml"):
        return _read_pls(text, str(path))
    return _read_jsonl(text, str(path))


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
        if isinstance(item, dict) and isinstance(item.get("version"), int) and "grapheme" not in item:
            version = item["version"]
            continue
        problem = _line_problem(item, line)
        if problem:
            problems.append(Problem(name, number, *problem))
        else:
            entries[item["grapheme"]] = item["phoneme"]
    return Lexicon(entries, version), problems


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
    """A PLS document. Document types are refused, since entities could expand without end."""
    refused = re.search("<!(DOCTYPE|ENTITY)", text)
    if refused:
        line, column = _place(text, refused.start())
        return Lexicon(), [Problem(name, line, column, "a document type is not allowed in a lexicon")]
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line, column = error.position
        return Lexicon(), [Problem(name, line, column + 1, f"not XML: {error.msg.partition(':')[0]}")]
    if root.tag not in (_PLS + "lexicon", "lexicon"):
        return Lexicon(), [Problem(name, 1, 1, "the root of a PLS document is <lexicon>")]
    entries: dict[str, str] = {}
    problems: list[Problem] = []
    space = _PLS if root.tag.startswith(_PLS) else ""
    for lexeme in root.iter(space + "lexeme"):
        phoneme = _pls_phoneme(lexeme, space, root.get("alphabet", ""))
        for element in lexeme.iter(space + "grapheme"):
            grapheme = (element.text or "").strip()
            problem = _entry_problem(grapheme, phoneme)
            if problem:
                found = max(text.find(f">{phoneme if problem[1] >= 0 else grapheme}<"), 0) + 1
                line, column = _place(text, found + max(problem[1], 0))
                problems.append(Problem(name, line, column, problem[0]))
            else:
                entries[grapheme] = phoneme
    return Lexicon(entries), problems


def _pls_phoneme(lexeme: ElementTree.Element, space: str, alphabet: str) -> str:
    """The reading of a lexeme; between slashes where the document says that it is IPA."""
    element = lexeme.find(space + "phoneme")
    written = (element.text or "").strip() if element is not None else ""
    if element is not None and element.get("alphabet", alphabet) == "ipa" and written and written[0] != "/":
        return f"/{written}/"
    return written


def _place(text: str, position: int) -> tuple[int, int]:
    """Line and column of a character, both from one."""
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
