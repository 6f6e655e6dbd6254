"""How sure a mean or a rate is: 95 % intervals by resampling the cases (percentile bootstrap; Efron 1979)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
_BLOCK = 64  # resamples drawn at once, so that thousands of cases need little memory


@dataclass(frozen=True)
class Interval:
    """A figure and the range that holds it in 95 of 100 repetitions with other cases of the same kind."""

    value: float
    low: float
    high: float
    count: int
    """Cases it comes from."""


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Interval:
    """Sum by sum, as error rates are made: cases are resampled whole. Raises ValueError without any case."""
    above, below = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    if len(above) == 0 or len(above) != len(below) or below.sum() <= 0:
        raise ValueError("a rate needs cases, each with its length")
    # The generator is fixed: the same cases give the same interval.
    random = np.random.Generator(np.random.Philox(0))
    rates: list[np.ndarray] = []
    for _ in range(-(-RESAMPLES // _BLOCK)):
        drawn = random.integers(0, len(above), (_BLOCK, len(above)))
        rates.append(above[drawn].sum(axis=1) / np.maximum(below[drawn].sum(axis=1), 1e-12))
    low, high = np.quantile(np.concatenate(rates), [0.025, 0.975])
    return Interval(float(above.sum() / below.sum()), float(low), float(high), len(above))


def mean(values: Sequence[float]) -> Interval:
    """Mean of one value a case. Raises ValueError without any."""
    return ratio(values, np.ones(len(values)).tolist())
