"""Fitting the distributions of the latents to a trained autoencoder, and choosing the one to sample from."""

import sys
import warnings
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
from imagevae.dataset import Images
from imagevae.encoding import Posterior, encode_in_batches
from imagevae.latents import active as active_units
from imagevae.prior import FlowPrior, MixturePrior
from imagevae.training import Best, Progress, fit, warmed_up
from imagevae.vae import VAE

FLOW_BATCH = 256
STEPS_AN_EPOCH = 100
LEARNING_RATE = 0.005
COMPONENTS = (1, 4, 16)
ENOUGH = 20_000  # latents; more would cost more than they tell
JUDGES = 500  # held-out latents that the distributions are compared on


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


def encode_all(model: VAE, images: Images, file: Path) -> NDArray[np.float32]:
    """z_mean and z_log_sigma of all images, (n, 2, latent_dim), in a file that is mapped into memory."""
    file.parent.mkdir(parents=True, exist_ok=True)
    latents = open_memmap(file, "w+", np.float32, (len(images), 2, model.latent_dim))
    for row, both in zip(latents, encode_in_batches(model, images), strict=True):
        row[:] = both
    return latents


def posterior(latents: NDArray[np.float32]) -> Posterior:
    """The two parts of latents as `encode_all` gives them."""
    return Posterior(latents[:, 0], latents[:, 1])


def fit_priors(
    model: VAE,
    training: NDArray[np.float32],
    held_out: NDArray[np.float32],
    checkpoint: Checkpoint,
    steps: int,
    seed: int,
) -> Fitted:
    """Fit a mixture and a flow to training latents, and compare them on held-out ones.

    Args:
        training, held_out: z_mean and z_log_sigma, (n, 2, latent_dim).
        checkpoint: of the flow's training.
        steps: of the flow's training; 0 leaves it out.
    """
    judges = posterior(held_out[:JUDGES]).draw(seed + 1)
    mixture = fit_mixture(posterior(training[:ENOUGH]).draw(seed), judges, seed)
    scores = {"normal": model.priors["normal"].log_prob(judges).mean(), "mixture": mixture.log_prob(judges).mean()}
    flow = None
    if steps:
        flow = fit_flow(model.flow, training, held_out, checkpoint, steps, seed)
        scores["flow"] = flow.log_prob(judges).mean()
    return Fitted(flow, mixture, {name: float(score) for name, score in scores.items()})


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
) -> FlowPrior:
    """Train a flow in place, with Adam at the learning rate of `warmed_up`.

    The weights that are kept are those with the lowest loss on held-out latents.

    Args:
        training, held_out: z_mean and z_log_sigma, (n, 2, latent_dim).
    """
    mean, deviation = moments(training)
    flow.standardise(mean, deviation)
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


def report(fitted: Fitted, latents: NDArray[np.float32]) -> None:
    """Say on stderr which distribution is the best, and warn of latents that tell next to nothing of the images."""
    scores = ", ".join(f"{name} {score:.1f}" for name, score in fitted.scores.items())
    print(f"log-density of held-out latents, nats: {scores}; samples come from {fitted.best}", file=sys.stderr)
    active = int(active_units(latents[:ENOUGH, 0]).sum())
    if active < latents.shape[2] / 10:
        print(
            f"warning: {active} of {latents.shape[2]} latent units are active: samples will be alike, and images lose "
            "their detail; a lower kl_weight or a longer training may help",
            file=sys.stderr,
        )


def with_priors(model: VAE, fitted: Fitted) -> VAE:
    """A model of the same weights that has these distributions, and samples from the best one."""
    settings = {**fitted.mixture.settings, "sampler": fitted.best, "densities": fitted.scores}
    whole = VAE.from_config({**model.get_config(), **settings})
    for name in ("encoder", "decoder", "flow"):
        getattr(whole, name).set_weights(getattr(model, name).get_weights())
    whole.mixture.set_weights(fitted.mixture.get_weights())
    whole.variance.assign(model.variance)
    return whole
