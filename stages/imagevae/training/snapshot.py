"""A picture of what a model in training makes of fixed images and fixed noise."""

import numpy as np
from numpy.typing import NDArray

from imagevae.dataset.squares import Images
from imagevae.images.contact_sheet import contact_sheet, evenly_spaced
from imagevae.model.coding import decode_in_batches, encode
from imagevae.model.vae import VAE

SHOWN = 12
FITTED = 256  # training images whose latents the samples are like


def snapshot(model: VAE, training: Images, held_out: Images, seed: int) -> NDArray[np.uint8]:
    """Held-out images in a row, their reconstructions below, and in a third row samples.

    The distributions that a trained model samples from are not there yet. Here z comes from the Gaussian of the mean
    and covariance of z over some training images: the mean, and their deviations from it in a random mixture.

    Returns:
        uint8 (3 * size, n * size, 3) of n held-out images, 12 at most.
    """
    seen = held_out[evenly_spaced(len(held_out), SHOWN)]
    z = encode(model, training[evenly_spaced(len(training), FITTED)]).draw(seed)
    noise = np.random.default_rng([seed, 1]).standard_normal((len(seen), len(z)), np.float32)
    # In float64: the last bits of a product depend on the processor, and in float32 some would show as another level.
    mean = z.mean(axis=0, dtype=np.float64)
    samples = (mean + noise.astype(np.float64) @ (z - mean) / np.sqrt(len(z))).astype(np.float32)
    decoded = list(decode_in_batches(model, np.concatenate([encode(model, seen).z_mean, samples])))
    return contact_sheet([*seen, *decoded], columns=len(seen), tile=model.size)
