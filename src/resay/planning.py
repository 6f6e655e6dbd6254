"""A plan that is made while it is spoken: what is settled of it does not wait for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .prosody import Codes, Plan


class Planning:
    """A sentence whose phonemes get their tokens one after the other. Not for several threads at once."""

    def __init__(
        self, tokens: Iterator[Sequence[int]], count: int, codes: Codes, finished: Callable[[Plan], Plan]
    ) -> None:
        """`tokens` of duration, pitch and energy come for so many phonemes.

        `finished` is what becomes of a plan, or of the beginning of one, before it is spoken. What it does to a phoneme
        may follow from those before it, and at the end of the whole from that end.
        """
        self._tokens, self._count, self._codes, self._finished = tokens, count, codes, finished
        self._known: list[Sequence[int]] = []
        self._frames = 0.0
        self._plan: Plan | None = None

    @classmethod
    def of(cls, plan: Plan) -> Planning:
        """A plan that is there already."""
        made = cls(iter(()), len(plan.durations), Codes(*[np.zeros(0)] * 3), lambda plan: plan)
        made._plan = plan
        return made

    def whole(self) -> Plan:
        """All of it."""
        return self._further(np.inf)

    def settled(self, frames: int) -> Plan:
        """A beginning in which more frames than that are as they will be in the whole, or the whole.

        In a beginning these are the frames before its last phoneme, which is voiced: pitch and energy go in straight
        lines from one phoneme to the next, pitch over all that are not voiced.
        """
        return self._further(frames)

    def _further(self, frames: float) -> Plan:
        while self._plan is None or not self._reaches(self._plan, frames):
            self._known.append(next(self._tokens))
            duration, pitch, _ = self._known[-1]
            self._frames += self._codes.durations[duration]
            if len(self._known) == self._count or (pitch > 0 and self._frames > frames):
                self._plan = self._finished(self._codes.plan(np.array(self._known, dtype=np.int64)))
        return self._plan

    def _reaches(self, plan: Plan, frames: float) -> bool:
        return len(plan.durations) == self._count or int(plan.durations[:-1].sum()) > frames
