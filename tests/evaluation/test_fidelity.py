"""Fidelity and diversity: agreement with prdc, what two samples of one distribution give, and how they fail apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prdc import compute_prdc

from imagevae.evaluation.fidelity import fidelity


def scores(real: np.ndarray, fake: np.ndarray, k: int = 5) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in fidelity(real, fake, k)._asdict().items()}


@given(seed=st.integers(0, 100), n=st.integers(7, 60), m=st.integers(7, 60), k=st.integers(1, 5))
@settings(max_examples=15)
def test_they_agree_with_prdc(seed: int, n: int, m: int, k: int):
    noise = np.random.default_rng(seed)
    real, fake = noise.normal(size=(n, 6)), noise.normal(0.5, 0.8, size=(m, 6))
    assert scores(real, fake, k) == pytest.approx(compute_prdc(real, fake, k), abs=1e-6)


def test_two_samples_of_one_distribution():
    """Density and coverage have the expectations of Naeem et al. 2020, section 3.3: 1 and 1 - 1/2^k."""
    noise = np.random.default_rng(0)
    found = scores(noise.normal(size=(2000, 4)), noise.normal(size=(2000, 4)))
    assert found["density"] == pytest.approx(1, abs=0.05)
    assert found["coverage"] == pytest.approx(1 - 1 / 2**5, abs=0.02)
    assert min(found["precision"], found["recall"]) > 0.9


def test_collapse_is_precise_and_recalls_little():
    noise = np.random.default_rng(0)
    real = noise.normal(size=(500, 4))
    found = scores(real, 0.05 * noise.normal(size=(500, 4)))
    assert found["precision"] > 0.95
    assert found["recall"] < 0.05
    assert found["coverage"] < 0.2


def test_samples_far_away_have_nothing_in_common_with_real_ones():
    noise = np.random.default_rng(0)
    found = scores(noise.normal(size=(200, 4)), noise.normal(100, 1, size=(200, 4)))
    assert set(found.values()) == {0.0}


def test_more_noise_is_less_precise():
    noise = np.random.default_rng(0)
    real, fake, added = (noise.normal(size=(400, 8)) for _ in range(3))
    for metric in ("precision", "density", "coverage"):
        values = [scores(real, fake + scale * added)[metric] for scale in (0, 0.5, 1, 2)]
        assert values == sorted(values, reverse=True), metric
