"""Training the prosody language model on the plans that aligned speech followed.

Letters: P phonemes, N contours.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from .. import acoustic
from ..prompt import POINTS
from ..prosody import Codes, Plan
from ..semantic import SEMANTIC
from .acoustic_stage import Collator, Example
from .loop import Batch, mixed_precision
from .prosody_net import ProsodyNet, ProsodyShape, losses
from .recordings import batches_by_length


def measured(collator: Collator, example: Example) -> tuple[Plan, np.ndarray]:
    """The plan that a clip followed, and which of its phonemes are voiced (P,)."""
    mel, track = collator.recordings.mel(example.clip), collator.recordings.pitch(example.clip)
    return acoustic.measured(mel, track, example.durations, float(collator.profiles.pitch[example.position]))


def _clusters(points: np.ndarray, count: int, random: np.random.Generator, rounds: int = 25) -> np.ndarray:
    """Centres (count, 3) of contours (N, 3) by Lloyd's k-means; an empty cluster starts again at a random contour."""
    centres = points[random.choice(len(points), count, replace=False)]
    for _ in range(rounds):
        squares = (centres**2).sum(axis=1)
        nearest = (squares[None] - 2 * points @ centres.T).argmin(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, points)
        sizes = np.bincount(nearest, minlength=count)
        fresh = points[random.choice(len(points), count, replace=False)]
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], fresh)
    return centres


def codes(plans: list[tuple[Plan, np.ndarray]], shape: ProsodyShape, seed: int = 0) -> Codes:
    """Tokens fitted to a corpus: durations and energies on fixed scales, pitch contours by clustering."""
    random = np.random.Generator(np.random.Philox(seed))
    contours = np.concatenate([plan.pitch[voiced] for plan, voiced in plans]).astype(np.float64)
    contours = contours[(np.abs(contours) < 1.2).all(axis=1)]
    contours = contours[random.permutation(len(contours))[:40_000]]
    centres = _clusters(contours, shape.pitches - 1, random)
    centres = centres[np.argsort(centres.mean(axis=1))]
    # Every count of frames up to 20, then steps of about 7 % up to a second and a half.
    short = np.arange(1, 21)
    long = np.geomspace(21.5, 120, shape.durations - len(short))
    return Codes(
        np.concatenate([short, long]).astype(np.float32),
        np.concatenate([np.zeros((1, POINTS)), centres]).astype(np.float32),
        np.linspace(-6.0, 1.5, shape.energies).astype(np.float32),
    )


def recode(net: ProsodyNet, before: Codes, now: Codes) -> None:
    """Let a network that learnt the contours of `before` go on with those of `now`, each as the nearest one it knows.

    Contours that come from the same one share its probability. Token 0, no pitch of its own, stays as it is.
    """
    away = ((now.pitch[1:, None] - before.pitch[None, 1:]) ** 2).sum(axis=2)
    nearest = np.concatenate([[0], 1 + away.argmin(axis=1)])
    shares = np.log(np.bincount(nearest, minlength=len(before.pitch))[nearest])
    rows = torch.from_numpy(nearest)
    leave = net.heads.pitch[-1]
    with torch.no_grad():
        # Of the embedding of what came before, row 0 stands for nothing at all.
        net.steps.pitch.weight[1:] = net.steps.pitch.weight[1 + rows]
        net.heads.chosen_pitch.weight.copy_(net.heads.chosen_pitch.weight[rows])
        leave.weight.copy_(leave.weight[rows])
        leave.bias.copy_(leave.bias[rows] - torch.from_numpy(shares).to(leave.bias.dtype))


def batches(
    collator: Collator,
    rows: list[Example],
    plans: list[tuple[Plan, np.ndarray]],
    code: Codes,
    seed: int,
    budget: int = 4000,
) -> Iterator[Batch]:
    """Endless epochs of batches of at most `budget` padded phonemes."""
    random = np.random.Generator(np.random.Philox(seed))
    tokens = [code.tokens(plan, voiced) for plan, voiced in plans]
    lengths = np.array([len(row.ids) for row in rows])
    while True:
        for group in batches_by_length(lengths, budget, random):
            longest = int(lengths[group].max())
            ids, chosen = np.zeros((len(group), longest), np.int64), np.zeros((len(group), longest, 3), np.int64)
            mask = np.zeros((len(group), longest, 1), np.float32)
            semantic = np.zeros((len(group), longest, SEMANTIC), np.float32)
            positions = [rows[index].position for index in group]
            for row, index in enumerate(group):
                count = lengths[index]
                ids[row, :count], chosen[row, :count], mask[row, :count] = rows[index].ids, tokens[index], 1.0
                semantic[row, :count] = collator.semantic(rows[index])
            # Without style now and then, the model also knows what is ordinary: style strength 0.
            styled = (random.random((len(group), 1)) > 0.15).astype(np.float32)
            yield {
                "ids": torch.from_numpy(ids),
                "tokens": torch.from_numpy(chosen),
                "phoneme_mask": torch.from_numpy(mask),
                "semantic": torch.from_numpy(semantic),
                "timbre": torch.from_numpy(collator.profiles.timbre[positions]),
                "style": torch.from_numpy(collator.style[positions] * styled),
            }


class Check:
    """Losses on held-out clips."""

    def __init__(
        self, collator: Collator, rows: list[Example], plans: list[tuple[Plan, np.ndarray]], code: Codes
    ) -> None:
        self._batch = next(batches(collator, rows, plans, code, 0, 6000))

    def __call__(self, net: ProsodyNet, step: int) -> dict[str, float]:
        device = next(net.parameters()).device.type
        with torch.no_grad(), mixed_precision(device):
            found = losses(net, {name: value.to(device) for name, value in self._batch.items()})
        return {f"held_out_{name}": round(float(value), 4) for name, value in found.items()}
