"""Lower bounds on the log-likelihood of images: the ELBO and the importance-weighted bound."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import KerasTensor, ops
from numpy.typing import NDArray
from scipy.special import logsumexp
from tqdm import tqdm

from imagevae.model.coding import BATCH, encode
from imagevae.model.likelihood import LEVELS, log_likelihood
from imagevae.model.padding import batches_of
from imagevae.model.vae import VAE


def log_normal(z: KerasTensor) -> KerasTensor:
    """Log-density of N(0, I), (n,), of z (n, latent_dim)."""
    return -0.5 * ops.sum(ops.square(z) + math.log(2 * math.pi), axis=1)


class LogWeights(keras.Model):
    """The two terms of log p(x, z) - log q(z|x) at z = z_mean + exp(z_log_sigma) * noise.

    Called on images (n, size, size, 3), levels 0 to 255, and z_mean, z_log_sigma, noise, (n, latent_dim) each; gives
    log p(x|z) and log p(z) - log q(z|x), (n,) each, in nats.
    """

    def __init__(self, model: VAE):
        super().__init__()
        self.model = model
        self.built = True

    def call(self, inputs: tuple[KerasTensor, ...]) -> tuple[KerasTensor, KerasTensor]:
        images, z_mean, z_log_sigma, noise = inputs
        z = z_mean + ops.exp(z_log_sigma) * noise
        pixels = ops.cast(images, "float32") / LEVELS
        log_posterior = log_normal(noise) - ops.sum(z_log_sigma, axis=1)
        return log_likelihood(pixels, self.model.decode(z), self.model.scale), log_normal(z) - log_posterior


class Bounds(NamedTuple):
    """Estimates for each image, (n,) each, in nats.

    Attributes:
        elbo: lower bound, log p(x|z) + log p(z) - log q(z|x) averaged over draws of z (Kingma & Welling 2014,
            equation 2).
        iwae: the tighter bound of as many draws (Burda et al. 2016, equation 8).
        reconstruction: -log p(x|z), averaged.
        kl: log q(z|x) - log p(z), averaged, whose expectation is the KL divergence.
    """

    elbo: NDArray[np.float64]
    iwae: NDArray[np.float64]
    reconstruction: NDArray[np.float64]
    kl: NDArray[np.float64]


def bounds(model: VAE, images: NDArray[np.uint8], draws: int, seed: int, name: str) -> Bounds:
    """Bounds on the log-probability of 8-bit images under a model with the prior N(0, I), see `log_likelihood` for what
    they are comparable to.

    Args:
        images: (n, size, size, 3).
        draws: of z, for each image.
        seed: of the draws.
        name: of the images, for the progress bar.
    """
    weights = LogWeights(model)
    weights.compile(jit_compile=False)  # predict_on_batch is several times as fast as calling the model
    noise, parts = np.random.default_rng(seed), []
    count = -(-len(images) // BATCH)
    for batch, size in tqdm(batches_of(images, BATCH), total=count, desc=f"likelihood of {name}", disable=None):
        posterior = [ops.convert_to_numpy(part) for part in model.encode(batch)]
        terms = [
            weights.predict_on_batch((batch, *posterior, noise.standard_normal(posterior[0].shape, np.float32)))
            for _ in range(draws)
        ]
        parts.append(np.array(terms, np.float64)[:, :, :size])
    likelihood, divergence = np.concatenate(parts, axis=2).transpose(1, 0, 2)
    both = likelihood + divergence
    iwae = logsumexp(both, axis=0) - math.log(draws)
    return Bounds(both.mean(axis=0), iwae, -likelihood.mean(axis=0), -divergence.mean(axis=0))


def gain(model: VAE, images: NDArray[np.uint8], seed: int) -> NDArray[np.float64]:
    """How much higher the ELBO is with the distribution that the model samples from as its prior, (n,), nats.

    That is log p(z) - log N(z; 0, I) at one draw of z for each image, (n, size, size, 3). A flow's density is an
    estimate without bias, which an IWAE bound would turn into one with bias: it has none here.
    """
    z = encode(model, images).draw(seed)
    return model.priors[model.settings["sampler"]].log_prob(z) - model.priors["normal"].log_prob(z)
