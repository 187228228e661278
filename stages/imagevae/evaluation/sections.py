"""What is measured of a model, section by section: nested estimates, each with its interval, floor and control."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from imagevae.dataset.copies import cells, copying, thumbnails
from imagevae.dataset.squares import Images
from imagevae.evaluation import intervals, reconstruction
from imagevae.evaluation.bounds import Bounds, bounds, gain
from imagevae.evaluation.disentanglement import dci, mutual_information_gap
from imagevae.evaluation.distances import average, frechet, kernel_distance
from imagevae.evaluation.factors import Factors
from imagevae.evaluation.features import Network, features
from imagevae.evaluation.fidelity import fidelity
from imagevae.evaluation.intervals import Estimate
from imagevae.evaluation.sets import CODED, Derived, Pictures, Posteriors, Sets
from imagevae.model.coding import Posterior, active_units
from imagevae.model.likelihood import kl_per_unit
from imagevae.model.vae import VAE

Section = dict[str, Any]  # names with estimates or sections

RARE = 0.05
FEW = 64  # latents that factors may be looked for in


def likelihood_section(model: VAE, sets: Sets, bounded: int, draws: int, seed: int) -> Section:
    """Bounds on at most `bounded` held-out and training images, and how far they are apart: overfitting.

    And the ELBO of held-out images with the distribution that the model samples from as prior, in place of N(0, I).
    """
    found = {
        name: bounds(model, images[:bounded], draws, seed, f"{name} images")
        for name, images in (("held_out", sets.held_out), ("training", sets.trained_on))
    }
    dimensions = 3 * model.size**2
    sampled = found["held_out"].elbo + gain(model, sets.held_out[:bounded], seed)
    return {
        **{name: _bound_estimates(values, dimensions) for name, values in found.items()},
        "sampler": {
            "elbo": intervals.mean(sampled),
            "elbo_bits_per_dimension": intervals.mean(_bits(sampled, dimensions)),
        },
        "overfitting_bits_per_dimension": _difference(
            *(_bits(found[name].elbo, dimensions) for name in ("held_out", "training"))
        ),
        "draws": draws,
        "dimensions": dimensions,
    }


def _bound_estimates(values: Bounds, dimensions: int) -> Section:
    in_nats = {name: intervals.mean(getattr(values, name)) for name in values._fields}
    in_bits = {"elbo": values.elbo, "iwae": values.iwae}
    return in_nats | {f"{name}_bits_per_dimension": intervals.mean(_bits(v, dimensions)) for name, v in in_bits.items()}


def _bits(log_likelihood: NDArray, dimensions: int) -> NDArray:
    return -log_likelihood / (math.log(2) * dimensions)


def _difference(a: NDArray, b: NDArray) -> Estimate:
    error = math.hypot(intervals.standard_error(a), intervals.standard_error(b))
    return intervals.normal(float(a.mean() - b.mean()), error, min(len(a), len(b)))


def reconstruction_section(sets: Sets, made: Derived) -> Section:
    """Errors against held-out images: of the model's reconstructions, and of what these have to beat, the mean and the
    nearest training image."""
    mean = np.rint(_mean_image(sets.training)).astype(np.uint8)
    others = {
        "model": made.rebuilt,
        "mean_image": np.broadcast_to(mean, sets.held_out.shape),
        "nearest_training_image": sets.training[made.near["held_out"].which],
    }
    measures = (reconstruction.mse, reconstruction.psnr, reconstruction.ssim)
    return {
        name: {measure.__name__: intervals.mean(measure(sets.held_out, pictures)) for measure in measures}
        for name, pictures in others.items()
    }


def _mean_image(images: Images) -> NDArray[np.float64]:
    return sum(block.sum(axis=0, dtype=np.float64) for block in images.blocks()) / len(images)


def comparison_section(networks: list[Network], sets: Sets, seed: int) -> Section:
    """Distances, fidelity and diversity of samples against as many held-out images, averaged over networks.

    Returns:
        Each metric of the samples, of as many training images (the floor of distances, and what two sets of one
        distribution give), of their mean image over and over and of uniform noise (the ceiling).
    """
    n = min(len(sets.held_out), len(sets.samples), len(sets.trained_on))
    shape = (n, *sets.held_out.shape[1:])
    others = {
        "samples": sets.samples[:n],
        "training_images": sets.trained_on[:n],
        "mean_image": np.broadcast_to(np.rint(sets.trained_on.mean(axis=0)).astype(np.uint8), shape),
        "noise": np.random.default_rng(seed).integers(0, 256, shape, np.uint8),
    }
    real = [features(network, sets.held_out[:n], "held-out images") for network in networks]
    found = {
        name: compare(real, [features(network, images, name) for network in networks])
        for name, images in others.items()
    }
    return {metric: {name: found[name][metric] for name in others} for metric in found["samples"]}


def compare(real: list[NDArray], fake: list[NDArray]) -> dict[str, Estimate]:
    """Distances, fidelity and diversity of vectors against those of as many real images, averaged over networks.

    Args:
        real, fake: (n, d) of each network.
    """
    pairs = list(zip(fake, real, strict=True))
    k = min(5, len(real[0]) - 1)
    judged = zip(*(fidelity(r, f, k) for f, r in pairs), strict=True)
    precision, recall, density, coverage = (np.mean(values, axis=0) for values in judged)
    return {
        "fd": average([frechet(f, r) for f, r in pairs]),
        "kid": average([kernel_distance(f, r) for f, r in pairs]),
        "precision": intervals.share(precision),
        "recall": intervals.share(recall),
        "density": intervals.mean(density),
        "coverage": intervals.share(coverage),
    }


def memorised(distance: NDArray, held_out: NDArray) -> Estimate:
    """Share of images that are closer to a training image than all but 5% of the held-out images are; 5% are expected.

    Args:
        distance, held_out: (m,), (n,), distances to the nearest training image.
    """
    return intervals.share(distance < np.quantile(held_out, RARE), against=len(held_out))


def memorisation_section(sets: Sets, made: Derived, seed: int) -> Section:
    """Tests for copies of training images among the samples.

    The control is the first half of the held-out images, in the place of samples, against the second. Reconstructions
    of held-out images are copies of nothing in the training set: what they give is due to blur alone.
    """
    near = made.near
    vectors, half = thumbnails(sets.trained_on), len(sets.held_out) // 2
    distance = near["held_out"].distance

    def test(images: Pictures, distances: NDArray, held: Pictures, of_held: NDArray) -> tuple[Estimate, Estimate]:
        where = cells(vectors, thumbnails(held), thumbnails(images), seed)
        c_t = copying(distances, of_held, where)
        return memorised(distances, of_held), intervals.normal(c_t.value, c_t.error, len(distances))

    found = {
        "samples": test(sets.samples, near["samples"].distance, sets.held_out, distance),
        "control": test(sets.held_out[:half], distance[:half], sets.held_out[half:], distance[half:]),
        "reconstructions": test(made.rebuilt, near["reconstructions"].distance, sets.held_out, distance),
    }
    return {
        metric: {name: both[place] for name, both in found.items()} for place, metric in enumerate(("memorised", "c_t"))
    }


def latents_section(encoded: Mapping[str, Posteriors], factors: Factors | None, seed: int) -> Section:
    """The latents, and what they tell of factors, where these are known and latents are no more than `FEW`: more than
    that are patches of the image.

    Args:
        encoded, factors: see `Derived` and `factor_scores`; the factors are of the first `CODED` images of both kinds.
    """
    found = {name: _use_of_latents(posteriors.held_out, seed) for name, posteriors in encoded.items()}
    for name, posteriors in encoded.items():
        z_mean = np.concatenate([posterior.z_mean[:CODED] for posterior in posteriors])
        if factors and z_mean.shape[1] <= FEW:
            found[name] |= factor_scores(z_mean, factors, seed)
    return found


def _use_of_latents(posterior: Posterior, seed: int) -> Section:
    z, noise = posterior.draw(seed), np.random.default_rng([seed, 1])
    prior, again = (noise.standard_normal(z.shape) for _ in range(2))
    return {
        "active_units": intervals.bootstrap(lambda rows: active_units(posterior.z_mean[rows]).sum(), len(z), seed),
        "kl": intervals.mean(kl_of_units(posterior).sum(axis=1)),
        "fd_from_prior": {
            "aggregate_posterior": average([frechet(z, prior)]),
            "floor": average([frechet(again, prior)]),
        },
    }


def kl_of_units(posterior: Posterior) -> NDArray[np.float64]:
    """KL divergence of each image's posterior from N(0, I), unit by unit, (n, latent_dim), nats."""
    return ops.convert_to_numpy(kl_per_unit(*posterior)).astype(np.float64)


def factor_scores(numbers: NDArray, factors: Factors, seed: int) -> Section:
    """MIG and DCI of the numbers of images, (n, d)."""
    values = factors.values
    return {"mig": mutual_information_gap(numbers, values, seed), **dci(numbers, values, seed)._asdict()}
