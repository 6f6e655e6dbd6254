"""The semantic encoder: a small GPT over subwords that is trained to read both ways as well.

One set of weights learns to predict the next subword seeing only what came before (GPT-2, Radford et al. 2019) and
hidden subwords seeing both sides, as in UniLM (Dong et al. 2019): which of the two a row is trained as, its mask says.
What is exported reads both ways, since a reading often depends on the next character.

Letters in shapes: B batch, T subwords, C width, N labelled subwords, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..semantic import SEMANTIC
from .prosody_net import rotate

IGNORED = -100
"""A label that asks for nothing."""


@dataclass(frozen=True)
class SemanticShape:
    tokens: int
    """Size of the vocabulary."""
    readings: int
    """Readings of all ambiguous characters together."""
    tags: int = 52
    pauses: int = 5
    width: int = 192
    embedding: int = 96
    """Width of the embedding table, which is widened after it (ALBERT, Lan et al. 2020)."""
    layers: int = 4
    heads: int = 4
    expansion: int = 2
    query: int = 96
    """Width in which readings are compared."""
    dropout: float = 0.2
    """Of what readings are told by: sentences labelled by hand are few."""


class Layer(nn.Module):
    """Self-attention and feed-forward, normalised first; `allowed` (B, 1, T, T) says who sees whom."""

    def __init__(self, shape: SemanticShape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width)
        self.widen = nn.Linear(width, shape.expansion * width)
        self.narrow = nn.Linear(shape.expansion * width, width)

    def forward(self, x: Tensor, allowed: Tensor | None) -> Tensor:
        width = self.narrow.out_features
        # Sizes that are known now keep the exported graph free of the arithmetic that would find them out.
        parts = self.queries_keys_values(self.norm(x)).reshape(x.shape[0], -1, 3 * self.heads, width // self.heads)
        query, key, value = parts.transpose(1, 2).split(self.heads, dim=1)
        query, key = rotate(query, 0), rotate(key, 0)
        # Written out: with a mask, the library's own attention is several times slower on a CPU for rows this short.
        score = query @ key.transpose(2, 3) * (width // self.heads) ** -0.5
        if allowed is not None:
            score = score.masked_fill(~allowed, -1e4)
        out = (torch.softmax(score, dim=-1).to(value.dtype) @ value).transpose(1, 2).reshape(x.shape[0], -1, width)
        x = x + self.join(out)
        return x + self.narrow(functional.gelu(self.widen(self.norm_feed(x))))


class SemanticEncoder(nn.Module):
    """What ships: subwords (B, T) -> vectors (B, T, 64), scores of all readings (B, T, readings)."""

    def __init__(self, shape: SemanticShape) -> None:
        super().__init__()
        self.embed = nn.Embedding(shape.tokens, shape.embedding)
        nn.init.normal_(self.embed.weight, std=0.5)
        self.enter = nn.Linear(shape.embedding, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.mix = nn.Parameter(torch.zeros(shape.layers + 1))
        self.project = nn.Linear(shape.width, SEMANTIC)
        self.dropout = nn.Dropout(shape.dropout)
        self.query = nn.Linear(shape.width, shape.query)
        self.read = nn.Linear(shape.query, shape.readings)

    def states(self, ids: Tensor, allowed: Tensor | None = None) -> list[Tensor]:
        """The embedding and every layer's output, (B, T, C) each."""
        found = [self.enter(self.embed(ids))]
        for layer in self.layers:
            found.append(layer(found[-1], allowed))
        return found

    def fused(self, states: list[Tensor]) -> Tensor:
        """All layers weighted by a learnt softmax (ELMo, Peters et al. 2018), each normalised first: (B, T, C)."""
        shares = torch.softmax(self.mix, dim=0)
        width = (self.project.in_features,)
        return sum(shares[index] * functional.layer_norm(state, width) for index, state in enumerate(states))

    def scores(self, fused: Tensor) -> Tensor:
        """Scores of readings of fused subwords (…, C) -> (…, readings)."""
        return self.read(functional.gelu(self.query(self.dropout(fused))))

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        fused = self.fused(self.states(ids))
        return self.project(fused), self.scores(fused)


class SemanticNet(nn.Module):
    """The encoder, and the tasks that it is trained by."""

    def __init__(self, shape: SemanticShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = SemanticEncoder(shape)
        self.norm = nn.LayerNorm(shape.width)
        self.leave = nn.Linear(shape.width, shape.embedding)
        self.bias = nn.Parameter(torch.zeros(shape.tokens))
        # From the 64 numbers alone: what holds them to meaning, grammar and phrasing.
        self.recall = nn.Linear(SEMANTIC, shape.embedding)
        self.tag = nn.Linear(SEMANTIC, shape.tags)
        self.pause = nn.Linear(SEMANTIC, shape.pauses)

    def words(self, narrow: Tensor) -> Tensor:
        """Scores of the vocabulary, its table shared with the embedding: (N, embedding) -> (N, V)."""
        return functional.linear(narrow, self.encoder.embed.weight / self.shape.embedding**0.5, self.bias)

    def standardise(self, vectors: Tensor) -> None:
        """Fold the mean and spread of such vectors (N, 64) into the projection: they come out as 0 and 1 from now on.

        What is told from the vectors is told as before.
        """
        mean, spread = vectors.mean(dim=0), vectors.std(dim=0) + 1e-5
        project = self.encoder.project
        with torch.no_grad():
            project.weight.div_(spread[:, None])
            project.bias.sub_(mean).div_(spread)
            for head in (self.recall, self.tag, self.pause):
                head.bias.add_(head.weight @ mean)
                head.weight.mul_(spread)


def allowed(lengths: Tensor, longest: int, causal: Tensor) -> Tensor:
    """Who sees whom, bool (B, 1, T, T): nobody sees padding, and in causal rows (B,) nobody sees what comes later."""
    at = torch.arange(longest, device=lengths.device)
    present = (at[None, :] < lengths[:, None])[:, None, None, :]
    back = (at[None, :] <= at[:, None])[None, None]
    return present & (back | ~causal[:, None, None, None])


@dataclass(frozen=True)
class Seen:
    """What the network makes of a batch."""

    last: Tensor
    """The last layer, (B, T, C)."""
    fused: Tensor
    """All layers, (B, T, C)."""
    vectors: Tensor
    """(B, T, 64)."""


def see(encoder: SemanticEncoder, batch: dict[str, Tensor]) -> Seen:
    """The encoder over a batch, each row as its mask allows."""
    states = encoder.states(batch["ids"], allowed(batch["lengths"], batch["ids"].shape[1], batch["causal"]))
    fused = encoder.fused(states)
    return Seen(states[-1], fused, encoder.project(fused))


def losses(net: SemanticNet, batch: dict[str, Tensor], seen: Seen | None = None) -> dict[str, Tensor]:
    """Cross-entropies in nats: next and hidden subwords, readings, and what the vectors alone say."""
    seen = seen or see(net.encoder, batch)
    words, causal = batch["words"], batch["causal"][:, None]
    next_word, hidden = (words != IGNORED) & causal, (words != IGNORED) & ~causal
    last = net.leave(net.norm(seen.last))
    found = {
        "next": _loss(net.words(last[next_word]), words[next_word]),
        "hidden": _loss(net.words(last[hidden]), words[hidden]),
        "recalled": _loss(net.words(net.recall(seen.vectors[hidden])), words[hidden]),
    }
    tasks = {"readings": (net.encoder.scores, seen.fused), "tags": (net.tag, seen.vectors)}
    for name, (score, at) in (tasks | {"pauses": (net.pause, seen.vectors)}).items():
        labelled = batch[name] != IGNORED
        found[name] = _loss(score(at[labelled]), batch[name][labelled])
    return found


def distilled(teacher: SemanticNet) -> Callable[[SemanticNet, dict[str, Tensor]], dict[str, Tensor]]:
    """Losses of a smaller network that has a larger one of the same vocabulary to follow (Hinton et al. 2015).

    Besides the labels: its vectors, and how sure it is of every reading.
    """
    teacher = teacher.eval().requires_grad_(False)

    def both(net: SemanticNet, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        with torch.no_grad():
            taught = see(teacher.encoder, batch)
        own = see(net.encoder, batch)
        present = torch.arange(batch["ids"].shape[1]) < batch["lengths"][:, None]
        labelled = batch["readings"] != IGNORED
        wanted = torch.softmax(teacher.encoder.scores(taught.fused[labelled]).float(), dim=-1)
        surely = torch.log_softmax(net.encoder.scores(own.fused[labelled]).float(), dim=-1)
        return losses(net, batch, own) | {
            "vectors": functional.mse_loss(own.vectors[present].float(), taught.vectors[present].float()),
            "taught_readings": -(wanted * surely).sum() / max(1, len(wanted)),
        }

    return both


class Following(nn.Module):
    """A network whose vectors are to say what a foreign encoder says: `width` numbers a subword."""

    def __init__(self, net: SemanticNet, width: int) -> None:
        super().__init__()
        self.net = net
        self.foreign = nn.Linear(SEMANTIC, width)


def followed(
    states_of: Callable[[dict[str, Tensor]], tuple[Tensor, Tensor]],
) -> Callable[[Following, dict[str, Tensor]], dict[str, Tensor]]:
    """Losses with a foreign encoder to follow: `states_of` a batch are its states (B, T, H) and where there are any.

    Told from 64 numbers by one linear layer, they are what a reduced-rank regression would keep of them.
    """

    def both(following: Following, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        states, known = states_of(batch)
        own = see(following.net.encoder, batch)
        told = following.foreign(own.vectors[known]).float()
        return losses(following.net, batch, own) | {"foreign": functional.mse_loss(told, states[known].float())}

    return both


def _loss(scores: Tensor, labels: Tensor) -> Tensor:
    # A batch without any such label costs nothing rather than nothing divided by nothing.
    return functional.cross_entropy(scores.float(), labels, reduction="sum") / max(1, len(labels))
