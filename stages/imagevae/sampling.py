"""Drawing latents for new images."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imagevae.decoding import BATCH
from imagevae.vae import VAE


def draw_latents(model: VAE, count: int, seed: int, temperature: float) -> Iterator[NDArray[np.float32]]:
    """Draw z from the prior, (latent_dim,) each, one after another.

    They are drawn in blocks of one size, each from a seed of its own: a larger count keeps the first ones, and memory
    does not grow with it.

    Args:
        temperature: standard deviation of z, in units of the prior's.
    """
    for start in range(0, count, BATCH):
        noise = np.random.default_rng([seed, start // BATCH])
        z = temperature * noise.standard_normal((BATCH, model.latent_dim), np.float32)
        yield from z[: count - start]
