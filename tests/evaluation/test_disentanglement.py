"""MIG and DCI of latents made so that the answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagevae.evaluation.disentanglement import dci, disentanglement, mutual_information_gap

FACTORS = np.random.default_rng(0).integers(0, 5, (600, 3))
NOISE = np.random.default_rng(1).normal(size=(600, 3))


def test_a_unit_for_each_factor_is_perfect():
    z = FACTORS + 0.01 * NOISE
    assert mutual_information_gap(z, FACTORS, 0).value == pytest.approx(1, abs=0.06)
    for estimate in dci(z, FACTORS, 0):
        assert estimate.value > 0.95


def test_two_units_for_each_factor_leave_no_gap():
    z = np.concatenate([FACTORS, FACTORS], axis=1) + 0.01 * np.concatenate([NOISE, NOISE], axis=1)
    assert mutual_information_gap(z, FACTORS, 0).value == pytest.approx(0, abs=1e-9)
    scores = dci(z, FACTORS, 0)
    assert scores.disentanglement.value > 0.95
    assert scores.completeness.value == pytest.approx(1 - np.log(2) / np.log(6), abs=0.05)


def test_latents_that_know_nothing():
    assert mutual_information_gap(NOISE, FACTORS, 0).value < 0.05
    scores = dci(NOISE, FACTORS, 0)
    assert scores.disentanglement.value < 0.1
    assert scores.informativeness.low < 0.2 + 0.03 < scores.informativeness.high + 0.06


def test_mixed_latents_are_informative_but_not_disentangled():
    """Hadamard's mixing: each unit knows as much of each factor."""
    mixed = FACTORS @ np.array([[1, 1, 1], [1, -1, 1], [1, 1, -1]]) + 0.01 * NOISE
    scores = dci(mixed, FACTORS, 0)
    assert scores.informativeness.value > 0.6
    assert scores.disentanglement.value < 0.5
    assert mutual_information_gap(mixed, FACTORS, 0).value < 0.3


@given(units=st.integers(2, 6), factors=st.integers(2, 6))
def test_disentanglement_of_known_importances(units: int, factors: int):
    """Eastwood & Williams 2018, section 2: 1 where each unit matters to one factor, 0 where to all alike."""
    assert disentanglement(np.ones((units, factors))) == pytest.approx(0, abs=1e-9)
    assert disentanglement(np.eye(max(units, factors))[:units, :factors]) == pytest.approx(1)
