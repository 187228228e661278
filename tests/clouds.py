"""Points of known distributions, for those that are fitted to latents."""

import numpy as np

from imagevae.model.priors import Prior


def draws(prior: Prior, count: int, seed: int = 0) -> np.ndarray:
    """z as it is distributed, without guidance."""
    noise = np.random.default_rng(seed)
    z, choice = noise.standard_normal((count, prior.latent_dim), np.float32), noise.random(count, np.float32)
    return prior.sample(z, choice, guidance=0.0)


def two_clouds(count: int, seed: int = 0) -> np.ndarray:
    """Points of two clouds, one of them slanted, in shares of 1 to 3."""
    noise = np.random.default_rng(seed)
    points = noise.standard_normal((count, 2)) * (0.3, 0.3) + (2, 0)
    slanted = noise.standard_normal((count, 2)) @ np.array([[0.6, 0.5], [0, 0.2]]) + (-2, 1)
    return np.where(noise.random((count, 1)) < 0.25, points, slanted).astype(np.float32)


def as_latents(points: np.ndarray) -> np.ndarray:
    """Points as z_mean, with next to no posterior noise."""
    return np.stack([points, np.full_like(points, -6)], axis=1)
