"""Bounds of a linear model, whose likelihood is known exactly, and of a trained one."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import logsumexp
from scipy.stats import laplace, norm

from imagevae.evaluation.bounds import bounds, gain
from imagevae.model.archive import load_model
from imagevae.model.coding import encode
from imagevae.model.likelihood import LEVELS
from imagevae.model.vae import VAE


class Linear(keras.Model):
    """p(x|z) is Laplace's at 0.5 + slope * z, images of 2 x 2 pixels, one latent, with a posterior that is too wide."""

    slope = np.linspace(-0.2, 0.2, 12).astype(np.float32)
    scale = 0.1

    def encode(self, images):
        pixels = ops.reshape(ops.cast(images, "float32") / LEVELS, (-1, 12))
        precision = 1 + float(self.slope @ self.slope) / self.scale**2
        z_mean = ops.matmul(pixels - 0.5, self.slope[:, None]) / self.scale**2 / precision
        return z_mean, ops.full(ops.shape(z_mean), 0.3 - 0.5 * math.log(precision))

    def decode(self, z):
        return ops.reshape(0.5 + ops.matmul(z, self.slope[None]), (-1, 2, 2, 3))

    def exact(self, images: np.ndarray) -> np.ndarray:
        """Logarithm of the integral over z, of the expected log-density of levels and noise of their width."""
        z, noise = np.linspace(-9, 9, 1001), (np.arange(20) + 0.5) / 20 - 0.5
        pixels = (images.reshape(-1, 1, 12, 1) + noise) / LEVELS
        location = 0.5 + z[:, None, None] * self.slope[:, None]
        density = laplace.logpdf(pixels, location, self.scale).mean(axis=3).sum(axis=2)
        return logsumexp(density + norm.logpdf(z), axis=1) + math.log(z[1] - z[0]) - 12 * math.log(LEVELS)


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
