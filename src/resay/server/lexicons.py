"""Lexicons of a caller: readings that win, by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from .. import audio
from ..errors import BadLexicon, BadRequest
from ..manifest import Input, digest_of
from ..text import Lexicon
from ..voices import checked_name
from . import problems
from .limits import Limits
from .problems import NotThere, TooMuch
from .service import Caller, Service, managing, speaking

LONGEST = 500  # characters of a grapheme or a reading


class Entries(BaseModel):
    """Readings by grapheme: {"重庆": "chóng qìng"}."""

    entries: dict[str, str]


class Stored(Entries):
    """A lexicon as it is kept."""

    object: str = "lexicon"
    name: str
    digest: str


class Names(BaseModel):
    """All lexicons of the caller."""

    object: str = "list"
    data: list[str]


def checked(entries: dict[str, str], limits: Limits) -> Lexicon:
    """A lexicon from outside. Raises BadLexicon, TooMuch."""
    if len(entries) > limits.lexicon_entries:
        raise TooMuch(f"lexicon: {len(entries)} entries; this server takes {limits.lexicon_entries}")
    if any(len(part) > LONGEST for entry in entries.items() for part in entry):
        raise BadLexicon(f"lexicon: graphemes and readings may have {LONGEST} characters")
    return Lexicon(entries)


def names(caller: Caller) -> list[str]:
    """Of the caller's lexicons."""
    return sorted(path.stem for path in caller.lexicons.glob("*.jsonl"))


def load(caller: Caller, name: str) -> Lexicon:
    """Raises NotThere."""
    path = _path(caller, name)
    if not path.is_file():
        raise NotThere(f"no lexicon is called {name[:80]!r}")
    return Lexicon.load(path)


def input_of(name: str, lexicon: Lexicon) -> Input:
    """What a manifest says of a lexicon: the digest of the file that it is, or would be."""
    return Input(name, digest_of(lexicon.to_jsonl().encode()))


def recalled(caller: Caller, recorded: Iterable[Input]) -> tuple[Lexicon | None, tuple[Input, ...]]:
    """The caller's lexicons that a manifest names; those that are gone are left out."""
    found, given = None, []
    for entry in recorded:
        try:
            one = load(caller, entry.name)
        except BadRequest:
            continue
        found = one if found is None else found.merge(one)
        given.append(input_of(entry.name, one))
    return found, tuple(given)


def keep(caller: Caller, name: str, lexicon: Lexicon) -> None:
    """In the place of any lexicon of this name. Raises BadOption for a bad one."""
    audio.write_bytes(_path(caller, name), lexicon.to_jsonl().encode())


def _path(caller: Caller, name: str) -> Path:
    # Names are checked as voices' names are: nothing that could be a path, here or on another system.
    return caller.lexicons / f"{checked_name(name)}.jsonl"


def _stored(name: str, lexicon: Lexicon) -> Stored:
    return Stored(name=name, digest=f"sha256:{lexicon.digest}", entries=dict(lexicon.entries))


def routes(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1/lexicons", tags=["lexicons"], responses=problems.REFUSALS)

    @router.get("")
    def listing(caller: Annotated[Caller, Depends(speaking)]) -> Names:
        """Names of the caller's lexicons."""
        return Names(data=names(caller))

    @router.get("/{name}")
    def show(name: str, caller: Annotated[Caller, Depends(speaking)]) -> Stored:
        """One lexicon with its entries."""
        return _stored(name, load(caller, name))

    @router.put("/{name}")
    def put(name: str, body: Entries, caller: Annotated[Caller, Depends(managing)]) -> Stored:
        """Keep a lexicon, in the place of any of this name."""
        lexicon = checked(body.entries, service.limits)
        keep(caller, name, lexicon)
        return _stored(name, lexicon)

    @router.delete("/{name}")
    def delete(name: str, caller: Annotated[Caller, Depends(managing)]) -> Names:
        """Forget a lexicon; answers with what is left."""
        load(caller, name)
        _path(caller, name).unlink(missing_ok=True)
        return listing(caller)

    return router
