"""Fitting the distributions of the latents to a trained autoencoder, and choosing the one to sample from."""

import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from imagevae.dataset.labels import NO_CLASSES, Classes
from imagevae.dataset.squares import Images
from imagevae.images.contact_sheet import evenly_spaced
from imagevae.model.axes import Axes
from imagevae.model.coding import Posterior, active_units, encode_in_batches
from imagevae.model.flow import FlowPrior
from imagevae.model.priors import MixturePrior
from imagevae.model.vae import VAE
from imagevae.training.checkpoint import Checkpoint
from imagevae.training.fit_axes import fit_axes
from imagevae.training.fit_flow import ENOUGH, JUDGES, copy_test, fit_best_flow

COMPONENTS = (1, 4, 16)


@dataclass(frozen=True)
class Encoded:
    """Images, their z_mean and z_log_sigma, (n, 2, latent_dim), and where they are wanted those of the images
    mirrored."""

    images: Images
    latents: NDArray[np.float32]
    mirrored: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Fitted:
    """Distributions of the latents, and what speaks for each: the mean log-density of held-out latents, in nats, to six
    digits, which do not depend on the processor. And the axes along which images vary most."""

    flow: FlowPrior | None
    mixture: MixturePrior
    scores: dict[str, float]
    axes: Axes

    @property
    def best(self) -> str:
        """Name of the distribution to sample from: the flow, or else that under which held-out latents are likelier."""
        return "flow" if self.flow else max(self.scores, key=lambda name: self.scores[name])


def encode_all(model: VAE, images: Images, file: Path, mirrored: bool = False) -> Encoded:
    """Encode images, and mirrored ones if they are wanted; what they become lies in files that are mapped into memory,
    one of this name and one beside it."""
    file.parent.mkdir(parents=True, exist_ok=True)

    def encoded(images: Iterable[NDArray[np.uint8]], file: Path) -> NDArray[np.float32]:
        latents = open_memmap(file, "w+", np.float32, (count, 2, model.latent_dim))
        for row, both in zip(latents, encode_in_batches(model, images), strict=True):
            row[:] = both
        return latents

    count, other = len(images), file.with_stem(f"{file.stem}_mirrored")
    turned = encoded((image[:, ::-1] for image in images), other) if mirrored else None
    return Encoded(images, encoded(images, file), turned)


def posterior(latents: NDArray[np.float32]) -> Posterior:
    """The two parts of latents as `encode_all` gives them."""
    return Posterior(latents[:, 0], latents[:, 1])


def fit_priors(
    model: VAE,
    training: Encoded,
    held_out: Encoded,
    checkpoint: Callable[[str], Checkpoint],
    steps: int,
    seed: int,
    classes: Classes = NO_CLASSES,
    precision: str = "float32",
) -> Fitted:
    """Fit a mixture and a flow to training latents, and compare them on held-out ones.

    Args:
        checkpoint: makes that of a training of the name given.
        steps: of a flow's training; 0 leaves it out.
        classes: of these images.
        precision: of that training, see `FlowPrior`.
    """
    some, known = (evenly_spaced(len(each.latents), most) for each, most in ((held_out, JUDGES), (training, ENOUGH)))
    judging = held_out.latents[some]
    judges = posterior(judging).draw(seed + 1)
    mixture = fit_mixture(posterior(training.latents[known]).draw(seed), judges, seed)
    scores = {"normal": model.priors["normal"].log_prob(judges).mean(), "mixture": mixture.log_prob(judges).mean()}
    flow = None
    if steps:
        side = model.flow.settings["side"]
        if classes.names:
            classes = classes._replace(held_out=classes.held_out[some])
        c_t = copy_test(model, training.images, judging[:, 0], seed, classes)
        flow = fit_best_flow(
            training.latents, judging, checkpoint, c_t, steps, seed, side, classes, precision, training.mirrored
        )
        scores["flow"] = mean_density(flow, judges)
    rounded = {name: float(f"{score:.6g}") for name, score in scores.items()}
    return Fitted(flow, mixture, rounded, fit_axes(training.latents, seed))


def mean_density(flow: FlowPrior, judges: NDArray[np.float32]) -> float:
    """Mean log-density of z (n, latent_dim), in nats, by a copy of a flow: the last digits of what a network computes
    depend on the batches that it has seen before, and so on whether it was trained here or found at a checkpoint."""
    fresh = FlowPrior.from_config(flow.get_config())
    fresh.set_weights(flow.get_weights())
    return fresh.log_prob(judges).mean()


def fit_mixture(training: NDArray[np.float32], judges: NDArray[np.float32], seed: int) -> MixturePrior:
    """The Gaussian mixture, of some sizes and kinds of covariance, under which the judges are most likely.

    It is fitted in float64: the last bits of products depend on the processor, and in float32 they would show in the
    model.

    Args:
        training, judges: z, (n, latent_dim).
    """
    training, judges, fits = training.astype(np.float64), judges.astype(np.float64), []
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


def report_densities(fitted: Fitted, training: Encoded) -> None:
    """Report on stderr which distribution is the best, and warn of latents that hold next to nothing of the images."""
    scores = ", ".join(f"{name} {score:.1f}" for name, score in fitted.scores.items())
    print(f"log-density of held-out latents, nats: {scores}; samples come from {fitted.best}", file=sys.stderr)
    z_mean = training.latents[evenly_spaced(len(training.latents), ENOUGH), 0]
    active = int(active_units(z_mean).sum())
    if active < z_mean.shape[1] / 10:
        print(
            f"warning: {active} of {z_mean.shape[1]} latent units are active: samples will be alike, and images lose "
            "their detail; a lower kl_weight or a longer training may help",
            file=sys.stderr,
        )


def with_priors(model: VAE, fitted: Fitted) -> VAE:
    """A model of the same weights that has these distributions, and samples from the best one."""
    flow = fitted.flow or model.flow
    settings = {
        **fitted.mixture.settings,
        "sampler": fitted.best,
        "densities": fitted.scores,
        "flow_width": flow.settings["width"],
        "axis_count": fitted.axes.count,
    }
    whole = VAE.from_config({**model.get_config(), **settings})
    parts = (whole.encoder, whole.decoder, whole.flow, whole.mixture, whole.axes)
    for part, taken in zip(parts, (model.encoder, model.decoder, flow, fitted.mixture, fitted.axes), strict=True):
        part.set_weights(taken.get_weights())
    whole.scale.assign(model.scale)
    return whole
