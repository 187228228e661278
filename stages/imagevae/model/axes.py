"""The axes along which images vary most, and the few numbers that an image is on them: its code."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

AXES = 64  # at most


@keras.saving.register_keras_serializable("imagevae")
class Axes(keras.layers.Layer):
    """Principal axes of the latents of the training images, as a flow sees these: less a mean, divided by a scale.

    A code holds the coordinates of an image on the axes, (count,).

    Args:
        latent_dim: number of latent units.
        count: number of axes.

    Attributes:
        shift, scale: (latent_dim,), subtracted from z, and what the rest is divided by.
        directions: (count, latent_dim), orthonormal, the axis that explains most first.
        deviations: (count,), standard deviation of the codes of training images.
        shares: (count,), of the variance of the latents of training images that each axis explains.
    """

    def __init__(self, latent_dim: int, count: int, name: str = "axes", **keywords: Any):
        super().__init__(name=name, **keywords)
        self.settings = dict(latent_dim=latent_dim, count=count)
        self.count = count
        self.shift = self._weight("shift", "zeros", latent_dim)
        self.scale = self._weight("scale", "ones", latent_dim)
        self.directions = self._weight("directions", "identity", count, latent_dim)
        self.deviations = self._weight("deviations", "ones", count)
        self.shares = self._weight("shares", "zeros", count)
        self.built = True

    def _weight(self, name: str, start: str, *shape: int) -> keras.Variable:
        return self.add_weight(shape=shape, initializer=start, trainable=False, name=name)

    def get_config(self) -> dict:
        return {**super().get_config(), **self.settings}

    def to_points(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """From z to latents as a flow sees them, (n, latent_dim) each."""
        return (z - ops.convert_to_numpy(self.shift)) / ops.convert_to_numpy(self.scale)

    def to_latents(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """From latents as a flow sees them to z, (n, latent_dim) each."""
        return points * ops.convert_to_numpy(self.scale) + ops.convert_to_numpy(self.shift)

    def encode(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """From z (n, latent_dim) to codes (n, count)."""
        return (self.to_points(z) @ ops.convert_to_numpy(self.directions).T).astype(np.float32)

    def decode(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """From codes (n, count) to the z (n, latent_dim) that have them and lie nearest to the mean."""
        return self.to_latents(codes @ ops.convert_to_numpy(self.directions)).astype(np.float32)
