"""Fidelity and diversity of samples, from the nearest neighbours of feature vectors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances


class Fidelity(NamedTuple):
    """Means of these over the images give the metrics of their names, see `fidelity`.

    Attributes:
        precision: (m,), whether each sample lies among the real images.
        recall: (n,), whether each real image lies among the samples.
        density: (m,), in how many balls around real images each sample lies, divided by k.
        coverage: (n,), whether the ball around each real image holds a sample.
    """

    precision: NDArray[np.bool_]
    recall: NDArray[np.bool_]
    density: NDArray[np.float64]
    coverage: NDArray[np.bool_]


def fidelity(real: NDArray, fake: NDArray, k: int = 5) -> Fidelity:
    """Precision and recall (Kynkäänniemi et al. 2019, equations 1 to 3); density and coverage (Naeem et al. 2020,
    equations 4 and 5).

    A set is the union of the balls around its vectors that reach to the k-th nearest neighbour in the set.

    Args:
        real, fake: (n, d) and (m, d), more than k vectors each. Memory grows with n * m.
    """
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    radii_real, radii_fake = (_radii(vectors, k) for vectors in (real, fake))
    distances = pairwise_distances(real, fake)
    inside = distances < radii_real[:, None]
    return Fidelity(
        precision=inside.any(axis=0),
        recall=(distances < radii_fake).any(axis=1),
        density=inside.sum(axis=0) / k,
        coverage=distances.min(axis=1) < radii_real,
    )


def _radii(vectors: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Distance from each vector to its k-th nearest neighbour, itself not counted."""
    return np.partition(pairwise_distances(vectors), k, axis=1)[:, k]
