"""The network of a flow: at which velocity points move from noise to latents."""

import math
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from imagevae.model.networks import EXACT, LEAKY

LOCAL = 32  # channels of the convolutions on the grid of latents, at most
FREQUENCIES = np.geomspace(1, 100, 32, dtype=np.float32)


def build_velocity(
    latent_dim: int,
    clusters: int,
    width: int,
    side: int,
    blocks: int,
    dropout: float,
    seed: int,
    name: str = "velocity",
) -> keras.Model:
    """A network of the flow: from points (n, latent_dim), times (n, 1) and, where there are any, one-hot clusters
    (n, clusters) to velocities (n, latent_dim).

    To what the layers find, each latent adds itself, times a factor that depends on the time: the better part of the
    velocity where latents are many and nearly independent, and more numbers than the layers are wide.

    Where latents lie on a grid, convolutions correct that by what lies around each cell. They treat all cells alike, so
    they learn from fewer images what neighbours have in common.
    """
    seeds = iter(range(seed, seed + 1000))

    def start(zero: bool) -> str | keras.initializers.Initializer:
        return "zeros" if zero else keras.initializers.GlorotUniform(seed=next(seeds))

    def dense(units: int, zero: bool = False, **options: Any) -> layers.Dense:
        return layers.Dense(units, kernel_initializer=start(zero), **options)

    def convolution(channels: int, zero: bool = False, **options: Any) -> layers.Conv2D:
        return layers.Conv2D(channels, 3, padding="same", kernel_initializer=start(zero), **options)

    def conditioned(x: KerasTensor) -> KerasTensor:
        """Scaled and shifted by time and cluster, as in diffusion transformers (Peebles & Xie 2023, section 3.2)."""
        both = layers.Reshape((*[1] * (len(x.shape) - 2), 2 * x.shape[-1]))(dense(2 * x.shape[-1])(clock))
        scale, shift = ops.split(both, 2, axis=-1)
        return layers.LayerNormalization(center=False, scale=False)(x) * (1 + scale) + shift

    points, time = keras.Input((latent_dim,)), keras.Input((1,))
    cluster = [keras.Input((clusters,))] if clusters else []
    known = [ops.cos(time * FREQUENCIES), ops.sin(time * FREQUENCIES)]
    known += [one * math.sqrt(len(FREQUENCIES)) for one in cluster]  # as long a vector as that of the time
    clock = dense(256, activation="silu")(ops.concatenate(known, axis=-1))
    state = dense(width)(points)
    for _ in range(blocks):
        hidden = dense(2 * width, activation="silu")(conditioned(state))
        state = state + dense(width, zero=True)(layers.Dropout(dropout, seed=next(seeds))(hidden))
    velocity = dense(latent_dim, zero=True, dtype=EXACT)(layers.LayerNormalization()(state))
    velocity = velocity + points * dense(latent_dim, zero=True, dtype=EXACT)(clock)
    if side:
        cells = layers.Reshape((side, side, latent_dim // side**2))
        local = min(width, LOCAL)
        grid = convolution(local)(ops.concatenate([cells(points), cells(velocity)], axis=-1))
        for _ in range(2):
            grid = grid + convolution(local, activation=LEAKY)(conditioned(grid))
        velocity = velocity + layers.Flatten(dtype=EXACT)(
            convolution(latent_dim // side**2, zero=True, dtype=EXACT)(grid)
        )
    return keras.Model([points, time, *cluster], velocity, name=name)


class HeunStep(keras.Model):
    """A step along a flow by Heun's method, compiled as one, which takes half the time of its four velocities.

    Called on points (n, latent_dim), one-hot clusters (n, clusters), weights of the guidance and the times before and
    after, (n, 1) each; gives the points after it.

    Args:
        network: the velocity.
        guide: a network that knows no clusters, see `FlowPrior`; without one, weights mean nothing.
    """

    def __init__(self, network: keras.Model, guide: keras.Model | None):
        super().__init__()
        self.network, self.guide = network, guide
        self.built = True

    def call(self, inputs: tuple[KerasTensor, ...]) -> KerasTensor:
        points, clusters, weight, before, after = inputs

        def velocity(points: KerasTensor, time: KerasTensor) -> KerasTensor:
            own = self.network([points, time, clusters])
            return own + weight * (own - self.guide([points, time])) if self.guide else own

        first = velocity(points, before)
        second = velocity(points + (after - before) * first, after)
        return points + (after - before) / 2 * (first + second)


@lru_cache(maxsize=4)
def heun_step(network: keras.Model, guide: keras.Model | None, batch: int) -> HeunStep:
    """The step of these networks for batches of one size, the same one whenever it is asked for: what it is compiled to
    lies with it, and is another thing for each size."""
    return HeunStep(network, guide)
