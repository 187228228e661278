"""The terms of the ELBO, checked against closed forms and numerical integrals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from scipy.stats import laplace

from imagevae.model.likelihood import LEVELS, kl_per_unit, log_likelihood

scales = st.floats(0.5, 60.0)  # levels
levels = st.integers(0, 255)


def bound(level: int, location: float, scale: float) -> float:
    """Our bound on the log-probability of an image of one pixel and one channel."""
    pixels, locations = (np.full((1, 1, 1, 1), value / LEVELS, np.float32) for value in (level, location))
    return float(log_likelihood(ops.array(pixels), ops.array(locations), scale / LEVELS)[0])


@given(level=levels, near=st.floats(-1, 1), far=st.floats(0, 255), scale=scales)
def test_it_is_the_expected_density_over_the_width_of_a_level(level: int, near: float, far: float, scale: float):
    noise = (np.arange(1000) + 0.5) / 1000 - 0.5
    for location in (level + near, far):
        density = laplace.logpdf(level + noise, location, scale)
        assert bound(level, location, scale) == pytest.approx(density.mean(), rel=1e-4, abs=1e-3)


@given(location=st.floats(0, 255), scale=scales)
def test_probabilities_of_all_levels_sum_to_at_most_one(location: float, scale: float):
    pixels = ops.array(np.arange(256).reshape(256, 1, 1, 1) / LEVELS, "float32")
    bounds = log_likelihood(pixels, ops.full((256, 1, 1, 1), location / LEVELS), scale / LEVELS)
    assert np.exp(ops.convert_to_numpy(bounds)).sum() <= 1 + 1e-4


def test_it_adds_up_over_pixels_and_not_over_images():
    noise = np.random.default_rng(0)
    pixels, location = (noise.random((3, 4, 5, 3), np.float32) for _ in range(2))
    together = ops.convert_to_numpy(log_likelihood(ops.array(pixels), ops.array(location), 0.1))
    assert together.shape == (3,)
    for image in range(3):
        apart = [
            float(log_likelihood(ops.array(pixels[place].reshape(1, 1, 1, 1)), location[place], 0.1)[0])
            for place in ((image, *rest) for rest in np.ndindex(4, 5, 3))
        ]
        assert together[image] == pytest.approx(sum(apart), rel=1e-4)


@given(mean=st.floats(-5, 5), log_sigma=st.floats(-3, 1.5))
def test_kl_is_that_of_two_gaussians(mean: float, log_sigma: float):
    sigma = math.exp(log_sigma)
    grid = np.linspace(mean - 12 * sigma, mean + 12 * sigma, 20_001)
    log_q = -0.5 * ((grid - mean) / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi))
    log_p = -0.5 * grid**2 - math.log(math.sqrt(2 * math.pi))
    integral = np.trapezoid(np.exp(log_q) * (log_q - log_p), grid)
    ours = float(kl_per_unit(ops.array([[mean]], "float32"), ops.array([[log_sigma]], "float32"))[0, 0])
    assert ours == pytest.approx(integral, rel=1e-3, abs=1e-4)


def test_kl_is_zero_for_the_prior():
    assert (ops.convert_to_numpy(kl_per_unit(ops.zeros((2, 3)), ops.zeros((2, 3)))) == 0).all()
