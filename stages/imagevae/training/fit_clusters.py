"""Clusters of latents, which a flow is told of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imagevae.dataset.clusters import k_means

CLUSTER_IMAGES, CLUSTER_LATENTS = 50, 16  # for each cluster, at least: where either are few, none are needed


def count_clusters(images: int, latents: int, most: int) -> int:
    """How many clusters to divide images into, given how many there are and how many latents each has."""
    return max(1, min(most, images // CLUSTER_IMAGES, latents // CLUSTER_LATENTS))


class Clusters(NamedTuple):
    """Clusters of latents.

    Attributes:
        centres: (k, latent_dim).
        shares: of the latents, (k,).
        owners: the class of each, (k,).
    """

    centres: NDArray[np.float64]
    shares: NDArray[np.float64]
    owners: NDArray[np.int64]


def clusters(z_mean: NDArray[np.float32], most: int, seed: int, owners: NDArray[np.int64] | None = None) -> Clusters:
    """Clusters of standardised latents (n, latent_dim) of classes (n,), of which each has some by its share, and one at
    least."""
    images, latents = z_mean.shape
    owners = np.zeros(images, np.int64) if owners is None else owners
    members = {owner: np.flatnonzero(owners == owner) for owner in np.unique(owners)}
    counts = allotted([len(rows) for rows in members.values()], count_clusters(images, latents, most))
    found = []
    for (owner, rows), count in zip(members.items(), counts, strict=True):
        fit = k_means(z_mean[rows], count, seed)
        shares = np.bincount(fit.labels_, minlength=count) / images
        found.append(Clusters(fit.cluster_centers_, shares, np.full(count, owner)))
    return Clusters(*map(np.concatenate, zip(*found, strict=True)))


def allotted(sizes: Sequence[int], seats: int) -> list[int]:
    """Seats for parties of some sizes, one for each at least and as nearly by size as can be: by the largest average
    (D'Hondt)."""
    given = [1] * len(sizes)
    for _ in range(seats - len(sizes)):
        given[max(range(len(sizes)), key=lambda party: sizes[party] / (given[party] + 1))] += 1
    return given
