"""Is it alive, is it ready, what has it done, what can it speak with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel

from .. import __version__
from . import metrics, problems
from .problems import NotThere
from .service import Caller, Service, speaking

MODEL = "resay"


class Model(BaseModel):
    """The one model, as OpenAI's clients expect it."""

    id: str = MODEL
    object: str = "model"
    created: int = 0
    owned_by: str = "resay"


class Models(BaseModel):
    """All models."""

    object: str = "list"
    data: list[Model]


class Ready(BaseModel):
    """What is ready."""

    status: str = "ready"
    version: str = __version__
    inside: int
    """Requests being spoken."""
    places: int
    """Requests that can be taken on."""


def routes(service: Service) -> APIRouter:
    router = APIRouter(tags=["service"])

    @router.get("/healthz")
    def alive() -> PlainTextResponse:
        """The process answers."""
        return PlainTextResponse("ok\n")

    @router.get("/readyz", responses={503: {"description": "the house is full"}})
    def ready(response: Response) -> Ready:
        """The weights are loaded and there is room for a request."""
        inside, places = service.turns.inside, service.turns.places
        if inside >= places:
            response.status_code = 503
            return Ready(status="full", inside=inside, places=places)
        return Ready(inside=inside, places=places)

    @router.get("/metrics", responses=problems.REFUSALS)
    def figures(caller: Annotated[Caller, Depends(speaking)]) -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.text(service.turns.inside), media_type=metrics.CONTENT_TYPE)

    @router.get("/v1/models", responses=problems.REFUSALS)
    def models(caller: Annotated[Caller, Depends(speaking)]) -> Models:
        """The models: one."""
        return Models(data=[Model()])

    @router.get("/v1/models/{model}", responses=problems.REFUSALS)
    def model(model: str, caller: Annotated[Caller, Depends(speaking)]) -> Model:
        """One model."""
        if model != MODEL:
            raise NotThere(f"there is no model {model[:80]!r}; use {MODEL}")
        return Model()

    return router
