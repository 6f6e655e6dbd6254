"""The application: all routes behind the guard. By factory, so that tests and programs can have several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from fastapi import FastAPI, Request, Response

from .. import __version__
from . import consents, health, jobs, lexicons, live, manifests, problems, seeds, speech, voices
from .guard import Guard
from .performance import Gone
from .service import Service


def create_app(service: Service, beside: AbstractAsyncContextManager[None] | None = None) -> FastAPI:
    """Everything that `resay serve` answers, but for the studio's page. `beside` lasts as long as the server."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runner = jobs.runner(service)
        runner.start()
        async with beside or nullcontext():
            yield
        service.closing.set()
        await asyncio.to_thread(runner.stop)
        service.threads.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(
        title="resay",
        version=__version__,
        description="Text to speech that says it again, exactly. OpenAI's speech API with seeds and manifests.",
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    problems.install(app)

    @app.exception_handler(Gone)
    async def unheard(http: Request, error: Gone) -> Response:
        return Response(status_code=499)  # nobody is there to read it; the figure is nginx's, for the metrics

    for part in (speech, live, voices, consents, lexicons, seeds, manifests, jobs, health):
        app.include_router(part.routes(service))
    app.add_middleware(Guard, service=service)
    return app
