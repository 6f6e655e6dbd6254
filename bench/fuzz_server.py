"""Send a running server what its document allows and what it does not, and uploads that are no recordings.

    python bench/fuzz_server.py [--requests 2000] [--uploads 200] [--seed 0] [--write docs/benchmarks.md]

Starts `resay serve` with the shipped weights in an empty folder. Prints tables, and writes them into a page; exits with
4 where an answer was a 5xx, a refusal had another shape than OpenAI's, a file lay outside the server's folder, or the
server died. Needs `pip install 'resay[serve,dev]'`.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import numpy as np
import schemathesis
import sections
import soundfile
from schemathesis import GenerationMode

import resay
from resay import audio
from resay.audio import Audio

VOICE = "ada"
MOST_A_ROUND = 20
"""Examples that are drawn of one route before the others have their turn."""


@dataclass
class Report:
    """What came back."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    """Of each route, and of each kind of upload."""
    faults: list[str] = field(default_factory=list)
    """What must not be; empty where all is well."""

    def note(self, name: str, answer: Any) -> None:
        """Count an answer, and look at it."""
        self.statuses.setdefault(name, Counter())[answer.status_code] += 1
        if answer.status_code >= 500:
            self.faults.append(f"{name}: {answer.status_code}")
        elif answer.status_code >= 400 and not _is_refusal(answer):
            self.faults.append(f"{name}: {answer.status_code} without an error that says why")

    def table(self, head: str) -> str:
        """Markdown: counts by class of status."""
        lines = [f"| {head} | sent | 2xx | 4xx | 5xx |", "|-|-:|-:|-:|-:|"]
        rows = [(f"`{name}`" if "/" in name else name, found) for name, found in sorted(self.statuses.items())]
        for name, found in [*rows, ("**all**", sum(self.statuses.values(), Counter[int]()))]:
            by_class = [sum(count for status, count in found.items() if status // 100 == kind) for kind in (2, 4, 5)]
            lines.append(f"| {name} | {found.total()} | {' | '.join(map(str, by_class))} |")
        return "\n".join(lines)


def _is_refusal(answer: Any) -> bool:
    try:
        return set(answer.json()) == {"error"} and bool(answer.json()["error"]["message"])
    except (ValueError, TypeError, KeyError):
        return False


# Requests from the document


def requests(
    schema: Any, count: int, seed: int, call: Callable[[Any], Any], furnish: Callable[[], Mapping[str, str]]
) -> Report:
    """Draw requests of every route in turn, half of them wrong on purpose, until there are `count`.

    `furnish` puts things there before every round, and tells their names by what paths call them.
    """
    report, sent = Report(), 0
    operations = sorted((found.ok() for found in schema.get_all_operations()), key=lambda one: one.method == "delete")
    share = min(MOST_A_ROUND, -(-count // (2 * len(operations))))
    for turn in range(count):
        there = furnish()
        for operation in operations:
            kind = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)[turn % 2]
            for case in _drawn(operation.as_strategy(generation_mode=kind), min(share, count - sent), seed + turn):
                if sent % 2:
                    _name_what_is_there(case, there)
                report.note(f"{operation.method.upper()} {operation.path}", call(case))
                sent += 1
        if sent >= count:
            return report
    return report


def _name_what_is_there(case: Any, there: Mapping[str, str]) -> None:
    """Names drawn by chance are nobody's; with one that is there a request gets further in, wrong as it may be."""
    if isinstance(case.body, dict) and "voice" in case.body:
        case.body["voice"] = there["voice"]
    for name in (case.path_parameters or {}).keys() & there.keys():
        case.path_parameters[name] = there[name]


def furniture(address: str, clip: bytes, voice: str) -> dict[str, str]:
    """Make one of everything that a caller can have. Raises where the server does not let us."""

    def made(answer: httpx.Response) -> httpx.Response:
        return answer.raise_for_status()

    with httpx.Client(base_url=address, timeout=120) as client:
        said = made(client.post("/v1/audio/speech", json={"input": "Hi.", "voice": voice, "subtitles": "srt"}))
        form = {"name": "Ada", "language": "en"}
        consent = made(client.post("/v1/audio/voice_consents", data=form, files={"recording": ("a.wav", clip)}))
        item = {"output_name": "one", "input_text": "Hi."}
        job = made(client.post("/v1/jobs", json={"voice": voice, "seed": 1, "items": [item]}))
        made(client.put("/v1/lexicons/mine", json={"entries": {"重庆": "chóng qìng"}}))
        made(client.post("/v1/seeds", json={"name": "teacher", "seed": 42, "voice": voice, "replace": True}))
    return {
        "voice": voice,
        "record_id": said.headers["X-Resay-Manifest"],
        "file_format": "srt",
        "consent_id": consent.json()["id"],
        "job": job.json()["id"],
        "name": "mine",
        "key": "teacher",
        "model": "resay",
    }


def _drawn(strategy: Any, count: int, seed: int) -> list[Any]:
    """So many examples; fewer where there are no more. Some routes cannot be called wrongly: then none."""
    found: list[Any] = []
    if count <= 0:
        return found

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(case: Any) -> None:
        found.append(case)

    try:
        collect()
    except (hypothesis.errors.Unsatisfiable, hypothesis.errors.InvalidArgument):
        return []
    return found


# Uploads


def wav(frames: int = 1000, rate: int = 24_000, channels: int = 1, claim: int | None = None, bits: int = 16) -> bytes:
    """A WAV file whose head may claim anything; above 4 GB in the form that can say so (RF64)."""
    content = bytes(frames * channels * bits // 8)
    claimed = len(content) if claim is None else claim
    layout = struct.pack(
        "<IHHIIHH", 16, 1, channels, rate, rate * channels * bits // 8 % 2**32, channels * bits // 8 % 2**16, bits
    )
    if claimed < 2**32:
        return (
            b"RIFF"
            + struct.pack("<I", min(claimed + 36, 2**32 - 1))
            + b"WAVEfmt "
            + layout
            + (b"data" + struct.pack("<I", claimed) + content)
        )
    sizes = struct.pack("<IQQQI", 28, claimed + 72, claimed, claimed // 2, 0)
    unknown = struct.pack("<I", 2**32 - 1)
    return b"RF64" + unknown + b"WAVEds64" + sizes + b"fmt " + layout + b"data" + unknown + content


def archive(name: str, size: int = 100) -> bytes:
    """A ZIP file with one entry of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, bytes(size))
    return buffer.getvalue()


def silence(file_format: str, subtype: str, seconds: int, channels: int = 1, rate: int = 48_000) -> bytes:
    """Few bytes that unpack to many."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, channels, subtype, format=file_format) as file:
        for _ in range(seconds):
            file.write(np.zeros((rate, channels), np.float32))
    return buffer.getvalue()


def hostile(clip: bytes, count: int = 200, seed: int = 7) -> list[tuple[str, bytes]]:
    """Things that are no clip of a voice, or only pretend to be one: their kinds and their bytes."""
    draw = random.Random(seed)
    made = [
        ("renamed program or page", content)
        for content in (
            b"",
            b"\0",
            b"MZ" + bytes(5000),
            b"\x7fELF" + bytes(5000),
            b"%PDF-1.7\n",
            b"<html><script>alert(1)</script>",
            b"#!/bin/sh\nrm -rf /\n",
            b"\x80\x04K\x01.",
        )
    ]
    names = ("../../etc/passwd", "/etc/passwd", "..\\..\\x", "a/../../../x")
    made += [("archive", archive(name)) for name in names] + [("archive", archive("x", 500_000_000))]
    claims = (0, 1, 2**31, 2**32 - 1, 10 * 2**28, 10 * 2**30, 2**62)
    made += [("head that lies", wav(claim=claim)) for claim in claims]
    made += [("head that lies", wav(rate=rate)) for rate in (0, 1, 7, 2**31, 2**32 - 1)]
    made += [("head that lies", wav(channels=channels)) for channels in (0, 2, 9, 255, 1024, 65_535)]
    made += [("head that lies", wav(bits=bits)) for bits in (0, 1, 64)]
    made += [("silence, long or in odd formats", wav(frames=frames)) for frames in (0, 30_000)]
    made += [
        ("silence, long or in odd formats", silence(*form))
        for form in (
            ("FLAC", "PCM_16", 3600),
            ("OGG", "VORBIS", 600),
            ("OGG", "OPUS", 60, 8),
            ("FLAC", "PCM_16", 60, 8),
            ("W64", "PCM_16", 1),
            ("AIFF", "PCM_16", 1),
        )
    ]
    for head in (b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff\xfb" * 500, b"caff", b".snd"):
        made.append(("noise behind a right head", head + draw.randbytes(400)))
    kinds = [clip, *(audio.encode(audio.read(clip), kind) for kind in ("flac", "mp3", "opus"))]
    while len(made) < count:
        content = bytearray(draw.choice(kinds))
        cut = len(made) % 2 == 1
        content = content[: draw.randrange(1, 600)] if cut else content
        for _ in range(draw.randrange(1, 30)):
            content[draw.randrange(min(len(content), 200))] = draw.randrange(256)
        made.append(("clip, cut off" if cut else "clip with a damaged head", bytes(content)))
    return made[:count]


def uploads(made: list[tuple[str, bytes]], post: Callable[[int, bytes], Any]) -> Report:
    """Send them all."""
    report = Report()
    for number, (kind, content) in enumerate(made):
        report.note(kind, post(number, content))
    return report


# A server of its own


@contextmanager
def server(place: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`resay serve` in a folder, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"HOME": "home", "TMPDIR": "tmp", "RESAY_VOICES": "data/voices", "RESAY_SEEDS": "data/seeds.jsonl"}
    settings["RESAY_CONSENTS"] = "data/consents"
    environment = {**os.environ, **{name: str(place / folder) for name, folder in settings.items()}}
    for folder in ("home", "tmp", "data", "work"):
        (place / folder).mkdir()
    command = [sys.executable, "-m", "resay", "serve", "--no-page", "--port", str(port), "--data", str(place / "data")]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, env=environment, cwd=place / "work", stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                try:
                    httpx.get(f"{address}/readyz")
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            yield process, address
        finally:
            process.terminate()


def endless(address: str) -> Any:
    """An upload that goes on until the server has had enough. None where it went on for a gigabyte."""
    edge = "edge"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="audio_sample"; filename="x.wav"\r\n\r\n'.encode()

    def body() -> Iterator[bytes]:
        yield head + wav()
        for _ in range(2**14):
            yield bytes(2**16)

    form = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    return httpx.post(f"{address}/v1/audio/clip_reports", content=body(), headers=form, timeout=120)


def clip_to_spoil() -> bytes:
    """Some seconds of a shipped voice, as a WAV file."""
    library = resay.VoiceLibrary()
    voice = library.get(VOICE)
    said = resay.Engine().say(resay.Request("Say it again, exactly as you said it before."), voice).audio
    return audio.encode(Audio(said.samples[: 2 * said.sample_rate], said.sample_rate))


def measure(request_count: int, upload_count: int, seed: int) -> tuple[Report, Report]:
    """Both kinds of attack on one server."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with server(place) as (process, address):
            schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
            clip = clip_to_spoil()
            asked = requests(
                schema,
                request_count,
                seed,
                lambda case: case.call(base_url=address, timeout=120),
                lambda: furniture(address, clip, VOICE),
            )

            def post(number: int, content: bytes) -> Any:
                name = f"../{number}" if number % 5 == 0 else f"v{number}"
                files = {"audio_sample": (f"{name}.wav", content, "audio/wav")}
                form = {"name": name, "consent": "own"}
                return httpx.post(f"{address}/v1/audio/voices", data=form, files=files, timeout=120)

            sent = uploads(hostile(clip, upload_count), post)
            sent.note("endless body", endless(address))
            if process.poll() is not None:
                sent.faults.append("the server died")
        if process.wait(180) != 0:
            sent.faults.append(f"the server ended with {process.returncode}")
        strange = [path for path in place.rglob("*") if path.is_file() and path.relative_to(place).parts[0] != "data"]
        sent.faults += [f"a file outside its folder: {path.relative_to(place)}" for path in strange]
    return asked, sent


def main() -> int:
    """Measure and print or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    command = f"python bench/fuzz_server.py --requests {chosen.requests} --uploads {chosen.uploads}"
    made = sections.made_by(f"{command} --seed {chosen.seed}")
    reports = measure(chosen.requests, chosen.uploads, chosen.seed)
    tables = [report.table(head) for report, head in zip(reports, ("route", "upload"), strict=True)]
    faults = [fault for report in reports for fault in report.faults]
    found = f"{len(faults)} faults: {'; '.join(dict.fromkeys(faults))}." if faults else "No faults."
    section = "\n\n".join(["## What the server makes of nonsense", made, *tables, found])
    print(section)
    if chosen.write:
        sections.write(chosen.write, "fuzz", section)
    return 4 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
