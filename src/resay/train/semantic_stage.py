"""Feeding and checking the semantic encoder.

Letters in shapes: B batch, T subwords.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..semantic import END, LONGEST_CONTEXT, MASK, PADDING, PAUSE, START, Subwords
from . import polyphones, semantic_text
from .semantic_net import IGNORED, SemanticNet, allowed, losses
from .semantic_text import Line, Readings

HIDDEN = 0.25
"""Share of a row's subwords that are hidden from it when it is read both ways."""
SHOWN_ANYWAY, REPLACED = 0.1, 0.1
"""Of those hidden, shares that stay as they are or become another subword, as in BERT (Devlin et al. 2019)."""
CAUSAL = 0.4
"""Share of rows that see only what came before."""
WITH_CONTEXT = 0.25
"""Share of rows that see the end of the line before."""
UNIFORM_PAUSES, NO_PAUSES = 0.3, 0.3
"""Shares of rows whose pauses are all one sign, as where readings are decided, or left out, to be guessed."""
LINES_CHECKED, GOLD_CHECKED = 300, 500
"""How much is measured at every save: a check shall not cost more than a few steps."""
GOLD_REPEATS = 4
"""How often a sentence labelled by hand stands in an epoch."""


@dataclass(frozen=True, eq=False)
class Material:
    """Everything learnt from and measured on."""

    subwords: Subwords
    readings: Readings
    lines: list[Line]
    """In the order of their files: a line's context is the one before it."""
    gold: list[Line]
    held_out: list[Line]
    """Lines without hand-made labels, for the language model's losses."""
    held_out_gold: list[tuple[Line, str, str, int]]
    """Line, character, right reading, its place among the subwords."""
    counts: dict[str, int]
    """Lines of each file, for the training manifest."""


def material(texts: Sequence[Path], sentences: Path, labels: Path, pieces: Sequence[str] | None = None) -> Material:
    """Read text and labels. `pieces` is the vocabulary to use; without it one is made of the text."""
    marked = semantic_text.gold(sentences, labels)
    trained = [row for row in marked if not polyphones.is_held_out(row[0])]
    measured = [row for row in marked if polyphones.is_held_out(row[0])]
    trained += semantic_text.hand_written()
    secret = {row[1] for row in measured}
    found = {path.name: [line for line in semantic_text.lines(path) if line not in secret] for path in texts}
    plain = [line for lines in found.values() for line in lines]
    readings = semantic_text.reading_table((text[place], reading) for _, text, place, reading in trained)
    if pieces is None:
        needed = {character for character, _ in readings.numbers}
        subwords = semantic_text.vocabulary([*plain, *(row[1] for row in trained)], needed=needed)
    else:
        subwords = Subwords(pieces)
    analysed = [(semantic_text.is_held_out(line), semantic_text.analysed(line, subwords, readings)) for line in plain]
    analysed = [(kept, line.cut()) for kept, line in analysed if len(line.ids) > 2]
    gold = [semantic_text.analysed(digits(text), subwords, readings, {at: said}) for _, text, at, said in trained]
    return Material(
        subwords,
        readings,
        [line for kept, line in analysed if not kept],
        [line for line in gold if len(line.ids) <= 2 * semantic_text.LONGEST],
        [line for kept, line in analysed if kept],
        [_measured(text, place, reading, subwords) for _, text, place, reading in measured],
        {name: len(lines) for name, lines in found.items()} | {sentences.name: len(trained)},
    )


def digits(text: str) -> str:
    """Digits as characters, one for one so that places stay."""
    return text.translate(dict(zip(map(ord, "0123456789"), "零一二三四五六七八九", strict=True)))


def _measured(text: str, place: int, reading: str, subwords: Subwords) -> tuple[Line, str, str, int]:
    """A held-out sentence, and which of its subwords the marked character is."""
    nothing = Readings({})
    before = len(semantic_text.analysed(digits(text[:place]), subwords, nothing).ids)
    return semantic_text.analysed(digits(text), subwords, nothing), text[place], reading, before


def batches(data: Material, seed: int, tokens: int = 2048) -> Iterator[dict[str, Tensor]]:
    """Endless batches of at most so many subwords, padding counted, rows of like length together."""
    order = random.Random(seed)
    rows: list[tuple[Line, Line | None]] = list(zip(data.lines, [None, *data.lines[:-1]], strict=True))
    rows += [(line, None) for line in data.gold for _ in range(GOLD_REPEATS)]
    while True:
        drawn = sorted(
            (_row(data.subwords, line, before, order) for line, before in rows), key=lambda row: len(row.ids)
        )
        found: list[list[Line]] = [[]]
        for row in drawn:
            if (len(found[-1]) + 1) * len(row.ids) > tokens:
                found.append([])
            found[-1].append(row)
        order.shuffle(found)
        for group in found:
            yield batch(data.subwords, group, [order.random() < CAUSAL for _ in group], order)


def _row(subwords: Subwords, line: Line, before: Line | None, order: random.Random) -> Line:
    """A line with start and end, perhaps after the end of another, its pauses perhaps all alike or left out."""
    row = Line()
    pauses = order.random()
    parts = [(line, len(line.ids))]
    if before is not None and order.random() < WITH_CONTEXT:
        parts.insert(0, (before, LONGEST_CONTEXT))
    for part, most in parts:
        if part is line:
            row.add(subwords.number(START))
        for place in range(max(0, len(part.ids) - most), len(part.ids)):
            number, kind = part.ids[place], part.kind[place]
            if kind and pauses < NO_PAUSES:
                row.kind[-1] = max(row.kind[-1], kind) if row.kind else 0
                continue
            if kind and row.kind:
                row.kind[-1] = max(row.kind[-1], kind)
            if kind and pauses < NO_PAUSES + UNIFORM_PAUSES:
                number = subwords.number(PAUSE)
            row.add(number, part.readings[place], part.tags[place])
    row.add(subwords.number(END))
    return row


def batch(subwords: Subwords, rows: Sequence[Line], causal: Sequence[bool], order: random.Random) -> dict[str, Tensor]:
    """Rows as tensors with the labels of every task; rows not `causal` have some of their subwords hidden."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), subwords.number(PADDING))
    labels = {name: torch.full((len(rows), longest), IGNORED) for name in ("words", "readings", "tags", "pauses")}
    whole = ids.clone()
    mask = subwords.number(MASK)
    for place, (row, back) in enumerate(zip(rows, causal, strict=True)):
        shown, readings = list(row.ids), list(row.readings)
        words = [*row.ids[1:], IGNORED] if back else [IGNORED] * len(shown)
        for at in range(len(shown)) if not back else ():
            if order.random() < HIDDEN:
                words[at], chance = shown[at], order.random()
                if chance > SHOWN_ANYWAY:
                    shown[at] = order.randrange(len(subwords)) if chance < SHOWN_ANYWAY + REPLACED else mask
                    readings[at] = IGNORED
        ids[place, : len(shown)] = torch.tensor(shown)
        whole[place, : len(shown)] = torch.tensor(row.ids)
        tasks = {"words": words, "readings": readings} | ({} if back else {"tags": row.tags, "pauses": row.kind})
        for name, values in tasks.items():
            labels[name][place, : len(values)] = torch.tensor(values)
    lengths = torch.tensor([len(row.ids) for row in rows])
    return {"ids": ids, "lengths": lengths, "causal": torch.tensor(list(causal)), "whole": whole, **labels}


def embedding(data: Material, width: int, window: int = 4, seed: int = 0) -> Tensor:
    """Where the embedding may start from: factors of how often subwords stand near each other, (V, width), spread 0.5.

    Positive pointwise mutual information, taken apart by a randomised singular value decomposition, is close to what
    word2vec finds (Levy and Goldberg 2014), in seconds.
    """
    size = len(data.subwords)
    ids = np.array([number for line in data.lines for number in (*line.ids, 0, 0, 0, 0)], dtype=np.int64)
    near = np.zeros(size * size, dtype=np.float32)
    for distance in range(1, window + 1):
        near += np.bincount(ids[:-distance] * size + ids[distance:], minlength=size * size) / np.float32(distance)
    near = near.reshape(size, size)
    near += near.T
    near[0], near[:, 0] = 0.0, 0.0  # padding keeps lines apart
    total = near.sum(axis=1) + 1.0
    # Contexts are smoothed, else rare ones would count too much.
    usual = total**0.75 / (total**0.75).sum()
    mutual = np.log(np.maximum(near, 1e-9) / total[:, None] / usual[None])
    mutual = torch.from_numpy(np.maximum(mutual, 0.0))
    torch.manual_seed(seed)
    left, values, _ = torch.svd_lowrank(mutual, q=width + 16, niter=2)
    found = (left * values.sqrt())[:, :width]
    return 0.5 * found / found.std()


class Check:
    """Held-out figures: losses of the language model, and readings right, reading one way and both."""

    def __init__(self, data: Material) -> None:
        self.data = data
        order = random.Random(0)
        rows = [_row(data.subwords, line, None, order) for line in data.held_out[:LINES_CHECKED]]
        rows.sort(key=lambda row: len(row.ids))
        groups = [rows[at : at + 64] for at in range(0, len(rows), 64)]
        self.batches = [
            batch(data.subwords, group, [at % 2 == 0 for at in range(len(group))], order) for group in groups
        ]

    def __call__(self, net: SemanticNet, step: int) -> dict[str, float]:
        sums: dict[str, float] = {}
        with torch.no_grad():
            for part in self.batches:
                for name, value in losses(net, part).items():
                    sums[name] = sums.get(name, 0.0) + float(value) / len(self.batches)
        right = {name: readings_right(net, self.data, causal) for name, causal in (("both", False), ("before", True))}
        unseen = {f"unseen_{name}": round(sums[name], 4) for name in ("next", "hidden", "readings") if name in sums}
        return unseen | {f"right_{name}": round(value, 4) for name, value in right.items()}


def vectors(net: SemanticNet, data: Material, lines: int = 2000) -> Tensor:
    """Vectors of the words of some lines as they are spoken, (N, 64): by these all are brought to unit spread."""
    subwords = data.subwords
    found = []
    step = max(1, len(data.lines) // lines)
    for line in data.lines[::step]:
        ids = torch.tensor([[subwords.number(START), *line.ids, subwords.number(END)]])
        with torch.no_grad():
            seen = net.encoder(ids)[0][0, 1:-1]
        found.append(seen[torch.tensor(line.kind) == 0])
    return torch.cat(found).float()


def readings_right(net: SemanticNet, data: Material, causal: bool) -> float:
    """Share of held-out characters read right by the network alone, reading both ways or only what came before."""
    rows = data.held_out_gold[:GOLD_CHECKED]
    read = network_readings(net, data, [row[0] for row in rows], [row[3] for row in rows], causal)
    right = 0
    for scores, (_, character, reading, _) in zip(read, rows, strict=True):
        known = {said: scores[number] for (it, said), number in data.readings.numbers.items() if it == character}
        right += bool(known) and max(known, key=known.__getitem__) == reading
    return right / max(1, len(rows))


def network_readings(
    net: SemanticNet, data: Material, lines: Sequence[Line], places: Sequence[int], causal: bool = False
) -> list[list[float]]:
    """Scores of all readings at one place of each line, pauses all alike, as the frontend asks for them."""
    subwords = data.subwords
    rows = []
    for line in lines:
        numbers = [subwords.number(PAUSE) if kind else number for number, kind in zip(line.ids, line.kind, strict=True)]
        rows.append([subwords.number(START), *numbers, subwords.number(END)])
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    found: list[list[float]] = [[]] * len(rows)
    for first in range(0, len(order), 128):
        chosen = order[first : first + 128]
        lengths = torch.tensor([len(rows[index]) for index in chosen])
        ids = torch.full((len(chosen), int(lengths.max())), subwords.number(PADDING))
        for place, index in enumerate(chosen):
            ids[place, : len(rows[index])] = torch.tensor(rows[index])
        with torch.no_grad():
            seen = allowed(lengths, ids.shape[1], torch.full((len(chosen),), causal))
            fused = net.encoder.fused(net.encoder.states(ids, seen))
            at = torch.tensor([places[index] + 1 for index in chosen])
            scores = net.encoder.scores(fused[torch.arange(len(chosen)), at])
        for place, index in enumerate(chosen):
            found[index] = scores[place].tolist()
    return found
