"""The Flower ClientApp: questions of a SuperNode handed to the client whose membership the node names."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from ..errors import ResayError
from ..shared_adapter import SharedAdapter
from .client import Client
from .membership import Membership, refuse_paused
from .wire import PHASES

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD = "resay"
"""Name of the one record in every message, and of what a client remembers between phases."""


class Unanswered(Exception):
    """All that the server is told of an error: its kind. What it says may hold paths and names."""


def member_of(node: int) -> int:
    """A Flower node's number as a member: records hold signed numbers, node numbers have all 64 bits."""
    return node & (2**63 - 1)


def _update(membership: Membership) -> Callable[[SharedAdapter, dict[str, Any]], np.ndarray]:
    def update(adapter: SharedAdapter, training: dict[str, Any]) -> np.ndarray:
        # Every message starts a process of its own: only this phase pays for loading torch.
        from . import features, local

        frozen = local.Frozen(membership.models)
        own = features.from_bytes(membership.kept(features.FILE))
        return local.update(frozen, adapter, own, local.Training(**training))

    return update


def _answer(phase: str, message: Message, context: Context) -> Message:
    folder = Path(str(context.node_config["membership"]))
    try:
        return _answered(Membership.open(folder), phase, message, context)
    except ResayError as error:
        Membership(folder).tell_refused(phase, str(error))
        kind = type(error).__name__
    except Exception as error:
        # Flower sends the text of whatever is raised to the server, and prints nothing else of it here.
        traceback.print_exc()
        kind = type(error).__name__
    raise Unanswered(kind)


def _answered(membership: Membership, phase: str, message: Message, context: Context) -> Message:
    refuse_paused(membership)
    known = membership.known()
    memory = (dict(context.state[RECORD]) if RECORD in context.state else {}) | membership.rounds()
    client = Client(
        member_of(context.node_id),
        membership.identity,
        _update(membership),
        membership.terms,
        memory,
        known,
        membership.tell,
    )
    try:
        answer = client.answer(phase, dict(message.content[RECORD]))
    finally:
        # Also what was refused is remembered: a question that failed is not answered the second time.
        context.state[RECORD] = ConfigRecord(memory)
        membership.remember_rounds(memory)
    membership.remember(known)
    return Message(content=RecordDict({RECORD: ConfigRecord(answer)}), reply_to=message)


def _register(app: ClientApp, phase: str) -> None:
    @app.query(phase)
    def answer(message: Message, context: Context) -> Message:
        return _answer(phase, message, context)


app = ClientApp()
for _phase in PHASES:
    _register(app, _phase)
