"""The script that brings the measured tables into the README."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def figures():
    spec = importlib.util.spec_from_file_location("figures", ROOT / "runs" / "figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_first_table_is_found(figures):
    assert figures.first_table("# A\n\ntext\n\n| a |\n|-|\n| 1 |\n\n| b |\n|-|\n") == "| a |\n|-|\n| 1 |"
    with pytest.raises(ValueError, match="no table"):
        figures.first_table("# A\n")


def test_only_what_lies_between_the_markers_changes(figures):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    once = figures.with_figures(readme, ["| a |", "| b |"])
    assert "| a |\n\n| b |" in once
    assert figures.with_figures(once, ["| a |", "| b |"]) == once
    assert once.partition(figures.BEGIN)[0] == readme.partition(figures.BEGIN)[0]
    assert once.partition(figures.END)[2] == readme.partition(figures.END)[2]
