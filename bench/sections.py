"""Sections of a page that programs write, each between two marks of its own; everything else on the page stays."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from resay import audio
from resay.evaluate import about


def made_by(command: str) -> str:
    """The sentence under a section's heading: how it was made, when, and beside what else."""
    machine = about.machine()
    return (
        f"Made by `{command}` on {date.today().isoformat()}; {machine.processor}, {machine.cores} cores, "
        f"load before the run {machine.load}."
    )


def publish(page: str, path: Path | None) -> None:
    """Print a whole page, and write it where a path is given."""
    print(page)
    if path:
        audio.write_bytes(path, page.encode())


def write(page: Path, name: str, section: str) -> None:
    """Put a section in the place of the last one of this name, else at the end."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    before, found, rest = text.partition(begin)
    after = rest.partition(end)[2].strip("\n") if found else ""
    parts = [before.rstrip("\n"), f"{begin}\n{section.strip()}\n{end}", after]
    page.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
