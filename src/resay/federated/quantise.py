"""From a client's update to the whole numbers that are summed: finite, clipped, noised, and back again.

Letters in shapes: D parameters.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np

from ..errors import ResayError

WORD = 32
"""Bits of the numbers in which sums wrap around."""


class UselessUpdate(ResayError):
    """An update that is no number, or has the wrong length: it is not sent."""


@dataclass(frozen=True)
class Grid:
    """How real updates become whole numbers whose sum cannot overflow, and how much noise hides one of them."""

    clip: float
    """Longest update, in the Euclidean norm; a longer one is shortened to it."""
    noise: float
    """Standard deviation of the noise in the sum of `least` updates, in units of `clip`. 0 adds none."""
    least: int
    """Fewest updates in a sum: each brings its share of the noise for that many."""
    most: int
    """Most updates in a sum."""
    parameters: int

    @property
    def length(self) -> int:
        """The clipping norm on the grid: as fine as fits into a sum of `most` updates with noise of 16 deviations."""
        spread = 16.0 * self.noise * math.sqrt(self.most / self.least)
        return int(2 ** (WORD - 1) / (self.most + spread + 1))

    @property
    def deviation(self) -> float:
        """Of one client's noise, in steps of the grid."""
        return self.noise * self.length / math.sqrt(self.least)

    def clipped(self, update: np.ndarray) -> np.ndarray:
        """float64 (D,), at most `clip` long. Raises UselessUpdate for what is not finite or of another length."""
        values = np.asarray(update, dtype=np.float64)
        if values.shape != (self.parameters,) or not np.isfinite(values).all():
            raise UselessUpdate("the update is not finite, or not of this adapter; nothing was sent")
        largest = float(np.abs(values).max(initial=0.0))
        if largest == 0.0:
            return values
        # Scaling first keeps the squares of huge values finite.
        norm = largest * float(np.linalg.norm(values / largest))
        return values * min(1.0, self.clip / norm)

    def whole(self, update: np.ndarray) -> np.ndarray:
        """int64 (D,): clipped and rounded, never longer than `length`, without noise."""
        # Rounding lengthens by at most half the root of D: that much is taken off before.
        reach = self.length - math.sqrt(self.parameters) / 2
        return np.rint(self.clipped(update) / self.clip * reach).astype(np.int64)

    def share(self, update: np.ndarray) -> np.ndarray:
        """What one client adds to the sum: its whole numbers and its share of the noise, int64 (D,)."""
        numbers = self.whole(update)
        return numbers + discrete_gaussian(self.deviation, self.parameters) if self.noise else numbers

    def mean(self, total: np.ndarray, count: float) -> np.ndarray:
        """The sum of shares as a mean over `count` clients, float64 (D,)."""
        reach = self.length - math.sqrt(self.parameters) / 2
        return total * (self.clip / reach / count)

    def plausible(self, total: np.ndarray, count: int) -> bool:
        """Whether `count` clients that kept to the rules can have made this sum."""
        noise = self.deviation * math.sqrt(count)
        bound = count * self.length + noise * (math.sqrt(self.parameters) + 8.0)
        return float(np.linalg.norm(total.astype(np.float64))) <= bound


def _uniform(count: int) -> np.ndarray:
    """float64 in (0, 1], 53 bits each, from the operating system's own generator: nobody can seed or repeat it."""
    words = np.frombuffer(os.urandom(8 * count), dtype=np.uint64) >> np.uint64(11)
    return (words.astype(np.float64) + 1.0) * 2.0**-53


def discrete_gaussian(deviation: float, count: int) -> np.ndarray:
    """Whole numbers with the weights of a Gaussian, int64 (count,) (Canonne, Kamath and Steinke 2020, algorithm 3).

    Drawn by rejection from a two-sided geometric. Unlike a rounded Gaussian its privacy is proven, and sums of it are
    again as good as discrete Gaussian (Kairouz, Liu and Steinke 2021).
    """
    scale = math.floor(deviation) + 1
    found: list[np.ndarray] = []
    missing = count
    while missing > 0:
        tried = missing * 2 + 16
        size = np.floor(-scale * np.log(_uniform(tried)))
        negative = _uniform(tried) < 0.5
        # Zero would come with both signs: one of them is thrown away.
        kept = ~(negative & (size == 0))
        accepted = _uniform(tried) <= np.exp(-((size - deviation**2 / scale) ** 2) / (2 * deviation**2))
        values = np.where(negative, -size, size)[kept & accepted].astype(np.int64)
        found.append(values[:missing])
        missing -= len(found[-1])
    return np.concatenate(found)
