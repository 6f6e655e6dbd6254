"""The tabs of what is kept: voices, roles with their seeds, lexicons."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from .. import seeds, text
from ..errors import BadLexicon
from ..seeds import Role
from ..server import lexicons
from ..server.keys import MANAGE
from ..server.service import Caller, Service
from ..server.voices import listed, refuse
from ..text import Lexicon
from ..voices import checked_name
from .hearing import caller_of, refused, report_of, told, voice_of
from .speaking import SETTINGS, Fields, names_of, settings_of, told_report
from .words import label, said


def manager(http: gr.Request) -> Caller:
    """Who may change what is kept. Raises gr.Error for others."""
    caller = caller_of(http)
    if MANAGE not in caller.scopes:
        raise refused("may_not", http)
    return caller


def table(heads: str, rows: list[list[Any]], http: gr.Request) -> dict[str, Any]:
    """Rows under heads in the visitor's language."""
    return {"headers": said(heads, http).split("|"), "data": rows}


def voice_table(caller: Caller, http: gr.Request) -> dict[str, Any]:
    rows = [[one.name, one.language, one.gender, one.description, one.seed or ""] for one in listed(caller)]
    return table("voice_heads", rows, http)


def role_table(caller: Caller, http: gr.Request) -> dict[str, Any]:
    rows = [[one.number, one.name, one.seed, one.voice, one.scene, one.character] for one in caller.seeds]
    return table("role_heads", rows, http)


def _choices(speakers: int, styles: int, caller: Caller, http: gr.Request) -> tuple[Any, ...]:
    """The table of voices, what may be deleted, and the choices of so many other fields."""
    names = names_of(caller)
    own = [one for one in names if caller.voices.is_own(one)]
    # An update of its own for every field: Gradio takes them apart where it uses them.
    voices = [gr.update(choices=names) for _ in range(speakers)]
    manners = [gr.update(choices=["", *names]) for _ in range(styles)]
    return voice_table(caller, http), gr.update(choices=own, value=None), *voices, *manners


def voices_tab(
    service: Service, page: gr.Blocks, speakers: Sequence[gr.Dropdown], styles: Sequence[gr.Dropdown]
) -> None:
    """List, add with consent, delete; keeps the other tabs' choices of voices and of styles."""
    with gr.Row():
        with gr.Column():
            listing = gr.Dataframe(label=label("your_voices"), interactive=False)
            chosen = gr.Dropdown([], label=label("voice"))
            delete = gr.Button(label("delete"), variant="stop")
        with gr.Column():
            clip = gr.Audio(label=label("clip"), sources=["upload", "microphone"], type="filepath", buttons=[])
            report = gr.Markdown()
            agreed = gr.Checkbox(False, label=label("consent"))
            name = gr.Textbox(label=label("name"), max_lines=1)
            language = gr.Radio(["zh", "en"], value="zh", label=label("spoken_language"))
            add = gr.Button(label("add"), variant="primary")
    changed = [listing, chosen, *speakers, *styles]

    shown = partial(_choices, len(speakers), len(styles))

    @told
    async def keep(clip: str | None, agreed: bool, name: str, language: str, http: gr.Request) -> tuple[Any, ...]:
        caller = manager(http)
        if clip is None:
            raise refused("need_clip", http)
        refuse(service, caller, checked_name(name))
        voice = await voice_of(service, clip, checked_name(name), language, agreed, http)
        caller.voices.add(voice)
        gr.Info(html.escape(said("added", http, name=voice.name)))
        return shown(caller, http)

    @told
    async def forget(name: str | None, http: gr.Request) -> tuple[Any, ...]:
        caller = manager(http)
        if not name:
            raise refused("need_choice", http)
        caller.voices.remove(name)
        gr.Info(html.escape(said("deleted", http, name=name)))
        return shown(caller, http)

    @told
    async def look(clip: str | None, http: gr.Request) -> str:
        return "" if clip is None else told_report(await report_of(service, clip), http)

    @told
    async def opened(http: gr.Request) -> tuple[Any, ...]:
        caller = caller_of(http)
        names = names_of(caller)
        listing, own, *others = shown(caller, http)
        first = names[0] if names else None
        voices = [gr.update(choices=names, value=first) for _ in speakers]
        return listing, own, *voices, *others[len(voices) :]

    clip.change(look, [clip], [report], api_visibility="private")
    add.click(keep, [clip, agreed, name, language], changed, api_visibility="private")
    delete.click(forget, [chosen], changed, api_visibility="private")
    page.load(opened, None, changed, api_visibility="private")


def role_fields() -> tuple[gr.Textbox, gr.Textbox, gr.Textbox]:
    """What a role is called, what it is for, and how it sounds."""
    name = gr.Textbox(label=label("role"), max_lines=1)
    scene = gr.Textbox(label=label("scene"), max_lines=1)
    return name, scene, gr.Textbox(label=label("character"), max_lines=1)


def save_role(service: Service, role: Role, scene: str, character: str, http: gr.Request) -> None:
    """Into the caller's seed library. Raises BadOption for a bad or taken name, gr.Error for who may not."""
    caller = manager(http)
    kept = caller.seeds.add(seeds.described(role, caller.voice(role.voice), scene, character, service.clock()))
    gr.Info(html.escape(said("role_saved", http, name=kept.name, voice=kept.voice, seed=kept.seed)))


def seeds_tab(service: Service, opening: gr.Tab, fields: Fields) -> None:
    """Save the last sound as a role, recall one, delete one."""
    listing = gr.Dataframe(label=label("roles"), interactive=False)
    with gr.Row():
        with gr.Column():
            gr.Markdown(label("save_role"))
            about = role_fields()
            save = gr.Button(label("save"), variant="primary")
        with gr.Column():
            chosen = gr.Dropdown([], label=label("role"))
            recall = gr.Button(label("recall"))
            delete = gr.Button(label("delete"), variant="stop")

    def shown(http: gr.Request) -> tuple[Any, Any]:
        caller = caller_of(http)
        return role_table(caller, http), gr.update(choices=[one.name for one in caller.seeds], value=None)

    @told
    async def keep(last: Role | None, name: str, scene: str, character: str, http: gr.Request) -> tuple[Any, Any]:
        if last is None:
            raise refused("need_sound", http)
        save_role(service, replace(last, name=name), scene, character, http)
        return shown(http)

    @told
    async def forget(name: str | None, http: gr.Request) -> tuple[Any, Any]:
        caller = manager(http)
        if not name:
            raise refused("need_choice", http)
        caller.seeds.remove(name)
        return shown(http)

    @told
    async def fetch(name: str | None, http: gr.Request) -> list[Any]:
        if not name:
            raise refused("need_choice", http)
        found = caller_of(http).seeds.get(name)
        gr.Info(html.escape(f"{found.name}: {found.voice}, {found.seed}"))
        return [found.voice, found.seed, *settings_of(found)]

    @told
    async def opened(http: gr.Request) -> tuple[Any, Any]:
        # What has been chosen meanwhile stays: the answer may come late.
        listed, choices = shown(http)
        choices.pop("value")
        return listed, choices

    save.click(keep, [fields.last, *about], [listing, chosen], api_visibility="private")
    delete.click(forget, [chosen], [listing, chosen], api_visibility="private")
    settings = [getattr(fields.manner, one) for one in SETTINGS]
    recall.click(fetch, [chosen], [fields.voice, fields.seed, *settings], api_visibility="private")
    opening.select(opened, None, [listing, chosen], api_visibility="private")


def lexicon_tab(service: Service, page: gr.Blocks, choices: Sequence[gr.Dropdown]) -> None:
    """Write a lexicon, and see how it makes a text read; keeps the other tabs' choices of lexicons."""
    with gr.Row():
        with gr.Column():
            name = gr.Dropdown([], value="my", allow_custom_value=True, label=label("name"))
            entries = gr.Textbox(label=label("entries"), lines=8, max_lines=30)
            with gr.Row():
                show = gr.Button(label("open"))
                save = gr.Button(label("save"), variant="primary")
        with gr.Column():
            sample = gr.Textbox(label=label("text"), lines=3, value="重庆银行 opens on 3 May.")
            read = gr.Button(label("show_reading"))
            reading = gr.Dataframe(label=label("reads"), interactive=False)

    def shown(caller: Caller) -> list[Any]:
        names = lexicons.names(caller)
        return [gr.update(choices=names), *(gr.update(choices=["", *names]) for _ in choices)]

    @told
    async def opened(http: gr.Request) -> list[Any]:
        return [*shown(caller_of(http)), table("reading_heads", [], http)]

    @told
    async def fetch(name: str, http: gr.Request) -> str:
        kept = lexicons.load(caller_of(http), name)
        return "\n".join(f"{grapheme} = {phoneme}" for grapheme, phoneme in kept.entries.items())

    @told
    async def keep(name: str, entries: str, http: gr.Request) -> list[Any]:
        made = lexicons.checked(_entries(entries, http), service.limits)
        lexicons.keep(manager(http), name, made)
        gr.Info(html.escape(said("saved", http, name=name, count=len(made.entries))))
        return shown(caller_of(http))

    @told
    async def analyse(sample: str, entries: str, http: gr.Request) -> dict[str, Any]:
        made = lexicons.checked(_entries(entries, http), service.limits) if entries.strip() else None
        rows = await service.compute(lambda: readings(sample[: service.limits.characters], made))
        return table("reading_heads", rows, http)

    show.click(fetch, [name], [entries], api_visibility="private")
    save.click(keep, [name, entries], [name, *choices], api_visibility="private")
    page.load(opened, None, [name, *choices, reading], api_visibility="private")
    read.click(analyse, [sample, entries], [reading], api_visibility="private")


def readings(sample: str, lexicon: Lexicon | None) -> list[list[str]]:
    """Word, reading, and who decided it. Raises BadText."""
    sentences = text.sentences(sample, "auto", lexicon)
    return [[word.text, " ".join(word.reading), word.source] for sentence in sentences for word in sentence.words]


def _entries(written: str, http: gr.Request) -> dict[str, str]:
    entries = {}
    for number, line in enumerate(written.splitlines(), start=1):
        if not line.strip():
            continue
        grapheme, sign, phoneme = line.partition("=")
        if not sign or not grapheme.strip() or not phoneme.strip():
            raise BadLexicon(said("bad_line", http, line=number))
        entries[grapheme.strip()] = phoneme.strip()
    return entries
