"""Attacks on what a federated training shows: who, and what, is behind an update; and who took part at all.

The attacker has the model, the code, the settings, and guesses: for every candidate the update that they would have
sent. Guesses are compared by their angle, after what all have in common was taken off.

Letters in shapes: D parameters, N candidates, K victims, M people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..reference import Profile
from ..shared_adapter import SharedAdapter
from . import local
from .make_believe import Person

SHADOWS = 4
"""Trainings without anybody of interest that the attacker plays, to know what an adapter does to anybody's loss."""
BY_HEART = local.Training(steps=3, learning_rate=0.3)
FLOOR = 1e-3
"""Share of what a nuisance varies by that is taken to lie outside the directions it was seen to vary in."""


@dataclass(frozen=True)
class Training:
    """Whose privacy is measured: the settings of a training."""

    population: int = 4000
    sampling: float = 0.025
    noise: float = 1.0
    rounds: int = 60
    clip: float = 0.1
    rate: float = 1.0
    momentum: float = 0.9

    @property
    def expected(self) -> float:
        return self.population * self.sampling


class Lab:
    """A frozen model and an adapter on it: turns clips into the updates that clients would send."""

    def __init__(self, frozen: local.Frozen, adapter: SharedAdapter, training: local.Training) -> None:
        self.frozen, self.adapter, self.training = frozen, adapter, training

    def examples(self, groups: Sequence[Sequence[local.Spoken]]) -> list[list[local.Example]]:
        """Each group's clips through the frozen layers."""
        found = iter(self.frozen.examples([clip for clips in groups for clip in clips], together=64))
        return [[next(found) for _ in clips] for clips in groups]

    def updates(self, groups: Sequence[Sequence[local.Spoken]]) -> np.ndarray:
        """Of clients with these clips, float64 (len(groups), D)."""
        return np.array([local.update(self.frozen, self.adapter, own, self.training) for own in self.examples(groups)])

    def losses(self, adapter: SharedAdapter, own: Sequence[Sequence[local.Example]]) -> np.ndarray:
        """Of each person's clips under an adapter, nats a phoneme, (M,)."""
        return np.array([local.measure(self.frozen, adapter, clips)["total"] for clips in own])


def guesses_of_voice(lab: Lab, people: Sequence[Person]) -> tuple[np.ndarray, Crowd]:
    """Whose voice? What was said and how is known; of each candidate there are voice vectors of clips from elsewhere.

    The mean over those clips (K, N, D), and how the clip moves it, which is to be filtered out.
    """
    groups = [
        [replace(clip, timbre=voice.timbre, style=voice.style) for clip in victim.clips]
        for victim in people
        for other in people
        for voice in other.elsewhere
    ]
    tried = lab.updates(groups).reshape(len(people), len(people), len(people[0].elsewhere), -1)
    return _averaged(tried)


def guesses_of_text(lab: Lab, people: Sequence[Person], voices: Sequence[Profile]) -> tuple[np.ndarray, Crowd]:
    """Which text? Of each candidate it is known how it was said, but not by whom: it is tried in several voices.

    Their mean (K, N, D), and how the voice moves it, which is to be filtered out.
    """
    groups = [
        [replace(clip, timbre=voice.timbre, style=voice.style) for clip in other.clips]
        for other in people
        for voice in voices
    ]
    guesses, moved = _averaged(lab.updates(groups).reshape(len(people), len(voices), -1))
    return np.broadcast_to(guesses, (len(people), *guesses.shape)), moved


def _averaged(tried: np.ndarray) -> tuple[np.ndarray, Crowd]:
    """Means over the last but one axis of (..., V, D), and how its members lie around them."""
    means = tried.mean(axis=-2)
    return means, Crowd.of((tried - means[..., None, :]).reshape(-1, tried.shape[-1]))


class Matcher:
    """Finds the candidate that fits best, by the angle to where candidates differ."""

    def __init__(self, guesses: np.ndarray, nuisance: Crowd | None = None) -> None:
        self._means = guesses.mean(axis=1)
        self._directions = np.array([centred(row) for row in guesses])
        if nuisance is not None:
            rest = float(np.sqrt(FLOOR * (nuisance.spread**2).sum()))
            filtered = nuisance.filtered(self._directions, 1, rest)
            self._directions = filtered / np.linalg.norm(filtered, axis=-1, keepdims=True)

    def recovered(self, seen: np.ndarray, directions: np.ndarray | None = None) -> float:
        """Share of victims, seen (K, D), whose own candidate fits best; victim k is candidate k."""
        along = self._directions if directions is None else directions
        scores = np.einsum("knd,kd->kn", along, seen - self._means)
        return float((scores.argmax(axis=1) == np.arange(len(seen))).mean())

    def in_crowd(
        self, updates: np.ndarray, crowd: Crowd, training: Training, random: np.random.Generator, draws: int = 25
    ) -> float:
        """As `recovered`, where the sum of a whole cohort with its noise is seen, over many cohorts.

        The attacker knows the crowd's mean and covariance: the first is taken off, the second filtered out.
        """
        others = max(0, round(training.expected) - 1)
        directions = crowd.filtered(self._directions, others, training.noise * training.clip)
        limited, shares = clipped(updates, training.clip), []
        for _ in range(draws):
            noise = training.noise * training.clip * random.standard_normal(limited.shape)
            crowds = np.array([crowd.total(others, random) - others * crowd.mean for _ in limited])
            shares.append(self.recovered(limited + crowds + noise, directions))
        return float(np.mean(shares))


def centred(guesses: np.ndarray) -> np.ndarray:
    """Directions in which candidates (N, D) differ, each of unit length."""
    away = guesses - guesses.mean(axis=0)
    return away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)


def clipped(updates: np.ndarray, clip: float) -> np.ndarray:
    """Each row at most `clip` long."""
    lengths = np.linalg.norm(updates, axis=1, keepdims=True)
    return updates * np.minimum(1.0, clip / np.maximum(lengths, 1e-12))


@dataclass(frozen=True, eq=False)
class Crowd:
    """Stands for thousands of clients: sums of them have the mean and the covariance of a few that were computed."""

    mean: np.ndarray
    spread: np.ndarray
    """(M, D); its rows, weighted by independent normal numbers, add up to one client's difference from the mean."""

    @classmethod
    def of(cls, updates: np.ndarray) -> Crowd:
        mean = updates.mean(axis=0)
        return cls(mean, (updates - mean) / np.sqrt(len(updates) - 1))

    def total(self, count: int, random: np.random.Generator) -> np.ndarray:
        """The sum of so many clients, (D,)."""
        return count * self.mean + np.sqrt(count) * (random.standard_normal(len(self.spread)) @ self.spread)

    def filtered(self, directions: np.ndarray, count: int, noise: float) -> np.ndarray:
        """The best linear filter (..., D) for directions in the sum of so many clients and white noise.

        Directions times the inverse of the covariance, up to a factor, by the identity of Woodbury.
        """
        white = max(noise**2 / max(count, 1), 1e-9 * float((self.spread**2).sum()))
        inner = np.linalg.inv(white * np.eye(len(self.spread)) + self.spread @ self.spread.T)
        return directions - (directions @ self.spread.T) @ inner @ self.spread


def area(members: np.ndarray, others: np.ndarray) -> float:
    """Area under the curve of a score: the chance that a member's is above another's."""
    away = members[:, None] - others[None]
    return float((away > 0).mean() + 0.5 * (away == 0).mean())


@dataclass(frozen=True)
class Membership:
    """How well members are told from others: areas under the curve, 0.5 is blind chance."""

    alignment: float
    """By the angle between the published changes and the update that somebody would have sent."""
    loss: float
    """By how much the published adapter has lowered the loss of somebody's clips, more than one without them would."""


def membership(
    lab: Lab,
    people: Sequence[Person],
    updates: np.ndarray,
    crowd: Crowd,
    training: Training,
    random: np.random.Generator,
    repetitions: int = 40,
    losses: int = 12,
) -> Membership:
    """Half of the people are members of a whole training, the other half are not; everybody's clips are known."""
    limited = clipped(updates, training.clip)
    own = lab.examples([person.clips for person in people])
    nobody = np.zeros((0, limited.shape[1]))
    without = [lab.adapter.moved(_trained(nobody, crowd, training, random)[1]) for _ in range(SHADOWS)]
    usual = np.mean([lab.losses(adapter, own) for adapter in without], axis=0)
    alignments, gains = [], []
    for repetition in range(repetitions):
        order = random.permutation(len(people))
        half = len(people) // 2
        members, others = order[:half], order[half:]
        total, change = _trained(limited[members], crowd, training, random)
        shares = _shares(total, limited, crowd, training)
        alignments.append(area(shares[members], shares[others]))
        if repetition < losses:
            lowered = usual - lab.losses(lab.adapter.moved(change), own)
            gains.append(area(lowered[members], lowered[others]))
    return Membership(float(np.mean(alignments)), float(np.mean(gains)))


def membership_by_loss_in_the_open(
    lab: Lab,
    people: Sequence[Person],
    strangers: Sequence[Person],
    members: int,
    rounds: int,
    random: np.random.Generator,
    repetitions: int = 6,
) -> float:
    """Area under the curve of the attack by loss on trainings of a few, without clipping or noise.

    As in `membership`, what counts is the loss against that after trainings of strangers, which the attacker plays.
    """
    own, others = (lab.examples([person.clips for person in group]) for group in (people, strangers))
    drawn = (random.permutation(len(others))[:members] for _ in range(SHADOWS))
    shadows = [_trained_in_the_open(lab, [others[place] for place in places], rounds) for places in drawn]
    usual = np.mean([lab.losses(adapter, own) for adapter in shadows], axis=0)
    areas = []
    for _ in range(repetitions):
        order = random.permutation(len(own))
        adapter = _trained_in_the_open(lab, [own[place] for place in order[:members]], rounds)
        lowered = (usual - lab.losses(adapter, own))[order]
        areas.append(area(lowered[:members], lowered[members:]))
    return float(np.mean(areas))


def _trained_in_the_open(lab: Lab, members: Sequence[Sequence[local.Example]], rounds: int) -> SharedAdapter:
    """Every round the mean of what everybody's own training changes: with few members they are learnt by heart."""
    adapter, momentum = lab.adapter, np.zeros(lab.adapter.parameters)
    for _ in range(rounds):
        updates = [local.update(lab.frozen, adapter, own, BY_HEART) for own in members]
        momentum = 0.9 * momentum + np.mean(updates, axis=0)
        adapter = adapter.moved(momentum)
    return adapter


def _shares(total: np.ndarray, updates: np.ndarray, crowd: Crowd, training: Training) -> np.ndarray:
    """How often each person's update seems to be in the sum of all rounds, (M,): ridge regression on all of them.

    The penalties are those of the best linear estimate: white noise over how often a person takes part at all.
    """
    times = training.rounds * training.sampling
    white = training.rounds * (training.noise * training.clip) ** 2
    known = np.concatenate([updates, crowd.mean[None], crowd.spread])
    many = times * training.population
    usual = np.concatenate([np.full(len(updates), times), [many**2], np.full(len(crowd.spread), many)])
    penalty = white / usual + 1e-9 * float((updates**2).sum(axis=1).mean())
    return np.linalg.solve(known @ known.T + np.diag(penalty), known @ total)[: len(updates)]


def _trained(
    members: np.ndarray, crowd: Crowd, training: Training, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """All sums of a training together, and how far it has moved the adapter, (D,) each."""
    total, momentum, change = (np.zeros(members.shape[1]) for _ in range(3))
    strangers = max(0, training.population - len(members))
    for _ in range(training.rounds):
        drawn = random.random(len(members)) < training.sampling
        seen = members[drawn].sum(axis=0) + crowd.total(int(random.binomial(strangers, training.sampling)), random)
        seen += training.noise * training.clip * random.standard_normal(len(seen))
        momentum = training.momentum * momentum + seen / training.expected
        total, change = total + seen, change + training.rate * momentum
    return total, change
