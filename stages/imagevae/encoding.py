"""From images to latents."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from keras import ops
from numpy.typing import NDArray

from imagevae.decoding import BATCH
from imagevae.vae import VAE

Latents = tuple[NDArray[np.float32], NDArray[np.float32]]


def encode_in_batches(model: VAE, images: Iterable[NDArray[np.uint8]]) -> Iterator[Latents]:
    """Encode images, uint8 (size, size, 3) each, into z_mean and z_log_sigma, (latent_dim,) each, one after another.

    Always as many are encoded together, so what is in a folder besides an image does not change its latents.
    """
    stream = iter(images)
    while part := list(islice(stream, BATCH)):
        whole = np.stack([*part, *[np.zeros_like(part[0])] * (BATCH - len(part))])
        z_mean, z_log_sigma = (ops.convert_to_numpy(values) for values in model.encode(whole))
        yield from zip(z_mean[: len(part)], z_log_sigma[: len(part)], strict=True)
