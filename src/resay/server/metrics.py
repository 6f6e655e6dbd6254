"""Figures for Prometheus, in its text format (version 0.0.4)."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Histogram:
    """How often a duration fell into which bucket."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def lines(self, name: str) -> list[str]:
        below, lines = 0, []
        for edge, count in zip((*BUCKETS, "+Inf"), self.counts, strict=True):
            below += count
            lines.append(f'{name}_bucket{{le="{edge}"}} {below}')
        return [*lines, f"{name}_sum {self.total:.6f}", f"{name}_count {below}"]


class Metrics:
    """Counted since the server started. Shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._responses: Counter[int] = Counter()
        self._first_sound, self._whole = Histogram(), Histogram()
        self._audio_seconds = 0.0

    def responded(self, status: int) -> None:
        with self._lock:
            self._responses[status] += 1

    def spoken(self, audio_seconds: float, first_sound: float, whole: float) -> None:
        """One request was spoken to its end; all in seconds."""
        with self._lock:
            self._audio_seconds += audio_seconds
            self._first_sound.add(first_sound)
            self._whole.add(whole)

    def text(self, inside: int) -> str:
        """Everything, with the number of requests that are in the house now."""
        with self._lock:
            lines = ["# HELP resay_responses_total Responses by status.", "# TYPE resay_responses_total counter"]
            lines += [f'resay_responses_total{{status="{code}"}} {n}' for code, n in sorted(self._responses.items())]
            lines += ["# HELP resay_audio_seconds_total Speech made.", "# TYPE resay_audio_seconds_total counter"]
            lines += [f"resay_audio_seconds_total {self._audio_seconds:.3f}"]
            lines += ["# HELP resay_requests_inside Requests being spoken.", "# TYPE resay_requests_inside gauge"]
            lines += [f"resay_requests_inside {inside}"]
            for name, what, histogram in (
                ("resay_first_sound_seconds", "From the request to its first sound.", self._first_sound),
                ("resay_request_seconds", "From the request to its last sound.", self._whole),
            ):
                lines += [f"# HELP {name} {what}", f"# TYPE {name} histogram", *histogram.lines(name)]
        return "\n".join(lines) + "\n"
