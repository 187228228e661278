"""From images to latents."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray

from imagevae.decoding import BATCH
from imagevae.vae import VAE


class Posterior(NamedTuple):
    """z_mean and z_log_sigma, (latent_dim,) each of one image, (n, latent_dim) each of several."""

    z_mean: NDArray[np.float32]
    z_log_sigma: NDArray[np.float32]

    def draw(self, seed: int) -> NDArray[np.float32]:
        """One z for each image, in the shape of z_mean."""
        noise = np.random.default_rng(seed).standard_normal(self.z_mean.shape, np.float32)
        return np.asarray(self.z_mean + np.exp(self.z_log_sigma) * noise, np.float32)


def encode_in_batches(model: VAE, images: Iterable[NDArray[np.uint8]]) -> Iterator[Posterior]:
    """Encode images, uint8 (size, size, 3) each, one after another.

    Always as many are encoded together, so what is in a folder besides an image does not change its latents.
    """
    stream = iter(images)
    while part := list(islice(stream, BATCH)):
        whole = np.stack([*part, *[np.zeros_like(part[0])] * (BATCH - len(part))])
        z_mean, z_log_sigma = (ops.convert_to_numpy(values) for values in model.encode(whole))
        yield from map(Posterior, z_mean[: len(part)], z_log_sigma[: len(part)])


def encode(model: VAE, images: Iterable[NDArray[np.uint8]]) -> Posterior:
    """Encode images, uint8 (size, size, 3) each, all at once."""
    return Posterior(*map(np.stack, zip(*encode_in_batches(model, images), strict=True)))
