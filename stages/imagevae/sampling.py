"""Drawing latents for new images."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imagevae.decoding import BATCH
from imagevae.prior import Prior


def draw_latents(prior: Prior, count: int, seed: int, temperature: float) -> Iterator[NDArray[np.float32]]:
    """Draw z from a distribution, (latent_dim,) each, one after another.

    They are drawn in blocks of one size, each from a seed of its own: a larger count keeps the first ones, and memory
    does not grow with it.

    Args:
        temperature: of the noise that becomes z, its standard deviation.
    """
    for start in range(0, count, BATCH):
        noise = np.random.default_rng([seed, start // BATCH])
        z = temperature * noise.standard_normal((BATCH, prior.latent_dim), np.float32)
        yield from prior.sample(z, noise.random(BATCH, np.float32))[: count - start]
