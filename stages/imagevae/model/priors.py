"""Distributions of the latents, to draw new images from and to measure the likelihood with."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

STEPS = 16  # from noise to latents, by Heun's method: with twice as many, samples are as good
LOG_TWO_PI = math.log(2 * math.pi)


class Prior(Protocol):
    """A distribution of z, (n, latent_dim).

    Attributes:
        classes: names of the classes of images that it tells apart; none but a flow's.
    """

    latent_dim: int
    classes: Sequence[str]

    def sample(
        self,
        noise: NDArray[np.float32],
        choice: NDArray[np.float32],
        guidance: float = 1.0,
        steps: int = STEPS,
        label: str | None = None,
    ) -> NDArray[np.float32]:
        """From standard normal noise (n, latent_dim), and uniform numbers (n,) where a choice is to be made, to z.

        Args:
            guidance: of a flow, see `FlowPrior`; means nothing to the others.
            steps: of a flow, from noise to latents; means nothing to the others.
            label: one of `classes`, of which all z are to be; without, they are of any.
        """

    def log_prob(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-density of each z, in nats, (n,)."""


class NormalPrior:
    """The standard normal distribution, which the KL term of the loss pulls the latents to."""

    classes: Sequence[str] = ()

    def __init__(self, latent_dim: int):
        self.latent_dim = latent_dim

    def sample(
        self,
        noise: NDArray[np.float32],
        choice: NDArray[np.float32],
        guidance: float = 1.0,
        steps: int = STEPS,
        label: str | None = None,
    ) -> NDArray[np.float32]:
        """See `Prior`."""
        return noise

    def log_prob(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Prior`."""
        return -0.5 * (np.square(z, dtype=np.float64) + LOG_TWO_PI).sum(axis=1)


@keras.saving.register_keras_serializable("imagevae")
class MixturePrior(keras.layers.Layer):
    """A mixture of Gaussians, fitted to the latents after the training of the VAE (Ghosh et al. 2020, section 4).

    Args:
        latent_dim: number of latent units.
        components: number of Gaussians.
        covariance: `diag` or `full`.
    """

    classes: Sequence[str] = ()

    def __init__(self, latent_dim: int, components: int, covariance: str, name: str = "mixture", **keywords: Any):
        super().__init__(name=name, **keywords)
        self.settings = dict(latent_dim=latent_dim, components=components, covariance=covariance)
        self.latent_dim = latent_dim
        factor = (latent_dim, latent_dim) if covariance == "full" else (latent_dim,)
        self.shares = self._weight("shares", (components,))
        self.means = self._weight("means", (components, latent_dim))
        self.factors = self._weight("factors", (components, *factor))
        self.built = True

    def _weight(self, name: str, shape: tuple[int, ...]) -> keras.Variable:
        return self.add_weight(shape=shape, initializer="ones", trainable=False, name=name)

    def get_config(self) -> dict:
        return {**super().get_config(), **self.settings}

    def set(self, shares: NDArray, means: NDArray, factors: NDArray) -> None:
        """Set the share of each component (k,), its mean (k, d), and the Cholesky factor of its covariance (k, d, d),
        or standard deviations (k, d)."""
        for weight, value in ((self.shares, shares), (self.means, means), (self.factors, factors)):
            weight.assign(value)

    def _parameters(self) -> tuple[NDArray, NDArray, NDArray]:
        return tuple(
            ops.convert_to_numpy(weight).astype(np.float64) for weight in (self.shares, self.means, self.factors)
        )

    def sample(
        self,
        noise: NDArray[np.float32],
        choice: NDArray[np.float32],
        guidance: float = 1.0,
        steps: int = STEPS,
        label: str | None = None,
    ) -> NDArray[np.float32]:
        """See `Prior`."""
        shares, means, factors = self._parameters()
        which = chosen(shares, choice)
        spread = factors[which] * noise if factors.ndim == 2 else np.einsum("nij,nj->ni", factors[which], noise)
        return (means[which] + spread).astype(np.float32)

    def log_prob(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Prior`."""
        each = [
            math.log(share) + _normal_log_prob(z - mean, factor)
            for share, mean, factor in zip(*self._parameters(), strict=True)
            if share > 0
        ]
        return np.logaddexp.reduce(each, axis=0)


def chosen(shares: NDArray, choice: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices (n,), each as often as its share (k,), from uniform numbers (n,)."""
    ends = np.cumsum(shares, dtype=np.float64)
    return np.searchsorted(ends, choice * ends[-1], side="right")


def _normal_log_prob(deviation: NDArray, factor: NDArray) -> NDArray[np.float64]:
    scales = factor if factor.ndim == 1 else np.diag(factor)
    whitened = deviation / factor if factor.ndim == 1 else np.linalg.solve(factor, deviation.T).T
    return NormalPrior(len(scales)).log_prob(whitened) - np.log(scales).sum()
