"""Intervals hold the true value as often as they say."""

import math

import numpy as np
import pytest

from imagevae.evaluation.intervals import bootstrap, mean, share


@pytest.mark.parametrize("p", [0.02, 0.3, 0.9])
def test_of_a_share(p: float):
    hits = np.random.default_rng(0).random((1000, 200)) < p
    found = [share(row) for row in hits]
    assert np.mean([estimate.low <= p <= estimate.high for estimate in found]) == pytest.approx(0.95, abs=0.03)


def test_of_a_share_of_none_and_of_all():
    assert share(np.zeros(10))[:2] == (0, 0)
    assert share(np.zeros(10)).high > 0.2
    assert share(np.ones(10)).low < 0.8


def test_of_a_mean_and_of_a_statistic():
    values = np.random.default_rng(0).exponential(size=(300, 100))
    assert np.mean([f.low <= 1 <= f.high for f in map(mean, values)]) == pytest.approx(0.94, abs=0.04)
    found = [bootstrap(lambda rows, row=row: row[rows].mean(), 100, seed) for seed, row in enumerate(values)]
    assert np.mean([f.low <= 1 <= f.high for f in found]) == pytest.approx(0.93, abs=0.04)


def test_of_a_single_value_there_is_none():
    assert mean(np.array([3.0]))[1:] == (-math.inf, math.inf, 1)
