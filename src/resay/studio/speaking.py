"""The Speak tab: a voice or a clip, a text, a seed, and the sound."""

from __future__ import annotations

import asyncio
import html
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import gradio as gr

from .. import identity, seeds
from ..audio import FORMAT, SAMPLE_RATES
from ..prosody import Sampling
from ..quality import Report
from ..seeds import Role
from ..server import memory
from ..server.service import Caller, Service
from ..server.speech import DRAWN_SEEDS, Manner
from ..server.voices import HAN, listed
from ..synthesis import FASTEST, HIGHEST_SEED, SLOWEST, STRONGEST_STYLE
from ..takes import Cast
from .hearing import SHORT, Heard, caller_of, hear, pictured, refused, report_of, told, voice_of
from .words import found, label, said

USUAL = Sampling()
SEEDS = (42, 100, 999)
PRESETS = (("⚡ fast · 快速", "fast"), ("✨ quality · 高质量", "quality"))
UNUSABLE = ("too_short", "silent", "no_speech")
"""Findings with which no voice can be taken from a clip; what else spoils a voice is its owner's choice."""
COUNT = f"(text) => [...text].length + ' / {SHORT}'"


@dataclass(frozen=True, eq=False)
class Fields:
    """The parts of the tab that other tabs fill or read."""

    voice: gr.Dropdown
    seed: gr.Number
    manner: MannerFields
    last: gr.State
    """The role that would speak as the last sound was spoken: without a name yet; None where there is no such role."""


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
    last = gr.State(None)

    @told
    async def look(clip: str | None, http: gr.Request) -> str:
        return "" if clip is None else told_report(await report_of(service, clip), http)

    @told
    async def relieve(http: gr.Request) -> None:
        speaker = next(iter(caller_of(http).voices))
        await service.compute(lambda: memory.free(service.engine, speaker))
        gr.Info(said("freed", http))

    inputs = [voice, clip, agreed, text, long_text, seed, *manner]
    go.click(_speaker(service), inputs, [sound, used, picture, files, last], api_visibility="private")
    clip.change(look, [clip], [report], api_visibility="private")
    text.change(None, [text], [count], js=COUNT)
    for button, number in zip(quick, SEEDS, strict=True):
        button.click(lambda number=number: number, None, [seed], api_visibility="private")
    preset.change(_preset, [preset], [manner.sample_rate, manner.context], api_visibility="private")
    die.click(lambda: secrets.randbelow(DRAWN_SEEDS), None, [seed], api_visibility="private")
    free.click(relieve, None, None, api_visibility="private")
    return Fields(voice, seed, manner, last)


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
        if clip is None:
            cast = wanted.cast(caller, service.limits)
        else:
            cast = await _cloning(service, caller, wanted, clip, agreed, text, http)
        heard = await hear(service, caller, wanted.request(text), cast, wanted.format())
        picture = await asyncio.to_thread(pictured, heard)
        role = seeds.from_manifest("", heard.take.manifest) if clip is None else None
        return str(heard.sound), told_facts(heard, http), picture, [str(file) for file in heard.files], role

    return speak


class MannerFields(NamedTuple):
    """How to speak: the fields of the page, or what they say. Handlers get them one by one, in this order."""

    language: Any
    speed: Any
    sampling: Any
    temperature: Any
    top_k: Any
    style: Any
    style_strength: Any
    accent: Any
    lexicon: Any
    response_format: Any
    sample_rate: Any
    context: Any


def manner_fields() -> MannerFields:
    """Builds the fields. Who can lend a style and which lexicons there are is filled in when the page opens."""
    rates = [(f"{rate / 1000:g} kHz", rate) for rate in SAMPLE_RATES]
    return MannerFields(
        language=gr.Radio(["auto", "zh", "en"], value="auto", label=label("language")),
        speed=gr.Slider(max(SLOWEST, 0.5), min(FASTEST, 2.0), 1.0, step=0.05, label=label("speed")),
        sampling=gr.Radio(["ras", "topk", "greedy"], value="ras", label=label("sampling")),
        temperature=gr.Slider(0.05, 2.0, USUAL.temperature, step=0.05, label=label("temperature")),
        top_k=gr.Slider(1, 100, USUAL.top_k, step=1, label=label("top_k")),
        style=gr.Dropdown([], value=None, label=label("style")),
        style_strength=gr.Slider(0.0, STRONGEST_STYLE, 1.0, step=0.1, label=label("style_strength")),
        accent=gr.Slider(0.0, 1.0, 0.0, step=0.1, label=label("accent"), info=label("accent_hint")),
        lexicon=gr.Dropdown([], value=None, label=label("lexicon")),
        response_format=gr.Radio(["wav", "mp3", "flac", "opus"], value="wav", label=label("format")),
        sample_rate=gr.Radio(rates, value=FORMAT.sample_rate, label=label("sample_rate"), info=label("rate_hint")),
        context=gr.Checkbox(False, label=label("context"), info=label("context_hint")),
    )


def wanted_fields(manner: Sequence[Any]) -> dict[str, Any]:
    """What the fields say, as a request has it; what has no meaning beside the rest is left out."""
    wanted = MannerFields(*manner)._asdict()
    wanted |= {"style": wanted["style"] or None, "lexicon": wanted["lexicon"] or None, "top_k": int(wanted["top_k"])}
    without = {"ras": ("top_k",), "topk": (), "greedy": ("top_k", "temperature")}[wanted["sampling"]]
    return {name: value for name, value in wanted.items() if name not in without}


def settings_of(role: Role) -> list[Any]:
    """What a role sets of the fields, in the order of SETTINGS."""
    settings = role.settings
    drawn = settings.sampling
    return [
        *(settings.language, settings.speed, drawn.method, drawn.temperature, drawn.top_k),
        *(settings.style_strength, settings.accent),
    ]


SETTINGS = ("language", "speed", "sampling", "temperature", "top_k", "style_strength", "accent")
"""The fields that a role sets."""


def _preset(name: str) -> tuple[int, bool]:
    """Sample rate and context of a preset: as fast as it goes, or the best that the engine offers."""
    return (max(SAMPLE_RATES), True) if name == "quality" else (FORMAT.sample_rate, False)


def is_seed(written: str) -> bool:
    """Whether somebody wrote a seed: a whole number from 0."""
    return written.isascii() and written.isdecimal() and int(written) <= HIGHEST_SEED


def check(text: str, long_text: bool, seed: float | None, http: gr.Request) -> None:
    """Raises gr.Error for what the page itself refuses."""
    if not text.strip():
        raise refused("need_text", http)
    if len(text) > SHORT and not long_text:
        raise refused("too_long", http, count=len(text))
    if seed is None or seed < 0 or seed != int(seed):
        raise refused("need_seed", http)


async def _cloning(
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
    unusable = [finding for finding in report.findings if finding.code in UNUSABLE]
    if unusable:
        return said("clip_bad", http, problem=found(unusable[0], http))
    noise = report.level_db - report.noise_floor_db
    lines = [said("clip_good", http, speech=report.speech_seconds, noise=noise)]
    return "\n\n".join([*lines, *(f"⚠️ {found(finding, http)}" for finding in report.findings)])
