"""Refusals in OpenAI's shape: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ..errors import BadRequest, ResayError

LOG = logging.getLogger(__name__)

TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
"""Error types by status; what a client can mend otherwise is an `invalid_request_error`, the rest a `server_error`."""


class NotThere(BadRequest):
    """Nothing of this name belongs to the caller."""

    http_status = 404


class NoKey(BadRequest):
    """The request carries no key that is known here."""

    http_status = 401

    def __init__(self, message: str = "this server wants a key: send the header Authorization: Bearer KEY") -> None:
        super().__init__(message)


class NotAllowed(BadRequest):
    """The key, or the page that sent the request, may not do this."""

    http_status = 403


class TooMuch(BadRequest):
    """The request is above a limit of the server's."""

    http_status = 413


class Busy(ResayError):
    """The house is full. `seconds` is when to come back."""

    http_status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests at once; try again in {seconds} s")
        self.seconds = seconds


class Problem(BaseModel):
    """What went wrong, in words for people and in codes for programs."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Problems(BaseModel):
    """The body of every refusal."""

    error: Problem


REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problems, "description": "no key, or one that is not known here"},
    403: {"model": Problems, "description": "the key may not do this, or consent is missing"},
    404: {"model": Problems, "description": "nothing of this name is yours"},
    413: {"model": Problems, "description": "above a limit, which the message names"},
    422: {"model": Problems, "description": "something in the request has to be mended"},
    429: {"model": Problems, "description": "too many requests; see Retry-After"},
}
"""For OpenAPI: what every route may answer instead."""


def body(status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """One refusal as JSON. The message is one line."""
    usual = "server_error" if status >= 500 else "invalid_request_error"
    problem = Problem(message=" ".join(message.split()), type=TYPES.get(status, usual), param=param, code=code)
    return {"error": problem.model_dump()}


def of_error(error: ResayError) -> dict[str, Any]:
    return body(error.http_status, str(error), code_of(error))


def headers_of(error: ResayError) -> dict[str, str]:
    """What a client does about it: when to come back, what to bring."""
    headers = {"Retry-After": str(error.seconds)} if isinstance(error, Busy) else {}
    return {**headers, "WWW-Authenticate": "Bearer"} if error.http_status == 401 else headers


def code_of(error: ResayError) -> str:
    """BadAudio -> bad_audio."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()


def response(status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(content, status, dict(headers or {}))


def install(app: FastAPI) -> None:
    """Give every failure of `app` its shape."""

    @app.exception_handler(ResayError)
    async def refused(http: Request, error: ResayError) -> JSONResponse:
        return response(error.http_status, of_error(error), headers_of(error))

    @app.exception_handler(RequestValidationError)
    async def misunderstood(http: Request, error: RequestValidationError) -> JSONResponse:
        param, message = first(error.errors())
        return response(422, body(422, message, "bad_request", param))

    @app.exception_handler(HTTPException)
    async def refused_by_framework(http: Request, error: HTTPException) -> JSONResponse:
        # The framework tells bodies that it cannot parse apart from those it cannot understand; clients need not.
        status = 422 if error.status_code == 400 else error.status_code
        return response(status, body(status, str(error.detail)), error.headers)

    @app.exception_handler(Exception)
    async def failed(http: Request, error: Exception) -> JSONResponse:
        # The details are the operator's: they may hold paths or other people's texts.
        LOG.error("%s %s failed", http.method, http.url.path, exc_info=error)
        return response(500, body(500, "internal error; the server's log says more", "internal_error"))


def first(problems: Sequence[Mapping[str, Any]]) -> tuple[str | None, str]:
    """The field that the first problem is about, and the problem in a sentence. Never the value: it may be huge."""
    problem = problems[0]
    place = [str(part) for part in problem["loc"] if part not in ("body", "query", "path")]
    param = ".".join(place)[:80] or None
    return param, f"{param or 'the request'}: {problem['msg']}"
