"""From images to latents, and from latents to images."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import keras
import numpy as np
from keras import KerasTensor, ops
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.model.padding import batches_of
from imagevae.model.vae import VAE

BATCH = 64  # images that are computed together


class Posterior(NamedTuple):
    """z_mean and z_log_sigma, (latent_dim,) each of one image, (n, latent_dim) each of several."""

    z_mean: NDArray[np.float32]
    z_log_sigma: NDArray[np.float32]

    def draw(self, seed: int) -> NDArray[np.float32]:
        """One z for each image, in the shape of z_mean."""
        noise = np.random.default_rng(seed).standard_normal(self.z_mean.shape, np.float32)
        return np.asarray(self.z_mean + np.exp(self.z_log_sigma) * noise, np.float32)


def encode_in_batches(model: VAE, images: Iterable[NDArray[np.uint8]]) -> Iterator[Posterior]:
    """Encode images, uint8 (size, size, 3) each, one after another; see `batches_of`.

    Raises:
        BadInput: latents are infinite or no numbers.
    """
    for batch, count in batches_of(images, BATCH):
        z_mean, z_log_sigma = (ops.convert_to_numpy(values) for values in model.encode(batch))
        check_finite("latents", z_mean, z_log_sigma)
        yield from map(Posterior, z_mean[:count], z_log_sigma[:count])


def encode(model: VAE, images: Iterable[NDArray[np.uint8]]) -> Posterior:
    """Encode images, uint8 (size, size, 3) each, all at once."""
    return Posterior(*map(np.stack, zip(*encode_in_batches(model, images), strict=True)))


def mean_latents(model: VAE, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Mean of z_mean over images, uint8 (size, size, 3) each, (latent_dim,)."""
    total, count = np.zeros(model.latent_dim), 0
    for z_mean, _ in encode_in_batches(model, images):
        total += z_mean
        count += 1
    return (total / count).astype(np.float32)


def codes_in_batches(model: VAE, images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
    """The codes of images, uint8 (size, size, 3) each, one after another, (count,) each; see `Axes`."""
    means = (z_mean for z_mean, _ in encode_in_batches(model, images))
    for batch, count in batches_of(means, BATCH):
        yield from model.axes.encode(batch)[:count]


def active_units(z_mean: NDArray) -> NDArray[np.bool_]:
    """Which units vary with the image: those whose z_mean (n, latent_dim) has a variance above 0.01, (latent_dim,).

    Burda et al. 2016, section 5.2.
    """
    return z_mean.var(axis=0) > 0.01


def decode_in_batches(
    model: VAE, latents: Iterable[NDArray[np.float32]], size: int = BATCH
) -> Iterator[NDArray[np.uint8]]:
    """Decode z, (latent_dim,) each, into images, uint8 (size, size, 3) each, one after another.

    Args:
        size: of the batches; a few images take less time in a small one.

    Raises:
        BadInput: what the decoder gives is infinite or no number.
    """
    decoder = _compiled(model, size)
    for batch, count in batches_of(latents, size):
        mean = decoder.predict_on_batch(batch.astype(np.float32))[:count]
        check_finite("pixels", mean)
        yield from to_levels(mean)


def check_finite(what: str, *values: NDArray) -> None:
    """Look at what a model gives, since the weights of a stranger's may be anything.

    Raises:
        BadInput: some of it is infinite or no number.
    """
    if not all(np.isfinite(each).all() for each in values):
        raise BadInput(f"the model gives {what} that are infinite or no numbers; its weights or latents are too large")


def to_levels(mean: NDArray[np.float32]) -> NDArray[np.uint8]:
    """From the decoder's means, levels divided by 255, to the nearest 8-bit levels."""
    return np.rint(np.clip(mean, 0, 1) * 255).astype(np.uint8)


class Decoder(keras.Model):
    """A model's decoder alone, because what Keras compiles is a model: it takes half the time then."""

    def __init__(self, model: VAE):
        super().__init__()
        self.model = model
        self.built = True

    def call(self, z: KerasTensor) -> KerasTensor:
        """See `VAE.decode`."""
        return self.model.decode(z)


@lru_cache(maxsize=2)
def _compiled(model: VAE, size: int) -> keras.Model:
    """The decoder for batches of one size."""
    decoder = Decoder(model)
    decoder.compile(jit_compile=False)
    return decoder
