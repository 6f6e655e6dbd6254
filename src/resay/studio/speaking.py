"""The Speak tab: a voice or a clip, a text, a seed, and the sound."""

from __future__ import annotations

import asyncio
import gc
import html
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from .. import identity
from ..audio import FORMAT
from ..errors import BadOption
from ..prosody import Sampling
from ..reference import Report
from ..server.service import Caller, Service
from ..server.speech import DRAWN_SEEDS, Manner
from ..server.voices import HAN, listed
from ..synthesis import FASTEST, SLOWEST, STRONGEST_STYLE, Request
from ..takes import Cast
from .hearing import SHORT, Heard, caller_of, hear, pictured, refused, report_of, told, voice_of
from .words import label, said

USUAL = Sampling()
SEEDS = (42, 100, 999)
RATES = (24_000, 32_000)
PRESETS = (("⚡ fast · 快速", "fast"), ("✨ quality · 高质量", "quality"))
CAN_CARRY = "context" in Manner.model_fields
"""Whether sentences can be spoken in the light of those before them."""
COUNT = f"(text) => [...text].length + ' / {SHORT}'"


@dataclass(frozen=True, eq=False)
class Fields:
    """The parts of the tab that other tabs fill or read."""

    voice: gr.Dropdown
    style: gr.Dropdown
    seed: gr.Number
    last: gr.State
    """{"voice", "seed", "digest"} of the last sound."""


def names_of(caller: Caller) -> list[str]:
    return [voice.name for voice in listed(caller)]


def tab(service: Service) -> Fields:
    """Builds the tab."""
    with gr.Row():
        with gr.Column():
            voice = gr.Dropdown([], label=label("voice"))
            clip = gr.Audio(label=label("clip"), sources=["upload", "microphone"], type="filepath", buttons=[])
            report = gr.Markdown()
            agreed = gr.Checkbox(False, label=label("consent"))
            text = gr.Textbox(label=label("text"), placeholder=label("text_hint"), lines=4, max_lines=20)
            count = gr.Markdown(f"0 / {SHORT}", elem_classes="resay-count")
            long_text = gr.Checkbox(False, label=label("long_text"))
            seed = gr.Number(42, label=label("seed"), info=label("seed_hint"), precision=0, minimum=0)
            with gr.Row():
                quick = [gr.Button(str(number), size="sm", min_width=48) for number in SEEDS]
                die = gr.Button("🎲", size="sm", min_width=48)
            preset = gr.Radio(list(PRESETS), value=PRESETS[0][1], label=label("preset"))
            with gr.Accordion(label("advanced"), open=False):
                manner = manner_fields()
                gr.Checkbox(True, label=label("kv_cache"), info=label("kv_cache_hint"), interactive=False)
            with gr.Row():
                go = gr.Button(label("go"), variant="primary")
                free = gr.Button(label("free"))
        with gr.Column():
            sound = gr.Audio(label=label("sound"), interactive=False, type="filepath", buttons=["download"])
            used = gr.Markdown()
            picture = gr.HTML()
            files = gr.File(label=label("files"), file_count="multiple", interactive=False)
    last = gr.State({})

    @told
    async def look(clip: str | None, http: gr.Request) -> str:
        return "" if clip is None else told_report(await report_of(service, clip), http)

    async def relieve(http: gr.Request) -> None:
        gc.collect()
        gr.Info(said("freed", http))

    inputs = [voice, clip, agreed, text, long_text, seed, *manner]
    go.click(_speaker(service), inputs, [sound, used, picture, files, last], api_visibility="private")
    clip.change(look, [clip], [report], api_visibility="private")
    text.change(None, [text], [count], js=COUNT)
    for button, number in zip(quick, SEEDS, strict=True):
        button.click(lambda number=number: number, None, [seed], api_visibility="private")
    preset.change(_preset, [preset], [manner[RATE], manner[CONTEXT]], api_visibility="private")
    die.click(lambda: secrets.randbelow(DRAWN_SEEDS), None, [seed], api_visibility="private")
    free.click(relieve, None, None, api_visibility="private")
    return Fields(voice, manner[STYLE], seed, last)


def _speaker(service: Service) -> Callable[..., Awaitable[Any]]:
    """What the button does."""

    @told
    async def speak(
        http: gr.Request,
        voice: str | None,
        clip: str | None,
        agreed: bool,
        text: str,
        long_text: bool,
        seed: float | None,
        *manner: Any,
    ) -> tuple[Any, ...]:
        check(text, long_text, seed, http)
        if not voice and clip is None:
            raise refused("need_choice", http)
        caller = caller_of(http)
        wanted = Manner.model_validate({**wanted_fields(manner), "voice": voice or "", "seed": int(seed or 0)})
        cast = None if clip is None else await _cast(service, caller, wanted, clip, agreed, text, http)
        heard = await hear(service, caller, wanted, text, cast)
        picture = await asyncio.to_thread(pictured, heard)
        facts = {"voice": "" if clip else voice, "seed": wanted.seed, "digest": heard.take.manifest.output.digest}
        return str(heard.sound), told_facts(heard, http), picture, [str(file) for file in heard.files], facts

    return speak


def manner_fields() -> list[Any]:
    """How to speak, in the order that `wanted_fields` reads."""
    language = gr.Radio(["auto", "zh", "en"], value="auto", label=label("language"))
    speed = gr.Slider(max(SLOWEST, 0.5), min(FASTEST, 2.0), 1.0, step=0.05, label=label("speed"))
    sampling = gr.Radio(["ras", "topk", "greedy"], value="ras", label=label("sampling"))
    temperature = gr.Slider(0.05, 2.0, USUAL.temperature, step=0.05, label=label("temperature"))
    top_k = gr.Slider(1, 100, USUAL.top_k, step=1, label=label("top_k"))
    style = gr.Dropdown([], value=None, label=label("style"))
    strength = gr.Slider(0.0, STRONGEST_STYLE, 1.0, step=0.1, label=label("style_strength"))
    file_format = gr.Radio(["wav", "mp3", "flac", "opus"], value="wav", label=label("format"))
    rates = [(f"{rate / 1000:g} kHz", rate) for rate in offered_rates()]
    rate = gr.Radio(rates, value=FORMAT.sample_rate, label=label("sample_rate"))
    hint = label("context_hint" if CAN_CARRY else "context_not")
    context = gr.Checkbox(False, label=label("context"), info=hint, interactive=CAN_CARRY)
    return [language, speed, sampling, temperature, top_k, style, strength, file_format, rate, context]


STYLE, RATE, CONTEXT = 5, 8, 9
"""Places among `manner_fields`."""


def wanted_fields(manner: Sequence[Any]) -> dict[str, Any]:
    """What the fields say, as a request has it; what has no meaning beside the rest is left out."""
    language, speed, sampling, temperature, top_k, style, strength, file_format, rate, context = manner
    drawn = {} if sampling == "greedy" else {"temperature": temperature}
    drawn |= {"top_k": int(top_k)} if sampling == "topk" else {}
    drawn |= {"context": context} if CAN_CARRY else {}
    return {
        "language": language,
        "speed": speed,
        "sampling": sampling,
        "style": style or None,
        "style_strength": strength,
        "response_format": file_format,
        "sample_rate": rate,
        **drawn,
    }


def offered_rates() -> list[int]:
    """Sample rates that the engine speaks at: it is asked, so that the page never offers more."""
    found = []
    for rate in RATES:
        with suppress(BadOption):
            found.append(Request("-", sample_rate=rate).sample_rate)
    return found


def _preset(name: str) -> tuple[int, bool]:
    """Sample rate and context of a preset: as fast as it goes, or the best that the engine offers."""
    return (max(offered_rates()), CAN_CARRY) if name == "quality" else (min(offered_rates()), False)


def check(text: str, long_text: bool, seed: float | None, http: gr.Request) -> None:
    """Raises gr.Error for what the page itself refuses."""
    if not text.strip():
        raise refused("need_text", http)
    if len(text) > SHORT and not long_text:
        raise refused("too_long", http, count=len(text))
    if seed is None or seed < 0 or seed != int(seed):
        raise refused("need_seed", http)


async def _cast(
    service: Service, caller: Caller, wanted: Manner, clip: str, agreed: bool, text: str, http: gr.Request
) -> Cast:
    spoken = wanted.language if wanted.language != "auto" else "zh" if HAN.search(text) else "en"
    voice = await voice_of(service, clip, "clip", spoken, agreed, http)
    return replace(wanted.cast(caller, service.limits, voice), clip=identity.clip(clip))


def told_facts(heard: Heard, http: gr.Request) -> str:
    """Seed, voice and times of a sound, in a sentence."""
    made = heard.take.manifest
    return said(
        "used",
        http,
        seed=made.request.seed,
        voice=html.escape(made.voice.name),
        taken=heard.take.seconds_taken,
        seconds=made.output.seconds,
        digest=made.output.digest.removeprefix("sha256:")[:12],
    )


def told_report(report: Report, http: gr.Request) -> str:
    """Whether a clip will do, and what would spoil the voice."""
    refusals = [finding.message for finding in report.findings if finding.severity == "refusal"]
    if refusals:
        return said("clip_bad", http, problem=refusals[0])
    noise = report.level_db - report.noise_floor_db
    lines = [said("clip_good", http, speech=report.speech_seconds, noise=noise)]
    return "\n\n".join([*lines, *(f"⚠️ {finding.message}" for finding in report.findings)])
