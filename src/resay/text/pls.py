"""Lexicon documents of the W3C (Pronunciation Lexicon Specification 1.0, 2008): read with every place, and written.

Only `<lexeme>` with `<grapheme>` and its first `<phoneme>` is used; the version is kept as a `<meta>`. Document types
are refused, because entities could expand without end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.parsers import expat

NAMESPACE = "http://www.w3.org/2005/01/pronunciation-lexicon"
ENDINGS = (".pls", ".xml")
_VERSION = "resay-version"


@dataclass
class Place:
    """Something written at a line and column, both from one."""

    text: str
    line: int
    column: int


@dataclass
class Lexeme:
    """Graphemes that share one reading. `alphabet` is empty where the document names none."""

    line: int
    column: int
    graphemes: list[Place] = field(default_factory=list)
    phoneme: Place | None = None
    alphabet: str = ""
    alias: bool = False
    """Whether it says other words in place of a reading."""


@dataclass
class Document:
    """What a document holds."""

    lexemes: list[Lexeme] = field(default_factory=list)
    version: int = 0


class Broken(ValueError):
    """No such document. The place is where it goes wrong."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line, self.column = line, column


def read(text: str) -> Document:
    """The lexemes of a document. Raises Broken."""
    parser = expat.ParserCreate(encoding="UTF-8", namespace_separator=" ")
    reader = _Reader(parser)
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters

    def refuse(*_: object) -> None:
        # The parser is somewhere behind its beginning by now.
        start = text.find("<!DOCTYPE")
        line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
        raise Broken("a document type is not allowed in a lexicon", line, column)

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise Broken(f"not XML: {expat.ErrorString(error.code)}", error.lineno, error.offset + 1) from error
    return reader.document


class _Reader:
    """Collects lexemes while the parser goes through the text."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self.document = Document()
        self._parser = parser
        self._alphabet = ""
        self._depth = 0
        self._lexeme: Lexeme | None = None
        self._place: Place | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag, line, column = name.rpartition(" ")[2], *self._here()
        self._depth += 1
        if self._depth == 1:
            if tag != "lexicon":
                raise Broken("the root of a PLS document is <lexicon>", line, column)
            self._alphabet = attributes.get("alphabet", "")
        elif tag == "meta" and attributes.get("name") == _VERSION and attributes.get("content", "").isdecimal():
            self.document.version = int(attributes["content"][:18])
        elif tag == "lexeme":
            self._lexeme = Lexeme(line, column)
            self.document.lexemes.append(self._lexeme)
        elif self._lexeme is not None:
            self._part(self._lexeme, tag, attributes)

    def _part(self, lexeme: Lexeme, tag: str, attributes: dict[str, str]) -> None:
        self._place = None
        if tag == "grapheme":
            self._place = Place("", *self._here())
            lexeme.graphemes.append(self._place)
        elif tag == "phoneme" and lexeme.phoneme is None:
            self._place = lexeme.phoneme = Place("", *self._here())
            lexeme.alphabet = attributes.get("alphabet", self._alphabet)
        elif tag == "alias":
            lexeme.alias = True

    def end(self, name: str) -> None:
        self._depth -= 1
        self._place = None
        if name.rpartition(" ")[2] == "lexeme":
            self._lexeme = None

    def characters(self, text: str) -> None:
        place = self._place
        if place is None:
            return
        if not place.text.strip():
            blank = len(text) - len(text.lstrip())
            text = text[blank:]
            if text:
                place.line, column = self._here()
                place.column = column + blank
        place.text += text

    def _here(self) -> tuple[int, int]:
        return self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1


def write(entries: Iterable[tuple[str, str]], version: int) -> str:
    """A document of graphemes and readings, in their order."""
    attributes = {"version": "1.0", "xmlns": NAMESPACE, "xml:lang": "zh-CN", "alphabet": "x-resay"}
    root = ElementTree.Element("lexicon", attributes)
    if version:
        ElementTree.SubElement(root, "meta", {"name": _VERSION, "content": str(version)})
    for grapheme, phoneme in entries:
        lexeme = ElementTree.SubElement(root, "lexeme")
        ElementTree.SubElement(lexeme, "grapheme").text = grapheme
        ElementTree.SubElement(lexeme, "phoneme").text = phoneme
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
