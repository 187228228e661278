"""Estimates with their 95% interval, each by the approximation that its function names."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Z = 1.959964  # 97.5% quantile of the normal distribution
RESAMPLES = 100  # of a bootstrap


class Estimate(NamedTuple):
    """An estimate, the ends of its 95% interval, nan where unknown, and the number of images it was made from."""

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0


def normal(value: float, error: float, n: int) -> Estimate:
    """The interval of an estimate that is normally distributed with a standard error."""
    return Estimate(value, value - Z * error, value + Z * error, n)


def mean(values: NDArray) -> Estimate:
    """The mean of values (n,) of independent images, by the central limit theorem."""
    return normal(float(np.mean(values)), standard_error(values), len(values))


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates whose intervals are normal."""
    error = math.hypot(*((each.high - each.low) / (2 * Z) for each in estimates)) / len(estimates)
    return normal(float(np.mean([each.value for each in estimates])), error, min(each.n for each in estimates))


def standard_error(values: NDArray) -> float:
    """Of the mean of values (n,); infinite for a single one."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf


def share(hits: NDArray, against: int | None = None) -> Estimate:
    """The share of independent images for which something is true, by Wilson's score interval (Wilson 1927).

    Args:
        hits: (n,), booleans, or shares of several judges between 0 and 1, for which the interval is wider than need be.
        against: size m of another sample that what counts as true was estimated from; it adds to the
            variance what an equal share of that sample would, so that nm / (n + m) images count.
    """
    p, n = float(np.mean(hits)), len(hits) if against is None else len(hits) * against / (len(hits) + against)
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return Estimate(p, min(p, centre - reach), max(p, centre + reach), len(hits))


def bootstrap(statistic: Callable[[NDArray[np.int64]], float], n: int, seed: int) -> Estimate:
    """A statistic of n images, normal with its standard deviation over bootstrap samples (Efron & Tibshirani 1993,
    13.3).

    Args:
        statistic: called with the rows, of n, that a sample is made of.
    """
    return bootstrap_each(lambda rows: np.array([statistic(rows)]), n, seed)[0]


def bootstrap_each(statistics: Callable[[NDArray[np.int64]], NDArray], n: int, seed: int) -> list[Estimate]:
    """As `bootstrap`, of several statistics of the same images, (k,)."""
    noise = np.random.default_rng(seed)
    errors = np.std([statistics(noise.integers(0, n, n)) for _ in range(RESAMPLES)], axis=0, ddof=1)
    return [normal(float(v), float(e), n) for v, e in zip(statistics(np.arange(n)), errors, strict=True)]
