"""Distances between sets of vectors: agreement with reference implementations, floors, order, intervals."""

import json

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from imagevae.evaluation.distances import Distance, average, frechet, kernel_distance
from reference_features import CASES, REFERENCE, some_features

DISTANCES = (frechet, kernel_distance)


@pytest.mark.parametrize("case", CASES)
def test_they_agree_with_torch_fidelity(case: tuple[int, ...]):
    """The values are torch-fidelity's own, see benchmarks/torch_fidelity_values.py."""
    expected = json.loads(REFERENCE.read_text())["values"][str(case)]
    x, y = some_features(*case)
    assert frechet(x, y).value == pytest.approx(expected["fid"], rel=1e-6)
    if expected["kid"] is not None:
        assert kernel_distance(x, y).value == pytest.approx(expected["kid"], rel=1e-6)


def test_frechet_is_the_formula_with_a_matrix_square_root():
    x, y = some_features(7, 150, 90, 12)
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    shift = x.mean(axis=0) - y.mean(axis=0)
    assert frechet(x, y).value == pytest.approx(shift @ shift + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real))


def test_kernel_distance_is_the_sum_over_pairs():
    x, y = some_features(7, 9, 6, 4)
    kernel = lambda a, b: (a @ b / 4 + 1) ** 3  # noqa: E731
    within = [np.mean([kernel(a, b) for i, a in enumerate(v) for j, b in enumerate(v) if i != j]) for v in (x, y)]
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(x, y).value == pytest.approx(sum(within) - 2 * across)


@given(seed=st.integers(0, 100), n=st.integers(5, 40), d=st.integers(1, 8))
@settings(max_examples=20)
def test_a_set_has_no_distance_from_itself_and_order_does_not_matter(seed: int, n: int, d: int):
    x, y = some_features(seed, n, n + 3, d)
    assert frechet(x, x).value == pytest.approx(0, abs=1e-6)
    assert kernel_distance(x, x).value <= 0, "unbiased, so equal sets are nearer than chance allows"
    for distance in DISTANCES:
        shuffled = np.random.default_rng(seed).permutation(n)
        assert distance(x[shuffled], y).value == pytest.approx(distance(x, y).value, abs=1e-6)
        assert distance(y, x).value == pytest.approx(distance(x, y).value, abs=1e-6)


def test_the_kernel_distance_of_one_distribution_is_zero_on_average():
    values = [kernel_distance(*np.split(some_features(seed, 60, 10, 6)[0], 2)).value for seed in range(300)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


@pytest.mark.parametrize("distance", DISTANCES)
def test_more_noise_is_farther(distance):
    x, y = np.split(some_features(0, 400, 10, 16)[0], 2)
    noise = np.random.default_rng(1).normal(size=y.shape)
    values = [distance(x, y + scale * noise).value for scale in (0, 0.5, 1, 2)]
    assert values == sorted(values)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_intervals_are_as_wide_as_the_spread_over_repetitions(distance, shift: float):
    """The standard error is that of fresh sets; where nothing differs, and the first order vanishes, it is not less."""
    values, errors = [], []
    for seed in range(200):
        noise = np.random.default_rng(seed)
        estimate = average([distance(noise.normal(size=(150, 5)), noise.normal(shift, 1, size=(150, 5)))])
        values.append(estimate.value)
        errors.append((estimate.high - estimate.low) / 2 / 1.96)
    assert 0.8 < np.mean(errors) / np.std(values) < (1.25 if shift else 2.5)


def test_the_average_counts_networks_that_agree_once():
    one = Distance(1.0, np.array([0.0, 2.0]), np.array([1.0, 1.0, 4.0]))
    assert average([one, one]) == average([one])
    assert average([one]).n == 2
