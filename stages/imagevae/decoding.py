"""From latents to 8-bit images."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

import keras
import numpy as np
from keras import KerasTensor
from numpy.typing import NDArray

from imagevae.vae import VAE

BATCH = 64  # always decoded together, because results may differ in the last bit between batches of unlike size


def to_levels(mean: NDArray[np.float32]) -> NDArray[np.uint8]:
    """From the decoder's means, levels divided by 255, to the nearest 8-bit levels."""
    return np.rint(np.clip(mean, 0, 1) * 255).astype(np.uint8)


def decode_in_batches(model: VAE, latents: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.uint8]]:
    """Decode z, (latent_dim,) each, into images, uint8 (size, size, 3) each, one after another."""
    decoder = _compiled(model)
    stream = iter(latents)
    while part := list(islice(stream, BATCH)):
        whole = np.zeros((BATCH, model.latent_dim), np.float32)
        whole[: len(part)] = part
        yield from to_levels(decoder.predict_on_batch(whole))[: len(part)]


class Decoder(keras.Model):
    """A model's decoder alone, because what Keras compiles is a model: it takes half the time then."""

    def __init__(self, model: VAE):
        super().__init__()
        self.model = model
        self.built = True

    def call(self, z: KerasTensor) -> KerasTensor:
        return self.model.decode(z)


@lru_cache(maxsize=1)
def _compiled(model: VAE) -> keras.Model:
    decoder = Decoder(model)
    decoder.compile(jit_compile=False)
    return decoder
