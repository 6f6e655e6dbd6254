"""Flower's grid as the one function through which a server asks its clients."""

from __future__ import annotations

import time
from collections.abc import Mapping

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from .client_app import RECORD, member_of
from .wire import Table

POLL = 1.0  # seconds between two looks at who has connected


class FlowerExchange:
    """Sends the questions of one phase and waits for the answers until the phase's deadline."""

    def __init__(self, grid: Grid, deadline: float) -> None:
        self._grid, self._deadline = grid, deadline
        self._nodes: dict[int, int] = {}

    def available(self) -> list[int]:
        """Members whose nodes are connected now."""
        self._nodes = {member_of(node): node for node in self._grid.get_node_ids()}
        return sorted(self._nodes)

    def wait(self, count: int, seconds: float) -> list[int]:
        """Members that are there as soon as there are `count`, or after so many seconds."""
        end = time.monotonic() + seconds
        while len(found := self.available()) < count and time.monotonic() < end:
            time.sleep(POLL)
        return found

    def __call__(self, phase: str, questions: Mapping[int, Table]) -> dict[int, Table]:
        messages = [
            Message(RecordDict({RECORD: ConfigRecord(dict(table))}), self._nodes[member], f"query.{phase}")
            for member, table in questions.items()
            if member in self._nodes
        ]
        # Without a node there is nobody to wait for, and Flower would wait.
        replies = self._grid.send_and_receive(messages, timeout=self._deadline) if messages else ()
        return {
            member_of(reply.metadata.src_node_id): dict(reply.content[RECORD])
            for reply in replies
            if not reply.has_error()
        }
