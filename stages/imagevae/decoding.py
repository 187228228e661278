"""From latents to 8-bit images."""

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from keras import ops
from numpy.typing import NDArray

from imagevae.contact_sheet import contact_sheet
from imagevae.vae import VAE

BATCH = 64  # always decoded together, because results may differ in the last bit between batches of unlike size


def to_levels(mean: NDArray[np.float32]) -> NDArray[np.uint8]:
    """From the decoder's means, levels divided by 255, to the nearest 8-bit levels."""
    return np.rint(np.clip(mean, 0, 1) * 255).astype(np.uint8)


def decode_in_batches(model: VAE, z: NDArray[np.float32]) -> Iterator[NDArray[np.uint8]]:
    """Decode z (n, latent_dim) into images, uint8 (size, size, 3) each, one after another."""
    for start in range(0, len(z), BATCH):
        part = z[start : start + BATCH]
        whole = np.concatenate([part, np.zeros((BATCH - len(part), z.shape[1]), z.dtype)])
        yield from to_levels(ops.convert_to_numpy(model.decode(whole)))[: len(part)]


def manifold(model: VAE, steps: int = 19) -> NDArray[np.uint8]:
    """The plane of a model with two latents: a grid of decoded z at the normal quantiles 0.05 to 0.95.

    Kingma & Welling 2014, figure 4. The first latent grows to the right, the second one upwards.

    Returns:
        uint8 (steps * size, steps * size, 3).
    """
    quantiles = [NormalDist().inv_cdf(share) for share in np.linspace(0.05, 0.95, steps)]
    z = np.array([(right, up) for up in reversed(quantiles) for right in quantiles], np.float32)
    return contact_sheet(list(decode_in_batches(model, z)), columns=steps, tile=model.size)
