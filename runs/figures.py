"""Copy the first table of docs/quality.md and of docs/benchmarks.md between the markers of README.md.

    python runs/figures.py

Run it after `resay evaluate --write docs/quality.md` and `resay bench --write docs/benchmarks.md`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("docs/quality.md", "docs/benchmarks.md")
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"


def first_table(page: str) -> str:
    """The first Markdown table of a page. Raises ValueError where there is none."""
    table = re.search(r"^\|.*(?:\n\|.*)+", page, flags=re.MULTILINE)
    if table is None:
        raise ValueError("no table")
    return table.group()


def with_figures(readme: str, tables: list[str]) -> str:
    """The page with the tables between its markers, and nothing else changed."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n" + "\n\n".join(tables) + f"\n{END}{after}"


def main() -> int:
    """Rewrite README.md, or say which page is missing."""
    missing = [page for page in PAGES if not (ROOT / page).is_file()]
    if missing:
        print(f"not there yet: {', '.join(missing)}", file=sys.stderr)
        return 2
    tables = [first_table((ROOT / page).read_text(encoding="utf-8")) for page in PAGES]
    readme = ROOT / "README.md"
    readme.write_text(with_figures(readme.read_text(encoding="utf-8"), tables), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
