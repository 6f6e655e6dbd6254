"""The Batch tab: a table handed in as a job, followed while it is spoken, fetched as a ZIP file."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from ..batch import Result
from ..jobs.store import CANCELLED, DONE, FAILED, RUNNING, WAITING, Job
from ..server import jobs
from ..server.jobs import Common
from ..server.service import Caller, Service
from .hearing import caller_of, folder, refused, told
from .speaking import MannerFields, is_seed, manner_fields, wanted_fields
from .words import label, said

STATES = {
    WAITING: "job_waiting",
    RUNNING: "job_running",
    DONE: "job_done",
    FAILED: "job_failed",
    CANCELLED: "job_cancelled",
}
LOOK = 1.0  # seconds between two looks at a job
LOG_LINES = 200
"""The last so many items are shown; the ZIP file's index has all."""


def common_of(voice: str | None, seed: str, manner: Sequence[Any], http: gr.Request) -> Common:
    """What all items share. Raises what the page shows where the seed is none.

    Nothing stands in its field at first: whoever hands in a batch chooses on purpose. A field for numbers shows 0.
    """
    if not is_seed(seed.strip()):
        raise refused("need_seed", http)
    return Common.model_validate({**wanted_fields(manner), "voice": voice or "", "seed": int(seed)})


async def _shown(service: Service, caller: Caller, job_id: str, http: gr.Request) -> tuple[Any, ...]:
    """Progress, log, ZIP file and whether to look again."""
    job = await asyncio.to_thread(service.jobs.get, caller.id, job_id)
    results = await asyncio.to_thread(service.jobs.results, job)
    file = None
    if job.finished and job.counts.get(DONE):
        file = str(await asyncio.to_thread(jobs.packed, service.jobs, job, folder()))
    return bar(job, http), lines(results), file, gr.Timer(active=not job.finished)


def tab(service: Service, page: gr.Blocks) -> tuple[gr.Dropdown, MannerFields]:
    """Builds the tab; gives its choices of voices and the like, which other tabs keep."""
    with gr.Row():
        with gr.Column():
            table = gr.File(label=label("table"), file_types=[".jsonl"], type="filepath")
            gr.Markdown(label("table_hint"))
            voice = gr.Dropdown([], label=label("voice_unless"))
            seed = gr.Textbox("", label=label("batch_seed"), info=label("seed_required"), max_lines=1)
            with gr.Accordion(label("advanced"), open=False):
                manner = manner_fields()
            go = gr.Button(label("hand_in"), variant="primary")
        with gr.Column():
            chosen = gr.Dropdown([], label=label("job"))
            with gr.Row():
                stop, again = gr.Button(label("cancel"), variant="stop"), gr.Button(label("go_on"))
            progress, log = gr.HTML(), gr.Textbox(label=label("log"), lines=12, max_lines=12, interactive=False)
            packed = gr.File(label=label("zip"), interactive=False)
    timer = gr.Timer(LOOK, active=False)
    following = [progress, log, packed, timer]

    @told
    async def hand_in(
        http: gr.Request, table: str | None, voice: str | None, seed: str, *manner: Any
    ) -> tuple[Any, ...]:
        if table is None:
            raise refused("need_table", http)
        caller = caller_of(http)
        common = common_of(voice, seed, manner, http)
        name, content = Path(table).stem, Path(table).read_bytes()
        job = await asyncio.to_thread(jobs.submitted, service.jobs, caller, service.limits, name, common, content)
        return choices(service, caller, job.id), *await shown(caller, job.id, http)

    shown = partial(_shown, service)

    @told
    async def follow(job: str | None, http: gr.Request) -> tuple[Any, ...]:
        return ("", "", None, gr.Timer(active=False)) if not job else await shown(caller_of(http), job, http)

    def moving(move: Callable[[Job], None]) -> Callable[..., Any]:
        @told
        async def moved(job: str | None, http: gr.Request) -> tuple[Any, ...]:
            caller = caller_of(http)
            if not job:
                raise refused("need_choice", http)
            move(service.jobs.get(caller.id, job))
            return await shown(caller, job, http)

        return moved

    @told
    async def opened(http: gr.Request) -> Any:
        return choices(service, caller_of(http), None)

    go.click(hand_in, [table, voice, seed, *manner], [chosen, *following], api_visibility="private")
    chosen.input(follow, [chosen], following, api_visibility="private")
    timer.tick(follow, [chosen], following, api_visibility="private", show_progress="hidden")
    stop.click(moving(service.jobs.cancel), [chosen], following, api_visibility="private")
    again.click(moving(service.jobs.resume), [chosen], following, api_visibility="private")
    page.load(opened, None, [chosen], api_visibility="private")
    return voice, manner


def choices(service: Service, caller: Caller, chosen: str | None) -> Any:
    """The caller's jobs to choose from, the newest first."""
    return gr.update(choices=[(job.name or job.id, job.id) for job in service.jobs.all(caller.id)], value=chosen)


def bar(job: Job, http: gr.Request) -> str:
    """How far a job is, drawn and in words."""
    done, failed = job.counts.get(DONE, 0), job.counts.get(FAILED, 0)
    words = said("job_state", http, done=done, failed=failed, items=job.items, state=said(STATES[job.state], http))
    value = f'<progress max="{job.items}" value="{done + failed}" style="width:100%"></progress>'
    return f'<div class="resay-job" data-state="{job.state}">{value}<br>{html.escape(words)}</div>'


def lines(results: list[Result]) -> str:
    """A line for every finished item, the last ones last."""
    told = [
        f"{one.line:>5}  ✗ {one.output}: {one.problem}"
        if one.problem
        else f"{one.line:>5}  ✓ {one.output}  {one.facts['seconds']:.2f} s  {one.facts['digest'][7:19]}"
        for one in results
    ]
    return "\n".join(told[-LOG_LINES:])
