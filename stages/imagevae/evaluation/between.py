"""What lies between images: whether it looks like images, and whether the way there is even."""

import numpy as np
from numpy.typing import NDArray

from imagevae.evaluation import intervals
from imagevae.evaluation.distances import average, frechet, kernel_distance
from imagevae.evaluation.features import Network, features
from imagevae.evaluation.intervals import Estimate
from imagevae.evaluation.sections import Section
from imagevae.evaluation.sets import Derived, Pictures, Sets
from imagevae.exploring.interpolation import interpolation, midpoints
from imagevae.model.coding import decode_in_batches
from imagevae.model.vae import VAE

PAIRS = 500  # of held-out images whose midpoints are compared, at most
WAYS, STEPS = 40, 16  # ways that are measured, at most, and steps of each


def between_section(model: VAE, judges: dict[str, list[Network]], sets: Sets, made: Derived, seed: int) -> Section:
    """Midpoints between held-out images, and the ways there.

    Returns:
        `fd` and `kid` of the midpoints to the held-out images by each judge, beside samples, which are the floor, and
        pixels of both images averaged, the ceiling; and `path_length` of ways through the latents and of cross-fades of
        pixels by the random networks, see `path_length`.
    """
    count = min(PAIRS, len(sets.held_out), len(sets.samples))
    order = np.random.default_rng(seed).permutation(len(sets.held_out))[:count]
    first, second = order, np.roll(order, 1)  # each image with another, both as often
    z_mean = made.encoded["model"].held_out.z_mean
    images = {
        "midpoints": np.stack(list(decode_in_batches(model, midpoints(model, z_mean[first], z_mean[second])))),
        "samples": sets.samples[:count],
        "cross_fade": faded(sets.held_out[first], sets.held_out[second], 2)[:, 1],
    }
    real = sets.held_out[order]
    found: Section = {
        f"{metric}_{name}": estimates
        for name, networks in judges.items()
        for metric, estimates in _distances(networks, real, images).items()
    }
    pairs = list(zip(first[:WAYS].tolist(), second[:WAYS].tolist(), strict=True))
    ends = made.rebuilt[first[:WAYS]], made.rebuilt[second[:WAYS]]
    ways = {"midpoints": interpolation(model, sets.held_out, pairs, STEPS), "cross_fade": faded(*ends, STEPS)}
    return found | {"path_length": {name: path_length(judges["random"], way, seed) for name, way in ways.items()}}


def _distances(networks: list[Network], real: Pictures, images: dict[str, Pictures]) -> dict[str, dict[str, Estimate]]:
    of_real = [features(network, real, "held-out images") for network in networks]
    of_images = {name: [features(network, some, name) for network in networks] for name, some in images.items()}
    return {
        metric: {
            name: average([distance(f, r) for f, r in zip(some, of_real, strict=True)])
            for name, some in of_images.items()
        }
        for metric, distance in (("fd", frechet), ("kid", kernel_distance))
    }


def faded(first: Pictures, second: Pictures, steps: int) -> Pictures:
    """Cross-fades of images, uint8 (n, size, size, 3) each: uint8 (n, steps + 1, size, size, 3)."""
    shares = np.linspace(0, 1, steps + 1)[:, None, None, None]
    return np.rint((1 - shares) * first[:, None] + shares * second[:, None]).astype(np.uint8)


def path_length(networks: list[Network], ways: Pictures, seed: int) -> Estimate:
    """How uneven ways are in the features of networks: their squared speed over that of straight and even ways.

    The perceptual path length (Karras et al. 2019, section 4.1) is the squared speed of an image's features along a
    way; here in finite steps, and in units of the squared distance between the features of its ends, so that it does
    not depend on how far these are apart. A straight way at an even pace has 1, one that jumps in a single step as
    many as it has steps. Averaged over networks.

    Args:
        ways: uint8 (n, steps + 1, size, size, 3).
    """
    count, frames = ways.shape[:2]
    speeds, direct = np.zeros(count), np.zeros(count)
    for network in networks:
        flat = features(network, ways.reshape(-1, *ways.shape[2:]), "ways")
        vectors = flat.reshape(count, frames, -1)
        unit = np.square(vectors[:, -1] - vectors[:, 0]).sum(axis=1).mean() + 1e-12
        speeds += (frames - 1) * np.square(np.diff(vectors, axis=1)).sum(axis=(1, 2)) / unit
        direct += np.square(vectors[:, -1] - vectors[:, 0]).sum(axis=1) / unit
    return intervals.bootstrap(lambda rows: _ratio(speeds[rows], direct[rows]), count, seed)


def _ratio(some: NDArray, others: NDArray) -> float:
    return float(some.mean() / max(others.mean(), 1e-12))
