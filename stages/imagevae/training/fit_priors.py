"""Fitting the distributions of the latents to a trained autoencoder, and choosing the one to sample from."""

import sys
import warnings
from dataclasses import dataclass
from itertools import chain
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
from imagevae.training.fit_flow import ENOUGH, FLOWS, JUDGES, copy_test, fit_best_flow, mirrored_share

COMPONENTS = (1, 4, 16)


@dataclass(frozen=True)
class Fitted:
    """Distributions of the latents, and what speaks for each: the mean log-density of held-out latents, in nats, to six
    digits, which do not depend on the processor. And the axes along which images vary most, and how many latent units
    vary with the image, see `active_units`."""

    flow: FlowPrior | None
    mixture: MixturePrior
    scores: dict[str, float]
    axes: Axes
    active: int

    @property
    def best(self) -> str:
        """Name of the distribution to sample from: the flow, or else that under which held-out latents are likelier."""
        return "flow" if self.flow else max(self.scores, key=lambda name: self.scores[name])


def encode_all(model: VAE, images: Images, file: Path, mirrored: bool = False) -> NDArray[np.float32]:
    """z_mean and z_log_sigma of images, (1, n, 2, latent_dim), or with those of the images mirrored, (2, n, 2,
    latent_dim), in a file that is mapped into memory."""
    file.parent.mkdir(parents=True, exist_ok=True)
    latents = open_memmap(file, "w+", np.float32, (1 + mirrored, len(images), 2, model.latent_dim))
    turned = (image[:, ::-1] for image in images) if mirrored else ()
    for row, both in zip(chain(*latents), encode_in_batches(model, chain(images, turned)), strict=True):
        row[:] = both
    return latents


def posterior(latents: NDArray[np.float32]) -> Posterior:
    """The two parts of latents as `encode_all` gives them."""
    return Posterior(latents[:, 0], latents[:, 1])


def fit_priors(
    model: VAE,
    training: Images,
    held_out: Images,
    folder: Path,
    key: str,
    steps: int,
    seed: int,
    classes: Classes = NO_CLASSES,
    precision: str = "float32",
) -> Fitted:
    """Fit a mixture and a flow to latents of training images, and compare them on those of held-out ones.

    Args:
        folder: for checkpoints and latents.
        key: of the checkpoints.
        steps: of a flow's training; 0 leaves it out.
        classes: of these images.
        precision: of that training, see `FlowPrior`.
    """
    mirrored = any(mirrored_share(len(training), kind.longer * steps) for kind in FLOWS)
    encoded = encode_all(model, training, folder / "training.npy", mirrored)
    latents, [held] = encoded[0], encode_all(model, held_out, folder / "held_out.npy")
    some, known = evenly_spaced(len(held), JUDGES), evenly_spaced(len(latents), ENOUGH)
    judging, enough = held[some], posterior(latents[known])
    judges = posterior(judging).draw(seed + 1)
    mixture = fit_mixture(enough.draw(seed), judges, seed)
    scores = {"normal": model.priors["normal"].log_prob(judges).mean(), "mixture": mixture.log_prob(judges).mean()}
    flow = None
    if steps:
        side = model.flow.settings["side"]
        if classes.names:
            classes = classes._replace(held_out=classes.held_out[some])
        c_t = copy_test(model, training, judging[:, 0], seed, classes)

        def checkpoint(name: str) -> Checkpoint:
            return Checkpoint(folder / f"{name}.npz", key)

        flow = fit_best_flow(encoded, judging, checkpoint, c_t, steps, seed, side, classes, precision)
        scores["flow"] = mean_density(flow, judges)
    rounded = {name: float(f"{score:.6g}") for name, score in scores.items()}
    return Fitted(flow, mixture, rounded, fit_axes(latents, seed), int(active_units(enough.z_mean).sum()))


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


def report_densities(fitted: Fitted) -> None:
    """Report on stderr which distribution is the best, and warn of latents that hold next to nothing of the images."""
    scores = ", ".join(f"{name} {score:.1f}" for name, score in fitted.scores.items())
    print(f"log-density of held-out latents, nats: {scores}; samples come from {fitted.best}", file=sys.stderr)
    active, units = fitted.active, fitted.mixture.latent_dim
    if active < units / 10:
        print(
            f"warning: {active} of {units} latent units are active: samples will be alike, and images lose their "
            "detail; a lower kl_weight or a longer training may help",
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
