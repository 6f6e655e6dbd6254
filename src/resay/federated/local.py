"""What happens on a client's own machine: recordings to hidden states, hidden states to an update of the adapter.

The layers below the adapter are frozen, so a clip goes through them once; what is kept of it are the hidden states that
the heads read, and the tokens that were spoken. A round then takes a laptop a second or two.

Letters in shapes: P phonemes, C channels, R rank, D parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..audio import FORMAT
from ..prosody import Codes
from ..shared_adapter import BASE, HEADS, SharedAdapter, base_digest
from ..train import export, release
from ..train.prosody_net import ProsodyNet, ProsodyShape


@dataclass(frozen=True, eq=False)
class Example:
    """One clip as the frozen layers leave it."""

    hidden: np.ndarray
    """float16 (P, C)."""
    tokens: np.ndarray
    """int64 (P, 3): duration, pitch, energy."""


@dataclass(frozen=True, eq=False)
class Spoken:
    """One clip before the frozen layers: what is said, by whom, how."""

    ids: np.ndarray
    tokens: np.ndarray
    semantic: np.ndarray
    """float32 (P, S), what the words mean."""
    timbre: np.ndarray
    style: np.ndarray


@dataclass(frozen=True)
class Training:
    """Local training, the same for every client of a run."""

    steps: int = 10
    learning_rate: float = 0.05
    batch: int = 256
    """Phonemes a step."""


class Frozen:
    """The prosody model of a folder of weights, in torch, and the codes its tokens stand for."""

    def __init__(self, models: Path) -> None:
        # What is computed here is small: on a busy machine a second thread takes longer to wait for than it saves.
        torch.set_num_threads(1)
        self.net = ProsodyNet(ProsodyShape()).eval().requires_grad_(False)
        export.restore_prosody(self.net, models)
        self.codes: Codes = release.read_codes(models / "model.json")
        self.base = base_of(models)

    def examples(self, clips: Sequence[Spoken], together: int = 32) -> list[Example]:
        """Hidden states of clips, those of like length together."""
        order = sorted(range(len(clips)), key=lambda index: len(clips[index].ids))
        found: dict[int, Example] = {}
        for first in range(0, len(order), together):
            group = order[first : first + together]
            for index, hidden in zip(group, self._hidden([clips[index] for index in group]), strict=True):
                found[index] = Example(hidden, clips[index].tokens)
        return [found[index] for index in range(len(clips))]

    def _hidden(self, clips: Sequence[Spoken]) -> list[np.ndarray]:
        longest = max(len(clip.ids) for clip in clips)
        padded = [(clip.ids, clip.tokens, clip.semantic, np.ones((len(clip.ids), 1), np.float32)) for clip in clips]
        ids, tokens, semantic, mask = (
            torch.from_numpy(np.stack([_padded(row[column], longest) for row in padded])) for column in range(4)
        )
        timbre, style = (torch.from_numpy(np.stack([getattr(clip, name) for clip in clips])) for name in PROFILE)
        with torch.no_grad():
            text = self.net.text(ids, semantic, timbre, style, mask)
            before = functional.pad(tokens[:, :-1] + 1, (0, 0, 1, 0))
            hidden, _ = self.net.steps(text, before, self.net.empty_cache(len(clips)))
        return [row[: len(clip.ids)].half().numpy() for row, clip in zip(hidden, clips, strict=True)]

    def prepared(self, down: Tensor, hidden: Tensor, tokens: Tensor) -> Prepared:
        """What an adapter's change does not touch, computed once; what came before each phoneme is true."""
        heads = self.net.heads
        duration = heads.chosen_duration(tokens[:, 0])
        read = hidden, hidden + duration, hidden + duration + heads.chosen_pitch(tokens[:, 1])
        layers = (heads.duration, nn.Identity()), (heads.pitch[0], heads.pitch[1:]), (heads.energy[0], heads.energy[1:])
        with torch.no_grad():
            parts = [(first(row), first.weight, rest) for row, (first, rest) in zip(read, layers, strict=True)]
            return Prepared(functional.pad(hidden @ down.T, (0, 1), value=1.0), parts, tokens)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Phonemes before the heads. The adapter only adds a low-rank part to what the first layer of each head reads."""

    low: Tensor
    """(P, R + 1)"""
    parts: list[tuple[Tensor, Tensor, nn.Module]]
    """Of each head: the frozen part behind its first layer (P, K), that layer's weights (K, C), the layers after it."""
    tokens: Tensor

    def logits(self, up: Tensor, rows: Tensor | slice = slice(None)) -> list[Tensor]:
        """Of duration, pitch and energy, (P, tokens) each, under the adapter's (3, C, R + 1)."""
        low = self.low[rows]
        return [
            rest(frozen[rows] + low @ (weight @ own).T)
            for own, (frozen, weight, rest) in zip(up, self.parts, strict=True)
        ]

    def losses(self, up: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        """Cross-entropy in nats a phoneme of the three tokens, (3,)."""
        said = self.tokens[rows]
        found = [functional.cross_entropy(row, said[:, column]) for column, row in enumerate(self.logits(up, rows))]
        return torch.stack(found)


PROFILE = ("timbre", "style")
MS_A_FRAME = 1000 * FORMAT.hop / FORMAT.sample_rate
DB_A_NEPER = 20 / np.log(10)
FIT = ("pitch_semitones", "energy_db", "duration_ms")
"""What `fit` measures."""


def _padded(array: np.ndarray, length: int) -> np.ndarray:
    return np.pad(array, [(0, length - len(array)), *[(0, 0)] * (array.ndim - 1)])


def base_of(models: Path) -> str:
    """Digest of the graphs in a folder that an adapter stands on."""
    from ..onnx_graph import OnnxGraph

    return base_digest({name: OnnxGraph(models / f"{name}.onnx", threads=1).digest for name in BASE})


def ready(frozen: Frozen, adapter: SharedAdapter, examples: Iterable[Example]) -> Prepared:
    """All phonemes of several clips, for an adapter's frozen factor."""
    rows = list(examples)
    hidden = np.concatenate([row.hidden for row in rows]).astype(np.float32)
    tokens = torch.from_numpy(np.concatenate([row.tokens for row in rows]))
    return frozen.prepared(torch.from_numpy(adapter.down), torch.from_numpy(hidden), tokens)


def update(frozen: Frozen, adapter: SharedAdapter, examples: Sequence[Example], training: Training) -> np.ndarray:
    """What local training changes in the adapter, float64 (D,): plain gradient descent from where it stands.

    Neither the number of clips nor any figure beside the update is meant to leave the client.
    """
    prepared = ready(frozen, adapter, examples)
    start = torch.from_numpy(adapter.up)
    up = start.clone().requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    for _ in range(training.steps):
        chosen = torch.randperm(len(prepared.tokens), generator=generator)[: training.batch]
        loss = prepared.losses(up, chosen).sum()
        (slope,) = torch.autograd.grad(loss, up)
        up = (up - training.learning_rate * slope).detach().requires_grad_(True)
    return (up.detach() - start).numpy().astype(np.float64).ravel()


def measure(frozen: Frozen, adapter: SharedAdapter, examples: Sequence[Example]) -> dict[str, float]:
    """Mean loss of each head over clips, in nats a phoneme, and their sum as `total`."""
    with torch.no_grad():
        found = ready(frozen, adapter, examples).losses(torch.from_numpy(adapter.up))
    figures = {name: float(value) for name, value in zip(HEADS, found, strict=True)}
    return figures | {"total": sum(figures.values())}


def fit(frozen: Frozen, adapter: SharedAdapter, examples: Sequence[Example]) -> dict[str, float]:
    """How far the expected delivery is from the one that was heard: mean absolute errors over all phonemes.

    `duration_ms`, `pitch_semitones` (over phonemes that have a pitch of their own, against the speaker's middle) and
    `energy_db`. Everything before each phoneme is as it was heard.
    """
    prepared = ready(frozen, adapter, examples)
    with torch.no_grad():
        logits = prepared.logits(torch.from_numpy(adapter.up))
        duration, pitch, energy = (torch.softmax(row.double(), dim=1).numpy() for row in logits)
    codes, said = frozen.codes, prepared.tokens.numpy()
    # Durations are heard as ratios, so it is their logarithm that is expected.
    frames = np.exp(duration @ np.log(codes.durations))
    pitched = said[:, 1] > 0
    contours = pitch[pitched][:, 1:] / pitch[pitched][:, 1:].sum(axis=1, keepdims=True) @ codes.pitch[1:]
    return {
        "duration_ms": float(np.abs(frames - codes.durations[said[:, 0]]).mean() * MS_A_FRAME),
        "pitch_semitones": float(np.abs(contours - codes.pitch[said[pitched, 1]]).mean() * 12),
        "energy_db": float(np.abs(energy @ codes.energy - codes.energy[said[:, 2]]).mean() * DB_A_NEPER),
    }
