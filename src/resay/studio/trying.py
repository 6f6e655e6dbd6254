"""The tabs of comparison: one text with one thing changed, an old sound made again, two sounds side by side."""

from __future__ import annotations

import html
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from .. import audio, audition, compare, seeds
from ..compare import Comparison
from ..errors import BadOption
from ..manifest import parse
from ..outputs import staging
from ..replay import stage
from ..seeds import Role
from ..server.manifests import cast_of, replayed
from ..server.service import Service
from ..server.speech import Manner
from .hearing import caller_of, folder, framed, hear, refused, told
from .keeping import role_fields, save_role
from .speaking import SETTINGS, Fields, check, is_seed, settings_of
from .words import label, said

MOST = 6
VARIED = {
    "seed": "vary_seed",
    "sampling": "vary_sampling",
    "voice": "vary_voice",
    "style-strength": "vary_style",
    "sample-rate": "vary_rate",
    "punctuation": "vary_punctuation",
}
"""What may differ, and how the page calls it."""
LONGEST = 600.0  # seconds of a sound that is compared


def audition_tab(service: Service, fields: Fields) -> gr.Dropdown:
    """The same text several times with one thing changed; the best one is kept as a role, or used on the Speak page."""
    voice = gr.Dropdown([], label=label("voice"))
    text = gr.Textbox(label=label("text"), placeholder=label("text_hint"), lines=3)
    with gr.Row():
        variables = [(label(word), name) for name, word in VARIED.items()]
        varied = gr.Radio(variables, value="seed", label=label("varied"), min_width=300)
        values = gr.Textbox(
            "42, 100, 999", label=label("values"), info=label("values_hint"), lines=1, max_lines=6, min_width=300
        )
    go = gr.Button(label("compare"), variant="primary")
    sounds = [gr.Audio(visible=False, interactive=False, type="filepath", buttons=["download"]) for _ in range(MOST)]
    best = gr.Radio([], label=label("choose"), visible=False)
    with gr.Group(visible=False) as keeping:
        about = role_fields()
        with gr.Row():
            save, take = gr.Button(label("save_chosen"), variant="primary"), gr.Button(label("recall"))
    made = gr.State({})

    @told
    async def speak(voice: str | None, text: str, variable: str, values: str, http: gr.Request) -> list[Any]:
        if not voice:
            raise refused("need_choice", http)
        check(text, True, 0, http)
        caller = caller_of(http)
        plain = Manner.model_validate({"voice": voice})
        variants = audition.variants(plain.request(text), variable, listed(variable, values))
        if len(variants) > MOST:
            raise refused("too_many", http, most=MOST)
        shown, roles = [], {}
        for variant in variants:
            cast = plain.model_copy(update={"voice": variant.voice or voice}).cast(caller, service.limits)
            heard = await hear(service, caller, variant.request, cast, "wav")
            roles[variant.shown] = seeds.from_manifest("", heard.take.manifest)
            shown.append(gr.update(value=str(heard.sound), label=variant.shown, visible=True))
        hidden = [gr.update(value=None, visible=False)] * (MOST - len(shown))
        choice = gr.update(choices=list(roles), value=None, visible=True)
        return [*shown, *hidden, choice, gr.update(visible=True), roles]

    @told
    async def keep(
        best: str | None, made: dict[str, Role], name: str, scene: str, character: str, http: gr.Request
    ) -> None:
        save_role(service, replace(_chosen(best, made, http), name=name), scene, character, http)

    @told
    async def use(best: str | None, made: dict[str, Role], http: gr.Request) -> list[Any]:
        role = _chosen(best, made, http)
        gr.Info(html.escape(f"{role.voice}, {role.seed}"))
        return [role.voice, role.seed, role, *settings_of(role)]

    usual = [voice, text, varied, values]
    go.click(speak, usual, [*sounds, best, keeping, made], api_visibility="private")
    varied.change(lambda variable: ", ".join(audition.DEFAULTS.get(variable, ())), [varied], [values])
    save.click(keep, [best, made, *about], None, api_visibility="private")
    settings = [getattr(fields.manner, name) for name in SETTINGS]
    take.click(use, [best, made], [fields.voice, fields.seed, fields.last, *settings], api_visibility="private")
    return voice


def _chosen(best: str | None, made: dict[str, Role], http: gr.Request) -> Role:
    if not best:
        raise refused("need_choice", http)
    return made[best]


def listed(variable: str, values: str) -> list[str]:
    """The values of a variable as they are written. Raises BadOption for seeds that are none."""
    parts = values.splitlines() if variable == "punctuation" else values.replace("，", ",").split(",")
    found = [part.strip() for part in parts if part.strip()]
    if variable == "seed" and not all(map(is_seed, found)):
        raise BadOption("seeds are whole numbers from 0")
    return found


def replay_tab(service: Service) -> None:
    """A manifest in, its sound again out; and any two sounds measured against each other."""
    with gr.Row():
        with gr.Column():
            source = gr.File(label=label("manifest"), file_types=[".json", ".wav", ".flac"], type="filepath")
            go = gr.Button(label("make_again"), variant="primary")
            sound = gr.Audio(label=label("sound"), interactive=False, type="filepath", buttons=["download"])
            verdict = gr.Markdown()
        with gr.Column():
            first, second = (
                gr.Audio(label=label(name), sources=["upload"], type="filepath", buttons=[])
                for name in ("first_sound", "second_sound")
            )
            measure = gr.Button(label("measure"), variant="primary")
            figures, picture = gr.Markdown(), gr.HTML()

    @told
    async def again(source: str | None, http: gr.Request) -> tuple[str, str]:
        if source is None:
            raise refused("need_choice", http)
        recorded = parse(Path(source).read_bytes())
        done = await replayed(service, recorded, cast_of(caller_of(http), recorded))
        target = folder() / f"replay-{recorded.request.seed}.{recorded.output.format}"
        with staging() as staged:
            stage(done, staged, target)
        if done.comparison is None:
            return str(target), said("identical", http)
        return str(target), "\n\n".join([said("close", http), told_criteria(done.comparison, http)])

    @told
    async def compared(first: str | None, second: str | None, http: gr.Request) -> tuple[str, str]:
        caller_of(http)
        if first is None or second is None:
            raise refused("need_clip", http)
        sounds = [audio.read(Path(path), longest=LONGEST) for path in (first, second)]
        found = await service.compute(lambda: compare.compare(*sounds))
        names = [f"{number}. {Path(path).name}" for number, path in enumerate((first, second), start=1)]
        drawn = await service.compute(lambda: compare.picture(*zip(names, sounds, strict=True)))
        return told_criteria(found, http), framed(drawn, max(one.seconds for one in sounds))

    go.click(again, [source], [sound, verdict], api_visibility="private")
    measure.click(compared, [first, second], [figures, picture], api_visibility="private")


def told_criteria(found: Comparison, http: gr.Request) -> str:
    """The three criteria as a table: what is asked, what was measured, whether it holds."""
    pitch, final, pause = found.pitch_hz, found.final_pitch_hz, found.pause_ms
    figures = {
        "overlap": f"{found.overlap:.2%}",
        "prosody": said("prosody_figures", http, pitch=pitch, final=final, pause=pause),
        "key_frames": f"{found.key_frame_ms:.0f} ms",
    }
    heads = (said("criterion", http), said("measured", http), "")
    rows = [f"| {' | '.join(heads)} |", "|-|-|-|"]
    rows += [
        f"| {said(name, http)} | {figures[name]} | {'✅' if met else '❌'} |" for name, met in found.criteria.items()
    ]
    return "\n".join(rows)
