"""The variational autoencoder: an encoder, a decoder, and the bound on the likelihood that trains them."""

import itertools
import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops

from imagevae.likelihood import LEVELS, kl_per_unit, log_likelihood, mean_square_error


@keras.saving.register_keras_serializable("imagevae")
class VAE(keras.Model):
    """A convolutional VAE of square RGB images (Kingma & Welling 2014).

    The encoder gives z_mean and z_log_sigma; z = z_mean + exp(z_log_sigma) * noise; the decoder gives the mean of a
    Gaussian over pixels with one variance for all of them. That variance is the mean squared error, which is the most
    likely one for given means (Rybkin et al. 2021, section 4.2): that of the batch while training, a running average of
    it otherwise.

    Args:
        size: width and height of the images, in pixels.
        latent_dim: number of latent units.
        width: channels at half resolution; they double each time the resolution halves, up to eight times as many.
        kl_weight: weight of the KL term in the loss; 1 gives the negative ELBO, 0 leaves a noisy autoencoder.
        held_out: share of the images that training held out, kept with the model so that evaluation can do the same.
        seed: seed of the initial weights and of the noise.
        training: how the model is trained, by the names of these parameters; kept with the model to be told.
    """

    def __init__(
        self,
        size: int,
        latent_dim: int,
        width: int = 32,
        kl_weight: float = 1.0,
        held_out: float = 0.1,
        seed: int = 0,
        training: dict[str, Any] | None = None,
        name: str = "vae",
        **keywords: Any,
    ):
        super().__init__(name=name, **keywords)
        self.settings: dict[str, Any] = dict(
            size=size,
            latent_dim=latent_dim,
            width=width,
            kl_weight=kl_weight,
            held_out=held_out,
            seed=seed,
            training=training or {},
        )
        self.size, self.latent_dim, self.held_out = size, latent_dim, held_out
        self.noise = keras.random.SeedGenerator(seed)
        self.encoder = build_encoder(size, latent_dim, width, seed)
        self.decoder = build_decoder(size, latent_dim, width, seed)
        self.variance = self.add_weight(shape=(), initializer="ones", trainable=False, name="variance")
        self.kl_weight = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(kl_weight), trainable=False, name="kl_weight"
        )
        self.means = {name: keras.metrics.Mean(name=name) for name in ("loss", "reconstruction", "kl")}
        self.built = True

    def get_config(self) -> dict:
        return {**super().get_config(), **self.settings}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self.means.values())

    def encode(self, images: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        """From images (n, size, size, 3), levels 0 to 255, to z_mean and z_log_sigma, (n, latent_dim) each."""
        both = self.encoder(ops.cast(images, "float32") / LEVELS)
        return both[:, : self.latent_dim], both[:, self.latent_dim :]

    @staticmethod
    def draw(z_mean: KerasTensor, z_log_sigma: KerasTensor, noise: keras.random.SeedGenerator) -> KerasTensor:
        """Draw z once for each image, (n, latent_dim)."""
        return z_mean + ops.exp(z_log_sigma) * keras.random.normal(ops.shape(z_mean), seed=noise)

    def decode(self, z: KerasTensor) -> KerasTensor:
        """From z (n, latent_dim) to the mean of each pixel, (n, size, size, 3), levels divided by 255."""
        return self.decoder(z)

    def call(self, images: KerasTensor, training: bool = False) -> tuple[KerasTensor, ...]:
        """From images, as for `encode`, to the means of their pixels at one draw of z, z_mean and z_log_sigma."""
        z_mean, z_log_sigma = self.encode(images)
        return self.decode(self.draw(z_mean, z_log_sigma, self.noise)), z_mean, z_log_sigma

    def compute_loss(
        self,
        x: KerasTensor = None,
        y: None = None,
        y_pred: tuple[KerasTensor, ...] = (),
        sample_weight: None = None,
        training: bool = True,
    ) -> KerasTensor:
        """Reconstruction plus weighted KL, in nats an image."""
        mean, z_mean, z_log_sigma = y_pred
        pixels = ops.cast(x, "float32") / LEVELS
        variance = self.variance
        if training:
            # The scale is at its optimum for this batch, so no gradient flows through it (the envelope theorem).
            variance = ops.stop_gradient(ops.mean(mean_square_error(pixels, mean)))
            self.variance.assign(0.9 * self.variance + 0.1 * variance)
        reconstruction = -ops.mean(log_likelihood(pixels, mean, variance))
        kl = ops.mean(ops.sum(kl_per_unit(z_mean, z_log_sigma), axis=1))
        loss = reconstruction + self.kl_weight * kl
        for name, value in (("loss", loss), ("reconstruction", reconstruction), ("kl", kl)):
            self.means[name].update_state(value, sample_weight=ops.shape(pixels)[0])
        return loss


def build_encoder(size: int, latent_dim: int, width: int, seed: int) -> keras.Sequential:
    """From pixels (n, size, size, 3) to z_mean and z_log_sigma side by side, (n, 2 * latent_dim)."""
    seeds = itertools.count(seed, 2)
    stack = [layers.Input((size, size, 3))]
    for channels in level_channels(size, width):
        stack += [convolution(channels, next(seeds), kernel=4, strides=2), layers.Activation("silu")]
    stack += [layers.Flatten(), layers.Dense(2 * latent_dim, kernel_initializer=initializer(next(seeds)))]
    return keras.Sequential(stack, name="encoder")


def build_decoder(size: int, latent_dim: int, width: int, seed: int) -> keras.Sequential:
    """From z (n, latent_dim) to the mean of each pixel, (n, size, size, 3).

    Each level convolves and then doubles the resolution by repeating pixels, which costs a quarter of the other order;
    the last one doubles it by PixelShuffle.
    """
    seeds = itertools.count(seed + 1, 2)
    *channels, lowest = level_channels(size, width)
    side = math.ceil(size / 2 ** (len(channels) + 1))
    stack = [layers.Input((latent_dim,))]
    stack += [layers.Dense(side * side * lowest, kernel_initializer=initializer(next(seeds)))]
    stack += [layers.Reshape((side, side, lowest)), layers.Activation("silu")]
    for wider in reversed(channels):
        stack += [convolution(wider, next(seeds)), layers.Activation("silu"), layers.UpSampling2D(2)]
    stack += [convolution(channels[0] if channels else lowest, next(seeds)), layers.Activation("silu")]
    stack += [convolution(12, next(seeds)), PixelShuffle()]
    surplus = side * 2 ** (len(channels) + 1) - size
    if surplus:
        stack += [layers.Cropping2D(((surplus // 2, surplus - surplus // 2),) * 2)]
    return keras.Sequential(stack, name="decoder")


def convolution(channels: int, seed: int, kernel: int = 3, strides: int = 1) -> layers.Layer:
    return layers.Conv2D(channels, kernel, strides=strides, padding="same", kernel_initializer=initializer(seed))


def initializer(seed: int) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(seed=seed)


def level_channels(size: int, width: int) -> list[int]:
    """Channels of each level, from half resolution down to a side of four pixels or a little less."""
    levels = max(1, math.ceil(math.log2(size / 4)))
    return [width * min(2**level, 8) for level in range(levels)]


@keras.saving.register_keras_serializable("imagevae")
class PixelShuffle(layers.Layer):
    """From (n, h, w, 12) to (n, 2h, 2w, 3): the four colours of a place become a square of four pixels."""

    def call(self, x: KerasTensor) -> KerasTensor:
        height, width = x.shape[1:3]
        x = ops.reshape(x, (-1, height, width, 2, 2, 3))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * width, 3))
