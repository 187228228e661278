"""Bounds of a linear model, whose likelihood is known exactly, and of a trained one."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from scipy.stats import multivariate_normal, norm

from imagevae.archive import load_model
from imagevae.bounds import bounds, gain
from imagevae.encoding import encode
from imagevae.likelihood import DEQUANTISATION, LEVELS
from imagevae.vae import VAE


class Linear(keras.Model):
    """p(x|z) = N(0.5 + slope * z, 0.1^2), images of 2 x 2 pixels, one latent, with a posterior that is too wide."""

    slope = np.linspace(-0.2, 0.2, 12).astype(np.float32)
    variance = 0.01

    def encode(self, images):
        pixels = ops.reshape(ops.cast(images, "float32") / LEVELS, (-1, 12))
        precision = 1 + float(self.slope @ self.slope) / self.variance
        z_mean = ops.matmul(pixels - 0.5, self.slope[:, None]) / self.variance / precision
        return z_mean, ops.full(ops.shape(z_mean), 0.3 - 0.5 * math.log(precision))

    def decode(self, z):
        return ops.reshape(0.5 + ops.matmul(z, self.slope[None]), (-1, 2, 2, 3))

    def exact(self, images: np.ndarray) -> np.ndarray:
        """Log-density of levels, less the dequantisation's part of the bound."""
        covariance = np.outer(self.slope, self.slope) + self.variance * np.eye(12)
        density = multivariate_normal(np.full(12, 0.5), covariance).logpdf(images.reshape(-1, 12) / LEVELS)
        return density - 12 * math.log(LEVELS) - 12 * DEQUANTISATION / self.variance / 2


IMAGES = np.random.default_rng(0).integers(90, 170, (70, 2, 2, 3), np.uint8)


def test_more_draws_come_nearer_to_the_likelihood():
    model, means = Linear(), []
    exact = model.exact(IMAGES)
    for draws in (1, 5, 300):
        found = bounds(model, IMAGES, draws, 0, "")
        assert found.elbo == pytest.approx(-found.reconstruction - found.kl)
        assert (found.iwae >= found.elbo - 1e-9).all()
        means.append(found.iwae.mean())
    assert found.elbo.mean() < exact.mean() - 0.05
    assert means == sorted(means)
    assert found.iwae == pytest.approx(exact, abs=0.3)
    assert means[-1] == pytest.approx(exact.mean(), abs=0.01)


def test_a_better_prior_gains_what_the_posteriors_divergence_loses(model_file: Path):
    model = load_model(model_file)
    images = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 3), np.uint8)
    normal, mixture = with_sampler(model, "normal"), with_sampler(model, "mixture")
    assert (gain(normal, images, 0) == 0).all()
    z = encode(model, images).draw(0)
    expected = model.mixture.log_prob(z) - norm.logpdf(z).sum(axis=1)
    assert gain(mixture, images, 0) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def with_sampler(model: VAE, sampler: str) -> VAE:
    other = VAE.from_config({**model.get_config(), "sampler": sampler})
    other.set_weights(model.get_weights())
    return other


def test_an_image_has_the_same_bounds_wherever_it_stands_in_the_last_batch(model_file: Path):
    model = load_model(model_file)
    images = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 3), np.uint8)
    whole, cut = bounds(model, images, 2, 0, ""), bounds(model, images[:66], 2, 0, "")
    assert (whole.elbo[:66] == cut.elbo).all()
