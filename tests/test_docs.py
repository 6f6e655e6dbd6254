"""The examples of the documents: every command is run, every line that it is said to print is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from resay.cli import main

DOCS = Path(__file__).resolve().parent.parent / "docs"
_BLOCK = re.compile(r"^```(?P<kind>console|jsonl)(?: (?P<file>\S+))?\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(document: str) -> list[tuple[str, str, list[str]]]:
    """In their order: files to write (name, content), and commands with the lines that they print."""
    found: list[tuple[str, str, list[str]]] = []
    for block in _BLOCK.finditer((DOCS / document).read_text(encoding="utf-8")):
        if block["kind"] == "jsonl":
            found.append((block["file"], block["content"], []))
            continue
        for part in re.split(r"^\$ resay ", block["content"], flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            found.append(("", command, lines))
    return found


def is_like(line: str, expected: str) -> bool:
    """Whether a line is the expected one, where … stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), line) is not None


def test_lexicon_examples(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shown = examples("lexicon.md")
    assert len(shown) > 12
    for file, content, expected in shown:
        if file:
            Path(file).write_text(content, encoding="utf-8")
            continue
        main(shlex.split(content))
        captured = capfd.readouterr()
        lines = (captured.out or captured.err).splitlines()
        assert len(lines) == len(expected), (content, captured)
        for line, wanted in zip(lines, expected, strict=True):
            assert is_like(line, wanted), (content, line, wanted)
