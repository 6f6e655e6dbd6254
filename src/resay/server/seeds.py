"""The caller's seed library: which role speaks with which seed and voice."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from ..errors import BadOption
from ..seeds import Role, Settings
from ..synthesis import HIGHEST_SEED
from . import problems
from .problems import NotThere
from .service import Caller, Service, managing, speaking


class Entry(BaseModel):
    """A role to keep."""

    name: str = Field(max_length=200)
    seed: int = Field(ge=0, le=HIGHEST_SEED)
    voice: str = Field(max_length=200)
    scene: str = Field("", max_length=500)
    character: str = Field("", max_length=500)
    accepted: str = Field("", max_length=100, description="digest of the sound that was accepted")
    replace: bool = Field(False, description="overwrite a role of this name")

    def role(self, caller: Caller, service: Service) -> Role:
        """Raises UnknownVoice."""
        voice = caller.voice(self.voice)
        words = {"scene": self.scene, "character": self.character, "accepted": self.accepted, "clip": voice.source}
        return Role(
            self.name, self.seed, voice.name, 0, voice.digest, day=service.clock(), settings=Settings(), **words
        )


class Listed(BaseModel):
    """All roles of the caller."""

    object: str = "list"
    data: list[dict[str, Any]]


def found(caller: Caller, key: str) -> Role:
    """Raises NotThere."""
    try:
        return caller.seeds.get(key)
    except BadOption as error:
        raise NotThere(str(error)) from error


def routes(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1/seeds", tags=["seeds"], responses=problems.REFUSALS)

    @router.get("")
    def listing(caller: Annotated[Caller, Depends(speaking)]) -> Listed:
        """The caller's roles."""
        return Listed(data=[role.to_json() for role in caller.seeds])

    @router.post("")
    def create(body: Entry, caller: Annotated[Caller, Depends(managing)]) -> dict[str, Any]:
        """Keep a role."""
        return caller.seeds.add(body.role(caller, service), body.replace).to_json()

    @router.get("/{key}")
    def show(key: str, caller: Annotated[Caller, Depends(speaking)]) -> dict[str, Any]:
        """A role by name, number or seed."""
        return found(caller, key).to_json()

    @router.delete("/{key}")
    def delete(key: str, caller: Annotated[Caller, Depends(managing)]) -> dict[str, Any]:
        """Forget a role; answers with what it was."""
        return caller.seeds.remove(found(caller, key).name).to_json()

    return router
