"""Encoders and decoders, in the kinds that a model can be made of.

Each builder takes (size, latent_dim, width, seed). An encoder goes from pixels (n, size, size, 3), levels divided by
255, to z_mean and z_log_sigma side by side, (n, 2 * latent_dim); a decoder from z (n, latent_dim) to where the
distribution of each pixel lies, (n, size, size, 3).
"""

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
from keras import KerasTensor, layers, ops

GRID = 16  # cells along a side of the grid that the latents of `spatial` lie on, at most; each has 4x4 pixels or more
LEAKY = "leaky_relu"  # a third of the time of SiLU on a CPU
EXACT = "float32"  # of what a network ends in, at any precision of the rest: 8 bits of a bfloat16 are too few for it


def spatial_encoder(size: int, latent_dim: int, width: int, seed: int) -> keras.Model:
    """Strided convolutions down to a grid of cells, each with its share of the latents."""
    check_latents(size, latent_dim)
    channels, side = grid_levels(size, width)
    seeds = itertools.count(seed, 2)
    pixels = keras.Input((size, size, 3))
    surplus = side * 2 ** len(channels) - size
    x = layers.ZeroPadding2D(((surplus // 2, surplus - surplus // 2),) * 2)(pixels) if surplus else pixels
    for wide in channels:
        x = layers.Activation(LEAKY)(convolution(wide, next(seeds), kernel=4, strides=2)(x))
    cells = convolution(2 * latent_dim // side**2, next(seeds), kernel=1, dtype=EXACT)(x)
    z_mean, z_log_sigma = (layers.Flatten(dtype=EXACT)(half) for half in ops.split(cells, 2, axis=-1))
    return keras.Model(pixels, ops.concatenate([z_mean, z_log_sigma], axis=-1), name="encoder")


def spatial_decoder(size: int, latent_dim: int, width: int, seed: int) -> keras.Model:
    """From the grid of cells up to pixels, with a residual block at each of the two lowest resolutions.

    Each level convolves and then doubles the resolution by repeating pixels, which costs a quarter of the other order;
    the last one doubles it by PixelShuffle. The pixels are a sum of what that gives and of sketches from the two lowest
    resolutions (Karras et al. 2020, section 4.1), which learn large areas soon and leave the details to the rest.
    """
    channels, side = grid_levels(size, width)
    seeds = itertools.count(seed + 1, 2)
    z = keras.Input((latent_dim,))
    x = convolution(channels[-1], next(seeds))(layers.Reshape((side, side, latent_dim // side**2))(z))
    sketches = []
    for depth, wide in enumerate([*reversed(channels[:-1]), channels[0]]):
        x = layers.Activation(LEAKY)(residual(x, seeds) if depth < 2 else x)
        if depth < 2:
            sketches.append(sketch(x, side * 2 ** len(channels), next(seeds)))
        x = convolution(wide, next(seeds))(x)
        x = layers.UpSampling2D(2)(x) if depth < len(channels) - 1 else layers.Activation(LEAKY)(x)
    return keras.Model(z, cut(layers.add([to_pixels(x, next(seeds)), *sketches], dtype=EXACT), size), name="decoder")


def grid_levels(size: int, width: int) -> tuple[list[int], int]:
    """Channels of each level from half resolution down, and cells along a side of the grid at the end of them."""
    levels = max(2, math.ceil(math.log2(size / GRID)))
    return [width * min(2**level, 8) for level in range(levels)], math.ceil(size / 2**levels)


def grid_side(network: str, size: int) -> int:
    """Cells along a side of the grid that the latents of a network lie on; 0 where they lie on none."""
    return grid_levels(size, 1)[1] if network == "spatial" else 0


def check_latents(size: int, latent_dim: int) -> None:
    """Raise ValueError where the latents can't lie on the grid of a spatial network."""
    side = grid_side("spatial", size)
    if latent_dim % side**2:
        more = -(-latent_dim // side**2) * side**2
        raise ValueError(
            f"the spatial network of {size}x{size} images has {side}x{side} cells; latent_dim must be a multiple of "
            f"{side**2}, {more} for example"
        )


def vector_encoder(size: int, latent_dim: int, width: int, seed: int) -> keras.Model:
    """Strided convolutions down to a side of four pixels or a little less, and all of that to each latent."""
    seeds = itertools.count(seed, 2)
    stack: list[layers.Layer] = [layers.Input((size, size, 3))]
    for channels in vector_levels(size, width):
        stack += [convolution(channels, next(seeds), kernel=4, strides=2), layers.Activation(LEAKY)]
    return keras.Sequential([*stack, layers.Flatten(), dense(2 * latent_dim, next(seeds), EXACT)], name="encoder")


def vector_decoder(size: int, latent_dim: int, width: int, seed: int) -> keras.Model:
    """All latents to each place of the lowest resolution, and from there up as in `spatial_decoder`."""
    seeds = itertools.count(seed + 1, 2)
    *channels, lowest = vector_levels(size, width)
    side = math.ceil(size / 2 ** (len(channels) + 1))
    z = keras.Input((latent_dim,))
    x = layers.Activation(LEAKY)(dense(side * side * lowest, next(seeds))(z))
    x = layers.Reshape((side, side, lowest))(x)
    for wide in reversed(channels):
        x = layers.UpSampling2D(2)(layers.Activation(LEAKY)(convolution(wide, next(seeds))(x)))
    x = layers.Activation(LEAKY)(convolution(channels[0] if channels else lowest, next(seeds))(x))
    return keras.Model(z, cut(to_pixels(x, next(seeds)), size), name="decoder")


def vector_levels(size: int, width: int) -> list[int]:
    """Channels of each level, from half resolution down to a side of four pixels or a little less."""
    levels = max(1, math.ceil(math.log2(size / 4)))
    return [width * min(2**level, 8) for level in range(levels)]


def mlp_encoder(size: int, latent_dim: int, width: int, seed: int) -> keras.Model:
    """Two layers between all pixels and all latents."""
    seeds = itertools.count(seed, 2)
    stack = [layers.Input((size, size, 3)), layers.Flatten()]
    stack += [dense(16 * width, next(seeds)), layers.Activation(LEAKY), dense(2 * latent_dim, next(seeds), EXACT)]
    return keras.Sequential(stack, name="encoder")


def mlp_decoder(size: int, latent_dim: int, width: int, seed: int) -> keras.Model:
    """Two layers between all latents and all pixels."""
    seeds = itertools.count(seed + 1, 2)
    stack = [layers.Input((latent_dim,)), dense(16 * width, next(seeds)), layers.Activation(LEAKY)]
    stack += [dense(3 * size**2, next(seeds), EXACT), layers.Reshape((size, size, 3), dtype=EXACT)]
    return keras.Sequential(stack, name="decoder")


Builder = Callable[[int, int, int, int], keras.Model]
NETWORKS: dict[str, tuple[Builder, Builder]] = {
    "spatial": (spatial_encoder, spatial_decoder),
    "vector": (vector_encoder, vector_decoder),
    "mlp": (mlp_encoder, mlp_decoder),
}


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Layers that are built here follow a policy of Keras's, `float32` or `mixed_bfloat16`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def convolution(
    channels: int, seed: int, kernel: int = 3, strides: int = 1, zero: bool = False, dtype: str | None = None
) -> layers.Layer:
    start = "zeros" if zero else keras.initializers.GlorotUniform(seed=seed)
    return layers.Conv2D(channels, kernel, strides=strides, padding="same", kernel_initializer=start, dtype=dtype)


def dense(units: int, seed: int, dtype: str | None = None) -> layers.Layer:
    return layers.Dense(units, kernel_initializer=keras.initializers.GlorotUniform(seed=seed), dtype=dtype)


def residual(x: KerasTensor, seeds: Iterator[int]) -> KerasTensor:
    """Two convolutions beside a way past them (He et al. 2016), which is all there is at the start of training."""
    inner = convolution(x.shape[-1], next(seeds))(layers.Activation(LEAKY)(x))
    return x + convolution(x.shape[-1], next(seeds), zero=True)(layers.Activation(LEAKY)(inner))


def to_pixels(x: KerasTensor, seed: int) -> KerasTensor:
    """From (n, h, w, channels) to (n, 2h, 2w, 3)."""
    return PixelShuffle(dtype=EXACT)(convolution(12, seed, dtype=EXACT)(x))


def sketch(x: KerasTensor, size: int, seed: int) -> KerasTensor:
    """From (n, side, side, channels) to a blurred (n, size, size, 3), which is black at the start of training."""
    colours = convolution(3, seed, kernel=1, zero=True, dtype=EXACT)(x)
    return layers.UpSampling2D(size // x.shape[1], interpolation="bilinear", dtype=EXACT)(colours)


def cut(pixels: KerasTensor, size: int) -> KerasTensor:
    """The middle (n, size, size, 3) of pixels of that size or a little more."""
    surplus = pixels.shape[1] - size
    sides = surplus // 2, surplus - surplus // 2
    return layers.Cropping2D((sides, sides), dtype=EXACT)(pixels) if surplus else pixels


@keras.saving.register_keras_serializable("imagevae")
class PixelShuffle(layers.Layer):
    """From (n, h, w, 12) to (n, 2h, 2w, 3): the four colours of a place become a square of four pixels."""

    def call(self, x: KerasTensor) -> KerasTensor:
        height, width = x.shape[1:3]
        x = ops.reshape(x, (-1, height, width, 2, 2, 3))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * width, 3))
