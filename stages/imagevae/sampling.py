"""Drawing latents for new images."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imagevae.decoding import BATCH
from imagevae.vae import VAE


def draw_latents(model: VAE, sampler: str, count: int, seed: int, temperature: float) -> Iterator[NDArray[np.float32]]:
    """Draw z from one of the model's distributions, (latent_dim,) each, one after another.

    They are drawn in blocks of one size, each from a seed of its own: a larger count keeps the first ones, and memory
    does not grow with it.

    Args:
        sampler: name of the distribution, a key of `VAE.priors`.
        temperature: of the noise that becomes z, its standard deviation.
    """
    prior = model.priors[sampler]
    for start in range(0, count, BATCH):
        noise = np.random.default_rng([seed, start // BATCH])
        z = temperature * noise.standard_normal((BATCH, model.latent_dim), np.float32)
        yield from prior.sample(z, noise.random(BATCH, np.float32))[: count - start]
