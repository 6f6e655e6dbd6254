"""What a server takes on before it refuses: every refusal names the figure that was passed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Chosen per machine, when the server starts."""

    upload_bytes: int = 10 * 2**20
    """Longest body of a request; OpenAI's figure for recordings."""
    clip_seconds: float = 60.0
    """Longest clip; a voice needs ten seconds."""
    characters: int = 20_000
    """Longest text of one request, about an hour of speech."""
    at_once: int = 2
    """Pieces of speech that are computed at the same time."""
    waiting: int = 64
    """Requests in the house beside those; the next one is told to come back later."""
    whole_characters: int = 120
    """Texts up to this long are answered in one part, with length and digest in the head."""
    request_seconds: float = 900.0
    """Longest time one request may take, its client's reading included."""
    records: int = 2_000
    """Manifests kept for one caller; the oldest go."""
    voices: int = 2_000
    """Voices of one caller."""
    lexicon_entries: int = 20_000
    """Entries of one lexicon."""
    jobs: int = 1_000
    """Jobs of one caller."""
    job_items: int = 20_000
    """Items of one job."""
