"""The privacy that has been spent: every release is written down, and at the limit there is no further one.

The guarantee is for whole clients: with or without everything one speaker ever sent, the published adapters are
alike within (ε, δ). Clients are drawn by Poisson sampling, the noise is Gaussian, and Rényi accounting (Mironov 2017;
Mironov, Talwar and Zhang 2019) by the library dp-accounting adds it up. A second accountant, by privacy loss
distributions, is there to check the first.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import BadFile, ResayError

METHODS = ("rdp", "pld")
NO_PRIVACY = float("inf")


class Spent(ResayError):
    """The privacy budget is used up: no further round."""


@dataclass(frozen=True)
class Release:
    """Rounds of one kind."""

    sampling: float
    """Chance of each client to be drawn in a round."""
    noise: float
    """Standard deviation of the noise in the sum, in units of the clipping norm; 0 is no privacy at all."""
    rounds: int = 1


@dataclass
class Ledger:
    """All releases so far, and how much may be spent in all."""

    delta: float
    limit: float = NO_PRIVACY
    """Largest ε; infinity has no limit."""
    releases: list[Release] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0.0 < self.delta < 1.0 or not self.limit > 0.0:
            raise BadFile("the privacy ledger needs 0 < delta < 1 and a limit above 0")

    @property
    def rounds(self) -> int:
        return sum(release.rounds for release in self.releases)

    def spent(self, method: str = "rdp") -> float:
        """ε so far, by Rényi accounting (`rdp`) or by privacy loss distributions (`pld`)."""
        return epsilon(self.releases, self.delta, method)

    def allows(self, release: Release) -> bool:
        """Whether the limit holds after one more release."""
        return epsilon([*self.releases, release], self.delta) <= self.limit

    def spend(self, release: Release) -> None:
        """Write a release down, before it happens. Raises Spent at the limit."""
        if not self.allows(release):
            raise Spent(f"privacy: one more round would pass epsilon {self.limit:g}; the training is over")
        if self.releases and (self.releases[-1].sampling, self.releases[-1].noise) == (release.sampling, release.noise):
            last = self.releases.pop()
            release = Release(release.sampling, release.noise, release.rounds + last.rounds)
        self.releases.append(release)

    def to_json(self) -> dict[str, Any]:
        limit = None if self.limit == NO_PRIVACY else self.limit
        return {"delta": self.delta, "limit": limit, "releases": [asdict(release) for release in self.releases]}

    @classmethod
    def from_json(cls, data: object) -> Ledger:
        """Raises BadFile for anything but what `to_json` gives: a ledger that cannot be read is no empty ledger."""
        try:
            limit = NO_PRIVACY if data["limit"] is None else float(data["limit"])  # type: ignore[index]
            releases = [Release(**entry) for entry in data["releases"]]  # type: ignore[index]
            return cls(float(data["delta"]), limit, releases)  # type: ignore[index]
        except (KeyError, TypeError, ValueError) as error:
            raise BadFile(f"the privacy ledger is damaged ({error}); without it there is no further round") from error


def epsilon(releases: list[Release], delta: float, method: str = "rdp") -> float:
    """ε of releases at δ, neighbours differing by one client."""
    if not releases:
        return 0.0
    if any(release.noise == 0 for release in releases):
        return NO_PRIVACY
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
    from dp_accounting.pld import PLDAccountant
    from dp_accounting.rdp import RdpAccountant

    accountant = {"rdp": RdpAccountant, "pld": PLDAccountant}[method]()
    for release in releases:
        event = PoissonSampledDpEvent(release.sampling, GaussianDpEvent(release.noise))
        accountant.compose(SelfComposedDpEvent(event, release.rounds))
    return float(accountant.get_epsilon(delta))


def usual_delta(population: int) -> float:
    """δ of a population: its size to the power of −1.1, so that fewer than one client in all is left unprotected."""
    return float(population**-1.1)


def in_words(spent: float, delta: float) -> str:
    """ε and δ for people who have never heard of them."""
    if spent == NO_PRIVACY:
        return "no noise is added: who sees the adapters of all rounds could tell whether you took part"
    # From even odds: the posterior of the best possible test (Dong, Roth and Su 2022).
    share = math.exp(min(spent, 50.0)) / (1 + math.exp(min(spent, 50.0)))
    return (
        f"epsilon {spent:.2f} at delta {delta:.1e}: whoever guessed at even odds whether you took part could, "
        f"at the very most, be {100 * share:.1f} % sure afterwards"
    )
