"""A flow from noise to latents, which samples are drawn with and whose density is known."""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops
from numpy.typing import NDArray

from imagevae.model.classes import NO_CLASS
from imagevae.model.networks import computing_in
from imagevae.model.padding import batches_of
from imagevae.model.priors import STEPS, NormalPrior, chosen
from imagevae.model.velocity import build_velocity, heun_step

DENSITY_STEPS = 32  # from latents back to noise, with their density
CLUSTERS = 63  # that a flow distinguishes, at most; of more classes, one each
GUIDE = 64  # units of each layer of the network that a flow is guided away from
BATCH = 64  # points that are carried together
DENSITY_BATCH = 256  # latents whose density is computed together
PROBES = 2  # directions that the divergence is taken along


@keras.saving.register_keras_serializable("imagevae")
class FlowPrior(keras.Model):
    """A flow from the standard normal distribution to the latents of the training images.

    A network learns the velocity at which points move along straight lines from noise at time 0 to latents at time 1
    (flow matching: Lipman et al. 2023; Liu et al. 2023). Following it makes latents from noise, and its divergence
    along the way gives their density (Chen et al. 2018, theorem 1).

    The network is conditioned on the cluster that the latents belong to, the one with the nearest centre, which makes
    it better (Hu et al. 2023, https://arxiv.org/abs/2210.06462). Samples come from each as often as the training
    images do. Where images have classes, each cluster lies in one of them: what is drawn from the clusters of a class
    is of that class. In training, the cluster of an image is the nearest one of its class.

    In training it may see mirrored images, too, and is told so in a place behind those of the clusters (Karras et al.
    2022, https://arxiv.org/abs/2206.00364, section 5): more to learn from, against learning images by heart. What is
    drawn is as images are.

    A narrow network learns the velocity beside it, without the clusters, and worse. Samples keep away from its faults:
    their velocity goes beyond the flow's own, by a weight times the difference between the two (Karras et al. 2024,
    https://arxiv.org/abs/2406.02507, equation 3, whose weight is 1 more). That weight is one of the model, `strength`,
    times the `guidance` asked for.

    Args:
        latent_dim: number of latent units.
        width: units of each layer.
        side: cells along a side of the grid that the latents lie on; 0 where they lie on none.
        blocks: residual blocks.
        dropout: share of the units that are left out while training, against learning the latents by heart.
        seed: seed of the initial weights and of the noise.
        classes: names of the classes, if there are any.
        precision: Keras's policy for what the networks compute, `float32` or `mixed_bfloat16`. Weights are float32, and
            so are points and velocities. It is not kept: a flow that is loaded or copied computes in float32.

    Attributes:
        places: for clusters, and a last one that says that an image is mirrored.
    """

    def __init__(
        self,
        latent_dim: int,
        width: int,
        side: int = 0,
        blocks: int = 3,
        dropout: float = 0.1,
        seed: int = 0,
        classes: Sequence[str] = (),
        precision: str = "float32",
        name: str = "flow_prior",
        **keywords: Any,
    ):
        super().__init__(name=name, **keywords)
        self.settings: dict[str, Any] = dict(
            latent_dim=latent_dim,
            width=width,
            side=side,
            blocks=blocks,
            dropout=dropout,
            seed=seed,
            classes=list(classes),
        )
        self.latent_dim, self.classes = latent_dim, tuple(classes)
        self.places = max(CLUSTERS, len(classes) + 1) + 1  # of classes, one is for images of none
        self.noise = keras.random.SeedGenerator(seed)
        with computing_in(precision):
            self.network = build_velocity(latent_dim, self.places, width, side, blocks, dropout, seed)
            self.guide = build_velocity(latent_dim, 0, GUIDE, 0, blocks, 0.0, seed + 1000, "guide")
        self.shift = self.add_weight(shape=(latent_dim,), initializer="zeros", trainable=False, name="shift")
        self.scale = self.add_weight(shape=(latent_dim,), initializer="ones", trainable=False, name="scale")
        self.strength = self.add_weight(shape=(), initializer="ones", trainable=False, name="strength")
        self.centres = self.add_weight(shape=(self.places, latent_dim), trainable=False, name="centres")
        self.shares = self.add_weight(shape=(self.places,), trainable=False, name="shares")
        if classes:
            self.owners = self.add_weight(shape=(self.places,), trainable=False, name="owners")
        self.group(np.zeros((1, latent_dim)), np.ones(1))
        self.mean_loss = keras.metrics.Mean(name="loss")
        self.built = True

    def get_config(self) -> dict:
        return {**super().get_config(), **self.settings}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.mean_loss]

    def standardise(self, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> None:
        """Set the mean and scale of the latents, (latent_dim,) each, that the network sees as 0 and 1."""
        self.shift.assign(mean)
        self.scale.assign(scale)

    def group(self, centres: NDArray, shares: NDArray, owners: NDArray | None = None) -> None:
        """Set the centres of the clusters of standardised latents, (k, latent_dim), the share of each, (k,), and the
        number of its class, (k,), -1 where it has none."""
        unused = self.places - len(shares)
        self.centres.assign(np.pad(np.asarray(centres, np.float32), ((0, unused), (0, 0))))
        self.shares.assign(np.pad(shares, (0, unused)))
        if self.classes:
            known = np.full(len(shares), NO_CLASS) if owners is None else owners
            self.owners.assign(np.pad(known, (0, unused), constant_values=NO_CLASS))

    def cluster(self, latents: KerasTensor, owners: KerasTensor | None = None) -> KerasTensor:
        """The cluster of standardised latents (n, latent_dim), one-hot, (n, places): the likeliest in a mixture of
        normal distributions around the centres, so that a cluster without a share is none.

        Args:
            owners: (n,), numbers of the classes to choose it from; without, it is one of all.
        """
        closeness = ops.matmul(latents, ops.transpose(self.centres)) - ops.sum(ops.square(self.centres), axis=1) / 2
        closeness = closeness + ops.log(self.shares)
        if owners is not None:
            closeness = ops.where(ops.equal(self.owners, owners[:, None]), closeness, -math.inf)
        return ops.one_hot(ops.argmax(closeness, axis=1), self.places)

    def call(self, inputs: tuple[KerasTensor, ...], training: bool = False) -> tuple[KerasTensor, ...]:
        """From z_mean and z_log_sigma, (n, 2, latent_dim), the number of each one's class, (n,), which counts where
        there are classes, and whether each is mirrored, (n,), 1 or 0, to the velocity at a random point, that of the
        guide there, and the target velocity."""
        posterior, owners, mirrored = inputs
        z_mean, z_log_sigma = posterior[:, 0], posterior[:, 1]
        z = z_mean + ops.exp(z_log_sigma) * keras.random.normal(ops.shape(z_mean), seed=self.noise)
        latents = (z - self.shift) / self.scale
        start = keras.random.normal(ops.shape(z_mean), seed=self.noise)
        # Times crowd around the middle, where the velocity is hardest to predict (Esser et al. 2024, section 3.1).
        time = ops.sigmoid(keras.random.normal((ops.shape(z_mean)[0], 1), seed=self.noise))
        place = [(1 - time) * start + time * latents, time]
        told = self.cluster(latents, owners if self.classes else None)
        told = told + mirrored[:, None] * ops.one_hot(self.places - 1, self.places)
        velocity = self.network([*place, told], training=training)
        return velocity, self.guide(place, training=training), latents - start

    def compute_loss(
        self,
        x: KerasTensor = None,
        y: None = None,
        y_pred: tuple[KerasTensor, ...] = (),
        sample_weight: None = None,
        training: bool = True,
    ) -> KerasTensor:
        """Mean squared errors of both networks' velocity, in a sum; the one that is reported is the flow's own."""
        velocity, guide, target = y_pred
        loss = ops.mean(ops.square(velocity - target))
        self.mean_loss.update_state(loss, sample_weight=ops.shape(target)[0])
        return loss + ops.mean(ops.square(guide - target))

    def sample(
        self,
        noise: NDArray[np.float32],
        choice: NDArray[np.float32],
        guidance: float = 1.0,
        steps: int = STEPS,
        label: str | None = None,
    ) -> NDArray[np.float32]:
        """See `Prior`."""
        shares = ops.convert_to_numpy(self.shares)
        if label is not None:
            shares = shares * (ops.convert_to_numpy(self.owners) == self.classes.index(label))
        clusters = np.eye(self.places, dtype=np.float32)[chosen(shares, choice)]
        return self.to_latents(self.carry(noise, clusters, 0, 1, guidance, steps))

    def carry(
        self,
        points: NDArray[np.float32],
        clusters: NDArray[np.float32],
        start: float,
        end: float,
        guidance: float | NDArray[np.float32] = 1.0,
        steps: int = STEPS,
        batch: int = BATCH,
    ) -> NDArray[np.float32]:
        """Carry points along the flow from one time to another, forward or backward, by Heun's method.

        Args:
            points: (n, latent_dim), at the time `start`: noise at 0, standardised latents at 1.
            clusters: (n, places), one-hot, or weights of several whose sum is 1.
            start, end: times, 0 to 1.
            guidance: see above, of all points or of each, (n,); without, the way leads back where it came from.
            batch: points that are carried together; a few of them take less time in a small one.
        """
        weights = np.broadcast_to(np.float32(guidance) * np.float32(self.strength), len(points))
        step = heun_step(self.network, self.guide if weights.any() else None, batch)
        found = []
        inputs = (np.asarray(rows, np.float32) for rows in (points, clusters, weights))
        for batches in zip(*(batches_of(rows, batch) for rows in inputs), strict=True):
            (at, count), (cluster, _), (weight, _) = batches
            for times in _intervals(start, end, steps):
                before, after = (np.full((batch, 1), time, np.float32) for time in times)
                at = step.predict_on_batch((at, cluster, weight[:, None], before, after))
            found.append(at[:count])
        return np.concatenate(found)

    def surprise(self, z: NDArray[np.float32], time: float, draws: int) -> NDArray[np.float32]:
        """Squared error of the velocity at z with noise added, latent by latent, (n, latent_dim) both: how badly the
        flow removes noise from it, and so how little it expects it.

        Args:
            time: of the way from noise at 0 to latents at 1.
            draws: noises, the same for each z, that the error is averaged over.
        """
        noise = np.random.default_rng(0).standard_normal((draws, self.latent_dim), np.float32)
        points = np.repeat(self.to_points(z), draws, axis=0)
        start = np.tile(noise, (len(z), 1))
        clusters = ops.convert_to_numpy(self.cluster(points))
        velocity = _predict(self.network, (1 - time) * start + time * points, time, clusters, size=BATCH)
        return np.square(velocity - (points - start)).reshape(len(z), draws, -1).mean(axis=1)

    def to_points(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """From z to standardised latents, (n, latent_dim) each."""
        return (z - ops.convert_to_numpy(self.shift)) / ops.convert_to_numpy(self.scale)

    def to_latents(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """From standardised latents to z, (n, latent_dim) each."""
        return points * ops.convert_to_numpy(self.scale) + ops.convert_to_numpy(self.shift)

    def log_prob(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Prior`; a lower bound, of the distribution without guidance: z may come from the cluster that it is
        nearest to, and what it owes to others is left out.

        The divergence of the velocity is exact for one or two latents; for more of them it is estimated without bias
        from random directions (Hutchinson 1990; Grathwohl et al. 2019, section 3.1). Derivatives are central
        differences.
        """
        points: NDArray = self.to_points(z)
        cluster = ops.convert_to_numpy(self.cluster(points.astype(np.float32)))
        share = np.log(cluster @ ops.convert_to_numpy(self.shares))
        if self.latent_dim <= PROBES:
            directions = math.sqrt(self.latent_dim) * np.eye(self.latent_dim, dtype=np.float32)[:, None]
        else:
            directions = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (PROBES, *z.shape))

        def velocity(points: NDArray, time: float) -> NDArray:
            return _predict(self.network, points, time, cluster)

        change = np.zeros(len(z))
        for before, after in _intervals(1, 0, DENSITY_STEPS):
            width = before - after
            first = velocity(points, before)
            middle, time = points - width / 2 * first, (before + after) / 2
            change += width * _divergence(partial(velocity, time=time), middle, directions)
            points = points - width * velocity(middle, time)
        volume = np.log(ops.convert_to_numpy(self.scale)).sum()
        return share + NormalPrior(self.latent_dim).log_prob(points) - change - volume


def _divergence(
    velocity: Callable[[NDArray], NDArray], points: NDArray, directions: NDArray, step: float = 0.02
) -> NDArray:
    estimates = [
        (way * (velocity(points + step * way) - velocity(points - step * way))).sum(axis=1) for way in directions
    ]
    return np.mean(estimates, axis=0) / (2 * step)


def _predict(
    network: keras.Model, points: NDArray, time: float, *cluster: NDArray[np.float32], size: int = DENSITY_BATCH
) -> NDArray:
    inputs = (points.astype(np.float32), np.full((len(points), 1), time, np.float32), *cluster)
    parts = zip(*(batches_of(rows, size) for rows in inputs), strict=True)
    found = [network.predict_on_batch([batch for batch, _ in part])[: part[0][1]] for part in parts]
    return np.concatenate(found)


def _intervals(start: float, end: float, steps: int) -> list[tuple[float, float]]:
    times = np.linspace(start, end, steps + 1)
    return list(itertools.pairwise(times))
