"""From the page's fields to a sound, through the server's own queue and takes."""

from __future__ import annotations

import functools
import html
import logging
import secrets
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import ValidationError

from .. import consent, identity, pictures, pitch, subtitles
from ..audio import FORMAT, Audio
from ..errors import BadOption, ConsentMissing, ResayError
from ..gate import Item
from ..quality import Report
from ..server import uploads
from ..server.encoders import Whole
from ..server.performance import Order, Performance
from ..server.service import Caller, Service
from ..subtitles import Cue
from ..synthesis import Request
from ..takes import Cast, Take
from ..text import phonemes
from ..voices import Voice
from .words import problem, said

LOG = logging.getLogger(__name__)
SHORT = 200  # characters that a text may have without long-text mode
PREFIX = "resay-studio-"
KEPT = 3600  # seconds that a sound stays on the disk
MIN_WIDTH, SECOND_WIDTH = 320, 150  # points: phonemes stay wide enough to read, the picture scrolls


@dataclass(frozen=True, eq=False)
class Heard:
    """A sound on the page: its file, what made it, and everything to download."""

    sound: Path
    files: tuple[Path, ...]
    take: Take
    audio: Audio


def told(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A handler whose failures become one message on the page; their details stay in the log."""

    @functools.wraps(handler)
    async def safe(*arguments: Any) -> Any:
        http = next((one for one in arguments if isinstance(one, gr.Request)), None)
        try:
            return await handler(*arguments)
        except ResayError as error:
            raise gr.Error(html.escape(problem(error, http)), print_exception=False) from error
        except ValidationError as error:
            wrong = BadOption("{0[loc][0]}: {0[msg]}".format(error.errors()[0]))
            raise gr.Error(html.escape(problem(wrong, http)), print_exception=False) from error
        except gr.Error:
            raise
        except Exception as error:
            LOG.exception("the studio failed")
            raise gr.Error(said("internal", http), print_exception=False) from error

    return safe


def refused(name: str, http: gr.Request, **values: object) -> gr.Error:
    """A refusal that the person at the page can mend."""
    return gr.Error(said(name, http, **values), print_exception=False)


def caller_of(http: gr.Request) -> Caller:
    """Whose page it is. Raises gr.Error for a stranger."""
    caller: Caller | None = None if http.request is None else http.request.scope.get("resay.caller")
    if caller is None:
        raise gr.Error(said("key_wanted", http), print_exception=False)
    return caller


def folder() -> Path:
    """A new folder of a name that nobody guesses: nothing is ever served twice by accident. Old ones go."""
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # The page shows copies of its own; these are left over as soon as it has made them.
        if time.time() - old.stat().st_mtime > KEPT:
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{secrets.token_hex(8)}-"))


async def report_of(service: Service, clip: str) -> Report:
    """What would spoil a voice taken from a clip. Raises BadAudio, TooMuch."""
    heard = _sound(service, clip)
    return (await service.compute(lambda: service.gate.check(Item("clip", heard)))).report


async def voice_of(service: Service, clip: str, name: str, language: str, agreed: bool, http: gr.Request) -> Voice:
    """The voice of a clip. Raises ConsentMissing, BadAudio."""
    if not agreed:
        raise ConsentMissing(said("need_consent", http))
    heard = _sound(service, clip)
    profile, report = await service.compute(lambda: service.engine.listen(heard))
    source = identity.clip(clip).digest
    permission = consent.taken(consent.own(), source, service.clock())
    return Voice(name, language, profile, permission, source=source, quality=asdict(report))


def _sound(service: Service, clip: str) -> Audio:
    return uploads.sound(Path(clip).read_bytes(), service.limits)


async def hear(service: Service, caller: Caller, request: Request, cast: Cast, file_format: str) -> Heard:
    """Speak. Raises what the engine raises."""
    encoding = Whole(file_format)
    performance = Performance(service, caller, Order(request, cast, encoding, file_format))
    performance.start()
    content = b"".join([part async for part in performance])
    take = performance.take
    assert take is not None, "a performance that ended without an error has a take"
    where = folder()
    stem = f"resay-{request.seed}-{take.manifest.output.digest[7:15]}"
    sound = where / f"{stem}.{file_format}"
    sound.write_bytes(content)
    output = replace(take.manifest.output, file=sound.name)
    beside = where / f"{stem}.json"
    beside.write_bytes(replace(take.manifest, output=output).to_bytes())
    timed = where / f"{stem}.srt"
    timed.write_text(subtitles.write(take.cues, "srt"), encoding="utf-8")
    return Heard(sound, (sound, beside, timed), take, encoding.sound)


def pictured(heard: Heard) -> str:
    """Waveform, pitch and the phonemes under them."""
    sound = heard.audio.resampled(FORMAT.sample_rate)
    seed = heard.take.manifest.request.seed
    drawn = pictures.picture([pictures.Drawn(f"seed {seed}", sound, pitch.track(sound))])
    return framed(f"{drawn}{timeline(heard.take.cues, sound.seconds)}", sound.seconds)


def framed(inside: str, seconds: float) -> str:
    """A picture of so many seconds that scrolls where the page is narrower."""
    width = max(MIN_WIDTH, round(SECOND_WIDTH * seconds))
    return f'<div class="resay-picture"><div style="min-width:{width}px">{inside}</div></div>'


def timeline(cues: Sequence[Cue], seconds: float) -> str:
    """Words and phonemes, each as wide as it sounds."""
    rows = []
    for stretches in (
        [word for cue in cues for word in cue.words],
        [symbol for cue in cues for symbol in cue.phonemes if not phonemes.is_pause(symbol.text)],
    ):
        boxes = "".join(
            f'<span style="left:{100 * part.start / seconds:.3f}%;width:{100 * (part.end - part.start) / seconds:.3f}%"'
            f' title="{html.escape(part.text)} {part.start:.2f}–{part.end:.2f} s">{html.escape(part.text)}</span>'
            for part in stretches
        )
        rows.append(f'<div class="resay-row">{boxes}</div>')
    return "".join(rows)
