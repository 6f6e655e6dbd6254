"""Sections of pages that programs of bench/ write: each in its place, and nothing else changes."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from resay.evaluate.bench import _others

BENCH = Path(__file__).resolve().parent.parent / "bench"


@pytest.fixture
def sections(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("sections")


def test_a_section_takes_the_place_of_its_last_one(sections, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\nWritten by another program.\n", encoding="utf-8")
    for name, text in (("soak", "first"), ("fuzz", "beside"), ("soak", "second")):
        sections.write(page, name, f"## {name}\n\n{text}\n")
    told = page.read_text(encoding="utf-8")
    assert "first" not in told
    order = [told.index(words) for words in ("another program", "second", "beside")]
    assert order == sorted(order)
    assert told.count("<!-- soak:begin -->") == told.count("<!-- soak:end -->") == 1
    # What measures speed writes the rest of the page, and keeps these.
    assert _others(page).strip() == told[told.index("<!--") :].strip()


def test_a_section_says_how_it_was_made(sections):
    assert sections.made_by("python bench/x.py --n 3").startswith("Made by `python bench/x.py --n 3` on ")
