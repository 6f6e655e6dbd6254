"""The page on a server: its tabs, its looks, its door."""

from __future__ import annotations

import html
from typing import Annotated, Any

import gradio as gr
from fastapi import FastAPI, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ..server import sessions
from ..server.service import Service
from . import batching, keeping, speaking, trying
from .hearing import KEPT
from .words import label, said, table

FONTS = ("system-ui", "Noto Sans SC", "sans-serif")
"""Of the system: the page loads none."""
STYLE = """
.resay-count {text-align: right; opacity: .7}
.resay-picture {overflow-x: auto; padding: 6px 0}
.resay-picture svg {width: 100%; height: auto; border-radius: 8px}
.resay-row {position: relative; height: 26px}
.resay-row span {position: absolute; overflow: hidden; white-space: nowrap; font-size: 12px; line-height: 22px;
  text-align: center; border-left: 1px solid #8886; box-sizing: border-box}
"""
LOGIN = """<!doctype html><html lang="{language}"><meta charset="utf-8"><title>resay</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<body style="font-family: system-ui, sans-serif; max-width: 22rem; margin: 20vh auto; padding: 0 1rem">
<h1>resay</h1><p>{problem}</p><form method="post" action="/session">
<label>{key}<br><input name="key" type="password" autocomplete="current-password" autofocus style="width: 100%"></label>
<p><button>{enter}</button></p></form></body></html>"""


def mount(app: FastAPI, service: Service) -> FastAPI:
    """Put the page at `/` of a server. What the server answers itself comes first."""
    _door(app, service)
    return gr.mount_gradio_app(
        app,
        page(service),
        path="/",
        auth_dependency=_visitor,
        footer_links=[],
        run_history=False,
        max_file_size=service.limits.upload_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        i18n=table(),
        theme=gr.themes.Default(font=list(FONTS), font_mono=["ui-monospace", "monospace"]),
        css=STYLE,
    )


def page(service: Service) -> gr.Blocks:
    """All tabs. Statistics, history and links to elsewhere are off."""
    with gr.Blocks(title="resay", analytics_enabled=False, delete_cache=(KEPT // 4, KEPT)) as blocks:
        gr.Markdown(label("title"), elem_id="resay-title")
        with gr.Tab(label("speak")):
            fields = speaking.tab(service)
        with gr.Tab(label("audition")):
            audition = trying.audition_tab(service, fields)
        with gr.Tab(label("batch")):
            batch_voice, batch_manner = batching.tab(service, blocks)
        manners = (fields.manner, batch_manner)
        with gr.Tab(label("voices")):
            speakers, styles = [fields.voice, audition, batch_voice], [manner.style for manner in manners]
            keeping.voices_tab(service, blocks, speakers, styles)
        with gr.Tab(label("seeds")) as opening:
            keeping.seeds_tab(service, opening, fields)
        with gr.Tab(label("lexicon")):
            keeping.lexicon_tab(service, blocks, [manner.lexicon for manner in manners])
        with gr.Tab(label("replay")):
            trying.replay_tab(service)
    return blocks


def _visitor(http: Request) -> str:
    """Whose page it is; strangers are sent to the door."""
    caller = http.scope.get("resay.caller")
    if caller is None:
        raise HTTPException(303, headers={"Location": "/login"})
    return str(caller.id)


def _door(app: FastAPI, service: Service) -> None:
    @app.get("/login", include_in_schema=False)
    async def login(http: Request) -> HTMLResponse:
        """Asks for a key."""
        return _asked(http, "key_wanted")

    @app.post("/session", include_in_schema=False)
    async def enter(http: Request, key: Annotated[str, Form(max_length=200)]) -> Response:
        """A session for whoever shows a key: the cookie is of no use to scripts and to other sites."""
        known = service.keys.find(key.strip())
        if known is None:
            return _asked(http, "key_wrong", 401)
        answer = RedirectResponse("/", 303)
        value = sessions.made(service.folder, known.id)
        secure = http.url.scheme == "https"
        answer.set_cookie(
            sessions.COOKIE, value, max_age=sessions.LASTS, httponly=True, samesite="strict", secure=secure
        )
        return answer


def _asked(http: Request, problem: str, status: int = 200) -> HTMLResponse:
    visitor: Any = http
    words = {name: html.escape(said(name, visitor)) for name in ("key", "enter")}
    language = "zh" if said("key", visitor) == "密钥" else "en"
    return HTMLResponse(LOGIN.format(language=language, problem=html.escape(said(problem, visitor)), **words), status)
