"""The tabs of comparison: one text with several seeds, and an old sound made again."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from ..manifest import parse
from ..outputs import staging
from ..replay import stage
from ..server.manifests import cast_of, replayed
from ..server.service import Service
from ..server.speech import Manner
from .hearing import caller_of, folder, hear, refused, told
from .speaking import Fields, check
from .words import label, said

MOST = 6


def audition_tab(service: Service, fields: Fields) -> gr.Dropdown:
    """The same text in one voice with several seeds; the best one goes to the Speak page."""
    voice = gr.Dropdown([], label=label("voice"))
    text = gr.Textbox(label=label("text"), placeholder=label("text_hint"), lines=3)
    seeds = gr.Textbox("42, 100, 999", label=label("seeds_to_try"), max_lines=1)
    go = gr.Button(label("compare"), variant="primary")
    sounds = [gr.Audio(visible=False, interactive=False, type="filepath", buttons=["download"]) for _ in range(MOST)]
    best = gr.Radio([], label=label("choose"), visible=False)
    take = gr.Button(label("recall"), visible=False)
    made = gr.State({})

    @told
    async def speak(voice: str | None, text: str, seeds: str, http: gr.Request) -> list[Any]:
        if not voice:
            raise refused("need_choice", http)
        wanted = [part.strip() for part in seeds.replace("，", ",").split(",") if part.strip()]
        if not wanted or not all(part.isdecimal() and len(part) < 19 for part in wanted):
            raise refused("need_seed", http)
        if len(wanted) > MOST:
            raise refused("too_many_seeds", http, most=MOST)
        check(text, False, 0, http)
        shown, digests = [], {}
        for seed in dict.fromkeys(wanted):
            manner = Manner.model_validate({"voice": voice, "seed": int(seed), "response_format": "wav"})
            heard = await hear(service, caller_of(http), manner, text)
            digests[seed] = {"voice": voice, "seed": int(seed), "digest": heard.take.manifest.output.digest}
            shown.append(gr.update(value=str(heard.sound), label=f"seed {seed}", visible=True))
        hidden = [gr.update(value=None, visible=False)] * (MOST - len(shown))
        choice = gr.update(choices=list(digests), value=None, visible=True)
        return [*shown, *hidden, choice, gr.update(visible=True), digests]

    @told
    async def use(best: str | None, made: dict[str, Any], http: gr.Request) -> tuple[Any, ...]:
        if not best:
            raise refused("need_choice", http)
        chosen = made[best]
        gr.Info(html.escape(f"{chosen['voice']}, {chosen['seed']}"))
        return chosen["voice"], chosen["seed"], chosen

    go.click(speak, [voice, text, seeds], [*sounds, best, take, made], api_visibility="private")
    take.click(use, [best, made], [fields.voice, fields.seed, fields.last], api_visibility="private")
    return voice


def replay_tab(service: Service) -> None:
    """A manifest in, its sound again out."""
    source = gr.File(label=label("manifest"), file_types=[".json", ".wav", ".flac"], type="filepath")
    go = gr.Button(label("make_again"), variant="primary")
    sound = gr.Audio(label=label("sound"), interactive=False, type="filepath", buttons=["download"])
    verdict = gr.Markdown()

    @told
    async def again(source: str | None, http: gr.Request) -> tuple[str, str]:
        if source is None:
            raise refused("need_choice", http)
        recorded = parse(Path(source).read_bytes())
        done = await replayed(service, recorded, cast_of(caller_of(http), recorded))
        target = folder() / f"replay-{recorded.request.seed}.{recorded.output.format}"
        with staging() as staged:
            stage(done, staged, target)
        detail = html.escape(str(done.comparison))
        return str(target), said("identical", http) if done.identical else said("close", http, detail=detail)

    go.click(again, [source], [sound, verdict], api_visibility="private")
