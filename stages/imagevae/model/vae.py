"""The variational autoencoder: an encoder, a decoder, and the bound on the likelihood that trains them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from keras import KerasTensor, ops

from imagevae.cli.errors import BadInput
from imagevae.model.axes import Axes
from imagevae.model.flow import FlowPrior
from imagevae.model.likelihood import LEVELS, absolute_error, kl_per_unit, log_likelihood
from imagevae.model.networks import NETWORKS, computing_in, grid_side
from imagevae.model.priors import MixturePrior, NormalPrior, Prior
from imagevae.model.texture import texture_error

TERMS = ("loss", "reconstruction", "kl", "texture", "decoder_scale")  # of which means are taken


@keras.saving.register_keras_serializable("imagevae", "LaplaceVAE")  # models that others were saved as are refused
class VAE(keras.Model):
    """A VAE of square RGB images (Kingma & Welling 2014), with the distribution of its latents to sample from.

    The encoder gives z_mean and z_log_sigma; z = z_mean + exp(z_log_sigma) * noise; the decoder gives where the Laplace
    distribution of each pixel lies, with one scale for all of them. That scale is the mean absolute error, which is the
    most likely one (as the mean squared error is a Gaussian's: Rybkin et al. 2021, section 4.2): that of the batch
    while training, a running average of it otherwise.

    Args:
        size: width and height of the images, in pixels.
        network: kind of encoder and decoder, one of `NETWORKS`.
        latent_dim: number of latent units.
        width: channels at half resolution; they double each time the resolution halves, up to eight times as many.
        kl_weight: weight of the KL term in the loss; 1 gives the negative ELBO, 0 leaves a noisy autoencoder.
        texture_weight: weight of the error of local textures, see `texture_error`, in the loss: 1 takes that for so
            many nats a pixel and channel; 0 leaves it out.
        held_out: share of the images that training held out, kept with the model so that evaluation can do the same.
        precision: Keras's policy for what the encoder and the decoder compute, `float32` or `mixed_bfloat16`. Weights
            are float32, and so are latents, pixels and losses. It is not kept: a model that is loaded computes in
            float32.
        seed: seed of the initial weights and of the noise.
        labels: where the class of a training image was read from, one of `LABELS`.
        classes: names of these classes, in the order of their numbers; none where images had no labels.
        sampler: which of `priors` new images are best drawn from, once these have been fitted.
        densities: of those that have been fitted, the mean log-density of held-out latents, in nats.
        flow_width: units of each layer of the flow, see `FlowPrior`; few until one has been fitted.
        components, covariance: of the mixture, see `MixturePrior`.
        axis_count: number of `axes`; one that means nothing until they have been fitted.
        training: how the model is trained, by the names of these parameters; kept with the model for the record.

    Attributes:
        priors: distributions of z by name: `normal`, `mixture` and `flow`.
        axes: along which images vary most, see `Axes`.

    Raises:
        ValueError: latents that can't lie on the grid of a spatial network.
    """

    def __init__(
        self,
        *,
        size: int,
        network: str = "spatial",
        latent_dim: int = 1024,
        width: int = 48,
        kl_weight: float = 0.5,
        texture_weight: float = 1.0,
        held_out: float = 0.1,
        precision: str = "float32",
        seed: int = 0,
        labels: str = "none",
        classes: Sequence[str] = (),
        sampler: str = "normal",
        densities: dict[str, float] | None = None,
        flow_width: int = 8,
        components: int = 1,
        covariance: str = "diag",
        axis_count: int = 1,
        training: dict[str, Any] | None = None,
        name: str = "vae",
        **keywords: Any,
    ):
        super().__init__(name=name, **keywords)
        self.settings: dict[str, Any] = dict(
            size=size,
            network=network,
            latent_dim=latent_dim,
            width=width,
            kl_weight=kl_weight,
            texture_weight=texture_weight,
            held_out=held_out,
            seed=seed,
            labels=labels,
            classes=list(classes),
            sampler=sampler,
            densities=densities or {},
            flow_width=flow_width,
            components=components,
            covariance=covariance,
            axis_count=axis_count,
            training=training or {},
        )
        self.size, self.latent_dim, self.held_out, self.texture_weight = size, latent_dim, held_out, texture_weight
        self.noise = keras.random.SeedGenerator(seed)
        build_encoder, build_decoder = NETWORKS[network]
        with computing_in(precision):
            self.encoder = build_encoder(size, latent_dim, width, seed)
            self.decoder = build_decoder(size, latent_dim, width, seed)
        self.flow = FlowPrior(latent_dim, flow_width, grid_side(network, size), seed=seed, classes=classes)
        self.mixture = MixturePrior(latent_dim, components, covariance)
        self.axes = Axes(latent_dim, axis_count)
        self.flow.trainable = self.mixture.trainable = False  # they are fitted on their own, to the latents
        self.scale = self.add_weight(shape=(), initializer="ones", trainable=False, name="scale")
        self.kl_weight = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(kl_weight), trainable=False, name="kl_weight"
        )
        self.means = {name: keras.metrics.Mean(name=name) for name in TERMS}
        self.built = True

    def get_config(self) -> dict:
        return {**super().get_config(), **self.settings}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self.means.values())

    def take_weights(self, other: "VAE", file: Path) -> None:
        """Take the encoder, decoder and scale of another model of the same network.

        Raises:
            BadInput: the two differ in a setting that decides the shapes; it names `file`, where the other is from.
        """
        for name in ("size", "network", "latent_dim", "width"):
            if self.settings[name] != other.settings[name]:
                raise BadInput(
                    f"{file}: {name} is {other.settings[name]} there, but {self.settings[name]} here; they must agree"
                )
        for name in ("encoder", "decoder"):
            getattr(self, name).set_weights(getattr(other, name).get_weights())
        self.scale.assign(other.scale)

    def copy(self) -> "VAE":
        """A model of the same weights, which computes in float32."""
        other = VAE.from_config(self.get_config())
        other.set_weights(self.get_weights())
        return other

    @property
    def priors(self) -> dict[str, Prior]:
        return {"normal": NormalPrior(self.latent_dim), "mixture": self.mixture, "flow": self.flow}

    @property
    def classes(self) -> list[str]:
        """Names of the classes that images had in training; none where they had no labels."""
        return self.settings["classes"]

    @property
    def has_flow(self) -> bool:
        """Whether a flow has been fitted."""
        return "flow" in self.settings["densities"]

    def encode(self, images: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        """From images (n, size, size, 3), levels 0 to 255, to z_mean and z_log_sigma, (n, latent_dim) each."""
        both = self.encoder(ops.cast(images, "float32") / LEVELS)
        return both[:, : self.latent_dim], both[:, self.latent_dim :]

    @staticmethod
    def draw(z_mean: KerasTensor, z_log_sigma: KerasTensor, noise: keras.random.SeedGenerator) -> KerasTensor:
        """Draw z once for each image, (n, latent_dim)."""
        return z_mean + ops.exp(z_log_sigma) * keras.random.normal(ops.shape(z_mean), seed=noise)

    def decode(self, z: KerasTensor) -> KerasTensor:
        """From z (n, latent_dim) to the location of each pixel, (n, size, size, 3), levels divided by 255."""
        return self.decoder(z)

    def call(self, images: KerasTensor, training: bool = False) -> tuple[KerasTensor, ...]:
        """From images, as for `encode`, to the locations of their pixels at one draw of z, z_mean and z_log_sigma."""
        z_mean, z_log_sigma = self.encode(images)
        return self.decode(self.draw(z_mean, z_log_sigma, self.noise)), z_mean, z_log_sigma

    def compute_loss(
        self,
        x: KerasTensor = None,
        y: KerasTensor = None,
        y_pred: tuple[KerasTensor, ...] = (),
        sample_weight: None = None,
        training: bool = True,
    ) -> KerasTensor:
        """Reconstruction plus weighted KL and texture, in nats per image, over the images for which y, (n,), is 1 and
        not 0, or all."""
        location, z_mean, z_log_sigma = y_pred
        count = ops.shape(x)[0] if y is None else ops.sum(y)

        def average(values: KerasTensor) -> KerasTensor:
            return ops.mean(values) if y is None else ops.sum(y * values) / count

        pixels = ops.cast(x, "float32") / LEVELS
        scale = self.scale
        if training:
            # The scale is at its optimum for this batch, so no gradient flows through it (the envelope theorem).
            scale = ops.stop_gradient(average(absolute_error(pixels, location)))
            self.scale.assign(0.9 * self.scale + 0.1 * scale)
        reconstruction = -average(log_likelihood(pixels, location, scale))
        kl = average(ops.sum(kl_per_unit(z_mean, z_log_sigma), axis=1))
        texture = math.prod(x.shape[1:]) * average(texture_error(pixels, location, scale))
        loss = reconstruction + self.kl_weight * kl
        if self.texture_weight:  # or else there would be the work of a gradient of 0
            loss += self.texture_weight * texture
        values = (loss, reconstruction, kl, texture, LEVELS * self.scale)
        for mean_of, value in zip(self.means.values(), values, strict=True):
            mean_of.update_state(value, sample_weight=count)
        return loss
