"""Fitting the distributions of the latents to a trained autoencoder, and choosing the one to sample from."""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from imagevae.batches import Batches, Draws
from imagevae.checkpoint import Checkpoint
from imagevae.clusters import k_means
from imagevae.dataset import Images
from imagevae.decoding import decode_in_batches
from imagevae.encoding import Posterior, encode_in_batches
from imagevae.latents import active as active_units
from imagevae.memorisation import cells, copying, nearest, thumbnails
from imagevae.prior import CLUSTERS, FlowPrior, MixturePrior, Prior
from imagevae.sampling import draw_latents
from imagevae.training import Best, Progress, fit, warmed_up
from imagevae.vae import VAE

FLOW_BATCH = 256
STEPS_AN_EPOCH = 100
LEARNING_RATE = 0.005
COMPONENTS = (1, 4, 16)
CLUSTER_IMAGES, CLUSTER_LATENTS = 50, 16  # for each cluster, at least: where either are few, none are needed
ENOUGH = 20_000  # latents; more would cost more than they tell
JUDGES = 500  # held-out latents that the distributions are compared on
# Width of a flow, and clusters at most. The first draws better, but copies images that are few or made of few parts.
FLOWS = ((768, CLUSTERS), (384, 1))
DRAWN, COPIES = 512, -3  # samples to look for copies among; C_T below which they are taken to be some


@dataclass(frozen=True)
class Encoded:
    """Images, and their z_mean and z_log_sigma, (n, 2, latent_dim)."""

    images: Images
    latents: NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """Distributions of the latents, and what speaks for each: the mean log-density of held-out latents, in nats."""

    flow: FlowPrior | None
    mixture: MixturePrior
    scores: dict[str, float]

    @property
    def best(self) -> str:
        """Name of the distribution under which held-out latents, and with them images, are most likely."""
        return max(self.scores, key=lambda name: self.scores[name])


def encode_all(model: VAE, images: Images, file: Path) -> Encoded:
    """Encode images; what they become lies in a file that is mapped into memory."""
    file.parent.mkdir(parents=True, exist_ok=True)
    latents = open_memmap(file, "w+", np.float32, (len(images), 2, model.latent_dim))
    for row, both in zip(latents, encode_in_batches(model, images), strict=True):
        row[:] = both
    return Encoded(images, latents)


def posterior(latents: NDArray[np.float32]) -> Posterior:
    """The two parts of latents as `encode_all` gives them."""
    return Posterior(latents[:, 0], latents[:, 1])


def fit_priors(
    model: VAE, training: Encoded, held_out: Encoded, checkpoint: Callable[[str], Checkpoint], steps: int, seed: int
) -> Fitted:
    """Fit a mixture and a flow to training latents, and compare them on held-out ones.

    Args:
        checkpoint: makes that of a training of the name given.
        steps: of a flow's training; 0 leaves it out.
    """
    judges = posterior(held_out.latents[:JUDGES]).draw(seed + 1)
    mixture = fit_mixture(posterior(training.latents[:ENOUGH]).draw(seed), judges, seed)
    scores = {"normal": model.priors["normal"].log_prob(judges).mean(), "mixture": mixture.log_prob(judges).mean()}
    flow = None
    if steps:
        flow = fit_best_flow(model, training, held_out, checkpoint, steps, seed)
        scores["flow"] = flow.log_prob(judges).mean()
    return Fitted(flow, mixture, {name: float(score) for name, score in scores.items()})


def fit_best_flow(
    model: VAE, training: Encoded, held_out: Encoded, checkpoint: Callable[[str], Checkpoint], steps: int, seed: int
) -> FlowPrior:
    """The first of `FLOWS` whose samples are no copies of training images, or the last of them; see `fit_priors`."""
    for width, most_clusters in FLOWS:
        flow = FlowPrior(model.latent_dim, width, seed=seed)
        fit_flow(flow, training.latents, held_out.latents, checkpoint(f"flow-{width}"), steps, seed, most_clusters)
        found = c_t(model, flow, training.images, held_out.latents[:JUDGES, 0], seed)
        if found > COPIES:
            break
        then = (
            "it is kept; more images would help" if (width, most_clusters) == FLOWS[-1] else "a narrower one is fitted"
        )
        print(
            f"warning: a flow {width} wide draws copies of training images (C_T {found:.1f}); {then}", file=sys.stderr
        )
    return flow


def c_t(model: VAE, prior: Prior, training: Images, held_out: NDArray[np.float32], seed: int) -> float:
    """The test for copies among what a distribution draws, see `copying`, against reconstructions of held-out images,
    which have gone through the same decoder: its blur brings images nearer to each other.

    Args:
        held_out: their z_mean, (n, latent_dim).
    """
    drawn, rebuilt = (
        thumbnails(np.stack(list(decode_in_batches(model, latents))))
        for latents in (draw_latents(prior, DRAWN, seed, temperature=1.0), held_out)
    )
    known = training.some(ENOUGH, seed)
    where = cells(thumbnails(known.some(JUDGES, seed)[:]), rebuilt, drawn, seed)
    return copying(nearest(drawn, known)[0], nearest(rebuilt, known)[0], where).value


def fit_mixture(training: NDArray[np.float32], judges: NDArray[np.float32], seed: int) -> MixturePrior:
    """The Gaussian mixture, of some sizes and kinds of covariance, under which the judges are most likely.

    Args:
        training, judges: z, (n, latent_dim).
    """
    fits = []
    for covariance in ("diag", "full"):
        for components in COMPONENTS:
            parameters = training.shape[1] if covariance == "full" else 1  # that each latent has in a component
            if len(training) < 2 * components * parameters:
                continue
            mixture = GaussianMixture(components, covariance_type=covariance, reg_covar=1e-4, random_state=seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # held-out latents judge the fit all the same
                mixture.fit(training)
            fits.append((mixture.score(judges), mixture))
    best = max(fits, key=lambda fit: fit[0])[1]
    full = best.covariance_type == "full"
    prior = MixturePrior(training.shape[1], best.n_components, best.covariance_type)
    prior.set(best.weights_, best.means_, (np.linalg.cholesky if full else np.sqrt)(best.covariances_))
    return prior


def fit_flow(
    flow: FlowPrior,
    training: NDArray[np.float32],
    held_out: NDArray[np.float32],
    checkpoint: Checkpoint,
    steps: int,
    seed: int,
    most_clusters: int = CLUSTERS,
) -> FlowPrior:
    """Train a flow in place, with Adam at the learning rate of `warmed_up`, on clusters that k-means finds.

    The weights that are kept are those with the lowest loss on held-out latents.

    Args:
        training, held_out: z_mean and z_log_sigma, (n, 2, latent_dim).
    """
    mean, deviation = moments(training)
    flow.standardise(mean, deviation)
    flow.group(*clusters((training[:ENOUGH, 0] - mean) / deviation, most_clusters, seed))
    flow.trainable = True
    epochs = -(-steps // STEPS_AN_EPOCH)
    judges = np.repeat(held_out[:JUDGES], max(1, 2 * JUDGES // len(held_out)), axis=0)
    fit(
        flow,
        keras.optimizers.Adam(warmed_up(LEARNING_RATE, epochs * STEPS_AN_EPOCH), beta_2=0.99),
        Draws(training, FLOW_BATCH, STEPS_AN_EPOCH, seed),
        Batches(judges, FLOW_BATCH),
        epochs,
        Best(lambda logs: logs["val_loss"], checkpoint),
        [Progress("flow", epochs, STEPS_AN_EPOCH * FLOW_BATCH, FLOW_BATCH)],
    )
    flow.trainable = False
    return flow


def clusters(z_mean: NDArray[np.float32], most: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Centres (k, latent_dim) of clusters of standardised latents (n, latent_dim), and the share of each, (k,)."""
    images, latents = z_mean.shape
    count = max(1, min(most, images // CLUSTER_IMAGES, latents // CLUSTER_LATENTS))
    found = k_means(z_mean, count, seed)
    return found.cluster_centers_, np.bincount(found.labels_, minlength=count) / len(z_mean)


def moments(latents: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of z over all images, (latent_dim,) each, in one pass of blocks."""
    total = squares = noise = np.zeros(latents.shape[2])
    for start in range(0, len(latents), 4096):
        z_mean, z_log_sigma = np.moveaxis(latents[start : start + 4096].astype(np.float64), 1, 0)
        total, squares = total + z_mean.sum(axis=0), squares + np.square(z_mean).sum(axis=0)
        noise = noise + np.exp(2 * z_log_sigma).sum(axis=0)
    mean = total / len(latents)
    deviation = np.sqrt(np.maximum(squares / len(latents) - mean**2, 0) + noise / len(latents))
    return mean.astype(np.float32), deviation.astype(np.float32)


def report(fitted: Fitted, training: Encoded) -> None:
    """Say on stderr which distribution is the best, and warn of latents that tell next to nothing of the images."""
    scores = ", ".join(f"{name} {score:.1f}" for name, score in fitted.scores.items())
    print(f"log-density of held-out latents, nats: {scores}; samples come from {fitted.best}", file=sys.stderr)
    z_mean = training.latents[:ENOUGH, 0]
    active = int(active_units(z_mean).sum())
    if active < z_mean.shape[1] / 10:
        print(
            f"warning: {active} of {z_mean.shape[1]} latent units are active: samples will be alike, and images lose "
            "their detail; a lower kl_weight or a longer training may help",
            file=sys.stderr,
        )


def with_priors(model: VAE, fitted: Fitted) -> VAE:
    """A model of the same weights that has these distributions, and samples from the best one."""
    settings = {**fitted.mixture.settings, "sampler": fitted.best, "densities": fitted.scores}
    flow = fitted.flow or model.flow
    whole = VAE.from_config({**model.get_config(), **settings, "flow_width": flow.settings["width"]})
    for part, taken in ((whole.encoder, model.encoder), (whole.decoder, model.decoder), (whole.flow, flow)):
        part.set_weights(taken.get_weights())
    whole.mixture.set_weights(fitted.mixture.get_weights())
    whole.variance.assign(model.variance)
    return whole
