"""How large a flow sees each latent."""

import numpy as np
from numpy.typing import NDArray


def standard(latents: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a flow subtracts from latents, z_mean and z_log_sigma, (n, 2, latent_dim), and divides the rest by,
    (latent_dim,) each; see `prominence`."""
    mean, deviation, noise = moments(latents)
    return mean, np.maximum(deviation / prominence(deviation, noise), 1e-3)


def moments(latents: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of z over all images, and root mean square of the posterior's, (latent_dim,) each,
    in one pass of blocks."""
    total = squares = noise = np.zeros(latents.shape[2])
    for start in range(0, len(latents), 4096):
        z_mean, z_log_sigma = np.moveaxis(latents[start : start + 4096].astype(np.float64), 1, 0)
        total, squares = total + z_mean.sum(axis=0), squares + np.square(z_mean).sum(axis=0)
        noise = noise + np.exp(2 * z_log_sigma).sum(axis=0)
    mean, spread = total / len(latents), noise / len(latents)
    deviation = np.sqrt(np.maximum(squares / len(latents) - mean**2, 0) + spread)
    return mean.astype(np.float32), deviation.astype(np.float32), np.sqrt(spread).astype(np.float32)


def prominence(deviation: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """How large a flow sees each latent, (latent_dim,), 1 in the root mean square.

    It is the root of how far z's standard deviation stands out from the posterior's, a hundredfold at most: a small
    change of such a latent changes pixels a lot. Being larger it leaves the noise sooner on the way from noise to
    latents, so the others are drawn to suit it, and its errors weigh more in the loss.
    """
    root = np.sqrt(np.clip(deviation / np.maximum(noise, 1e-12), 1, 100))
    return root / np.sqrt(np.square(root).mean())
