"""`resay federated audit`: attack a training with these settings, and see that what is promised holds.

Every protected line has a control: the same attack where the protection is off. A control that fails proves nothing
about the protection, so it fails the audit as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .. import shared_adapter, synthesis
from ..errors import ResayError
from . import attacks, forgery, ledger, local, secure_sum
from .attacks import Crowd, Matcher, Training
from .ledger import Ledger, Release
from .make_believe import Person, World
from .quantise import Grid
from .secure_sum import Round

CERTAIN, TIMES_CHANCE, BLIND = 0.95, 3.0, 0.60
"""What an attack on the open must reach; what one on the protected may: of recovery times chance, of membership."""
IN_THE_OPEN = Training(population=12, sampling=1.0, noise=0.0, rounds=30)
"""A training of a few without noise, in which members are to be found."""
FEW, MANY_ROUNDS = 6, 30
"""Members and rounds of a training that learns its members by heart, in which they are to be found by their loss."""
MASKED_ROUNDS = 5
BACKGROUND, VOICES = 24, 10
"""People of whom the crowd of strangers is made, and voices that a text is tried in: none of them a candidate."""


class Exposed(ResayError):
    """A promise does not hold."""


@dataclass(frozen=True)
class Line:
    """One attack on one thing that is seen."""

    attack: str
    seen: str
    found: float
    """Share recovered, area under the curve, or share of forgeries taken."""
    chance: float
    kind: str
    """`control`: must succeed; `protected`: must fail; `open`: nothing is promised, only told."""
    limit: float

    @property
    def passed(self) -> bool:
        if self.kind == "open":
            return True
        return self.found >= self.limit if self.kind == "control" else self.found <= self.limit


def control(attack: str, seen: str, found: float, chance: float, limit: float = CERTAIN) -> Line:
    return Line(attack, seen, found, chance, "control", limit)


def protected(attack: str, seen: str, found: float, chance: float, limit: float | None = None) -> Line:
    return Line(attack, seen, found, chance, "protected", TIMES_CHANCE * chance if limit is None else limit)


@dataclass(frozen=True, eq=False)
class Stage:
    """Everything that attacks need, made once."""

    lab: attacks.Lab
    people: list[Person]
    updates: np.ndarray
    """(M, D), one for each person."""
    strangers: list[Person]
    crowd: Crowd
    training: Training
    random: np.random.Generator

    @classmethod
    def made(cls, models: Path, training: Training, people: int, seed: int) -> Stage:
        frozen = local.Frozen(models)
        adapter = shared_adapter.fresh(frozen.base, frozen.net.shape.width)
        lab, world = attacks.Lab(frozen, adapter, local.Training()), World(frozen, seed, models)
        found, strangers = world.people(people), world.people(BACKGROUND)
        updates, others = (lab.updates([person.clips for person in group]) for group in (found, strangers))
        crowd = Crowd.of(attacks.clipped(others, training.clip))
        random = np.random.Generator(np.random.Philox(seed))
        return cls(lab, found, updates, strangers, crowd, training, random)


def lines(stage: Stage, candidates: int) -> Iterator[Line]:
    """All attacks, as they are done."""
    victims, updates = stage.people[:candidates], stage.updates[:candidates]
    voices = [stranger.elsewhere[0] for stranger in stage.strangers[:VOICES]]
    masked = _masked(updates, stage.training)
    matchers: dict[str, Callable[[], Matcher]] = {
        "whose voice": lambda: Matcher(*attacks.guesses_of_voice(stage.lab, victims)),
        "which text": lambda: Matcher(*attacks.guesses_of_text(stage.lab, victims, voices)),
    }
    for name, made in matchers.items():
        matcher, chance = made(), 1 / candidates
        yield control(name, "one open update", matcher.recovered(updates), chance)
        found = float(np.mean([matcher.recovered(words) for words in masked]))
        yield protected(name, "one update as it is sent", found, chance)
        silent = replace(stage.training, noise=0.0)
        found = matcher.in_crowd(updates, stage.crowd, silent, stage.random)
        yield Line(name, f"sum of {stage.training.expected:.0f}, no noise", found, chance, "open", 1.0)
        found = matcher.in_crowd(updates, stage.crowd, stage.training, stage.random)
        yield protected(name, f"sum of {stage.training.expected:.0f} with noise", found, chance)
    yield from _membership(stage)
    yield _forgeries(stage)
    yield from _canaries(stage)


def _masked(updates: np.ndarray, training: Training) -> list[np.ndarray]:
    """What the server gets of each client in real rounds of the secure sum, (K, D) each, as signed numbers."""
    count, parameters = updates.shape
    grid = Grid(training.clip, 0.0, count, count, parameters)
    found = []
    for number in range(MASKED_ROUNDS):
        round_ = Round("audit", number, tuple(range(count)), parameters, count)
        identities = [Ed25519PrivateKey.generate() for _ in range(count)]
        roster = {member: key.public_key().public_bytes_raw() for member, key in enumerate(identities)}
        members = [secure_sum.Member(round_, member, key) for member, key in enumerate(identities)]
        collector = secure_sum.Collector(round_, roster)
        for place, member in enumerate(members):
            collector.take_keys(place, member.keys())
        for place, member in enumerate(members):
            collector.take_shares(place, member.shares(collector.keys_for(place), roster))
        words = [
            member.masked(grid.whole(update), collector.shares_for(place))
            for place, (member, update) in enumerate(zip(members, updates, strict=True))
        ]
        found.append(np.array(words).astype(np.int32).astype(np.float64))
    return found


def _membership(stage: Stage) -> Iterator[Line]:
    """Half of the people took part. The open training has fewer members, none of them a stranger to the attacker."""
    few = stage.people[: 2 * IN_THE_OPEN.population]
    open_ = replace(IN_THE_OPEN, population=len(few) // 2, clip=stage.training.clip)
    seen = f"{open_.population} members, no noise"
    found = attacks.membership(stage.lab, few, stage.updates[: len(few)], stage.crowd, open_, stage.random)
    yield control("took part, by alignment", seen, found.alignment, 0.5)
    area = attacks.membership_by_loss_in_the_open(stage.lab, few, stage.strangers, FEW, MANY_ROUNDS, stage.random)
    yield control("took part, by loss", f"{FEW} members, no clipping, no noise", area, 0.5)
    found = attacks.membership(stage.lab, stage.people, stage.updates, stage.crowd, stage.training, stage.random)
    seen = f"{stage.training.rounds} sums with noise"
    yield protected("took part, by alignment", seen, found.alignment, 0.5, BLIND)
    yield protected("took part, by loss", seen, found.loss, 0.5, BLIND)


def _forgeries(stage: Stage) -> Line:
    refused = forgery.refused(stage.lab.adapter)
    taken = [name for name, refusal in refused.items() if not refusal]
    seen = f"{len(refused)} forged messages" + (f" (taken: {', '.join(taken)})" if taken else "")
    return protected("malicious server", seen, len(taken) / len(refused), 0.0, 0.0)


def _canaries(stage: Stage) -> Iterator[Line]:
    """Every byte that a client sends in a whole round, searched for what must stay at home."""
    updates = stage.updates

    def update_of(member: int) -> Any:
        return lambda adapter, settings: updates[member]

    lab = forgery.Lab(stage.lab.adapter, update_of)
    if lab.play() != "kept":
        raise Exposed("the honest round of the audit was not kept")
    sent = [answer for answer in lab.sent if answer[0] == forgery.VICTIM]
    wanted = private_bytes(stage.people[forgery.VICTIM], updates[forgery.VICTIM])
    content = forgery.contents(sent)
    found = [name for name, canary in wanted.items() if canary in content]
    planted = forgery.contents([*sent, (0, "", {"all": list(wanted.values())})])
    share = float(np.mean([canary in planted for canary in wanted.values()]))
    yield control("canaries", f"{len(planted):,} bytes with all {len(wanted)} planted", share, 0.0, 1.0)
    seen = f"{len(content):,} bytes of a whole round" + (f" (found: {', '.join(found)})" if found else "")
    yield protected("canaries", seen, len(found) / len(wanted), 0.0, 0.0)


def private_bytes(person: Person, update: np.ndarray) -> dict[str, bytes]:
    """What must never leave a client, in every usual encoding."""
    clip = person.clips[0]
    wanted = {"timbre": clip.timbre, "style": clip.style, "phonemes": clip.ids, "tokens": clip.tokens}
    found = {**forgery.canaries("update", update), **forgery.canaries("transcript", person.texts[0])}
    for name, value in wanted.items():
        found |= forgery.canaries(name, value)
    return found


def audit(
    population: Annotated[int, typer.Option(min=3, help="Clients that may take part.")] = Training.population,
    sampling: Annotated[float, typer.Option(help="Chance of each to be asked in a round.")] = Training.sampling,
    noise: Annotated[float, typer.Option(min=0, help="Of the sum, in clipping norms.")] = Training.noise,
    rounds: Annotated[int, typer.Option(min=1)] = Training.rounds,
    clip: Annotated[float, typer.Option(help="Longest update of a client.")] = Training.clip,
    candidates: Annotated[int, typer.Option(min=8, help="People among whom one is to be found.")] = 16,
    people: Annotated[int, typer.Option(min=24, help="People for the membership attack, half of them members.")] = 48,
    seed: Annotated[int, typer.Option(min=0, help="Of the people and of chance.")] = 0,
    models: Annotated[Path, typer.Option(help="Weights, instead of the shipped ones.")] = synthesis.SHIPPED,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
) -> None:
    """Attack a training with these settings. Fails where something that is promised does not hold."""
    training = Training(population, sampling, noise, rounds, clip)
    stage = Stage.made(models, training, max(people, candidates), seed)
    found = []
    for line in lines(stage, candidates):
        found.append(line)
        if not as_json:
            typer.echo(_told(line))
    spent = Ledger(ledger.usual_delta(population), releases=[Release(sampling, noise, rounds)]).spent()
    epsilon = None if spent == ledger.NO_PRIVACY else round(spent, 3)
    failed = [line for line in found if not line.passed]
    if as_json:
        rows = [{**asdict(line), "passed": line.passed} for line in found]
        report = {"training": asdict(training), "epsilon": epsilon, "delta": ledger.usual_delta(population)}
        typer.echo(json.dumps({**report, "lines": rows, "passed": not failed}))
    else:
        typer.echo(ledger.in_words(spent, ledger.usual_delta(population)))
    if failed:
        raise Exposed(f"{len(failed)} of {len(found)} lines fail; first: {failed[0].attack}, {failed[0].seen}")


def _told(line: Line) -> str:
    bound = {"control": f">= {line.limit:.2f}", "protected": f"<= {line.limit:.2f}", "open": "told only"}[line.kind]
    mark, figures = "ok" if line.passed else "FAIL", f"{line.found:5.2f}  {bound:9}  chance {line.chance:.2f}"
    return f"{mark:4}  {line.kind:9}  {line.attack:24}  {line.seen:36}  {figures}"
