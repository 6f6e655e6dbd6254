"""Markdown tables and the figures in their cells."""

from __future__ import annotations

from collections.abc import Sequence

from .intervals import Interval

NOTHING = "–"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others figures. A bar inside a cell is escaped."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    rule = "|-|" + "-:|" * (len(header) - 1)
    return "\n".join([line(header), rule, *(line(row) for row in rows)]) + "\n"


def percent(interval: Interval | None) -> str:
    """`4.1 % (3.2–5.0)`."""
    if interval is None:
        return NOTHING
    value, low, high = (100 * number for number in (interval.value, interval.low, interval.high))
    return f"{value:.1f} % ({low:.1f}–{high:.1f})"


def figure(interval: Interval | None) -> str:
    """`3.21 (3.15–3.27)`."""
    return NOTHING if interval is None else f"{interval.value:.2f} ({interval.low:.2f}–{interval.high:.2f})"
