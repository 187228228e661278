"""Distances between two sets of feature vectors: Fréchet distance and kernel distance (KID)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imagevae.evaluation.intervals import Estimate, normal, standard_error


class Distance(NamedTuple):
    """A distance between two sets, and how much each vector of them adds to it.

    Attributes:
        value: the distance.
        influence_x, influence_y: (n,) and (m,), the derivative of the distance by the weight of each vector, less a
            constant; by the delta method the variance of the distance is var(influence_x) / n + var(influence_y) / m.
    """

    value: float
    influence_x: NDArray[np.float64]
    influence_y: NDArray[np.float64]


def frechet(x: NDArray, y: NDArray) -> Distance:
    """Squared Fréchet distance of the two Gaussians with the sets' means and covariances.

    Dowson & Landau 1982, equation 16; Heusel et al. 2017, equation 6, on Inception's features. Its bias depends on the
    size of the sets: compare only values at equal sizes, and with the floor.

    Args:
        x, y: (n, d) and (m, d), two vectors each or more.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    shift = x.mean(axis=0) - y.mean(axis=0)
    centred_x, centred_y = x - x.mean(axis=0), y - y.mean(axis=0)
    covariance_x, covariance_y = (c.T @ c / (len(c) - 1) for c in (centred_x, centred_y))
    root = _root(covariance_x)
    middle = _root(root @ covariance_y @ root)
    value = shift @ shift + np.trace(covariance_x) + np.trace(covariance_y) - 2 * np.trace(middle)
    # Derivatives by the covariances are I - T and I - T^-1, T the optimal transport (Bhatia et al. 2019, section 3).
    inverse = np.linalg.pinv(root, rcond=1e-7, hermitian=True)
    transport = inverse @ middle @ inverse
    back = root @ np.linalg.pinv(middle, rcond=1e-7, hermitian=True) @ root
    return Distance(
        float(value),
        2 * centred_x @ shift + np.sum(centred_x**2, axis=1) - np.sum(centred_x @ transport * centred_x, axis=1),
        -2 * centred_y @ shift + np.sum(centred_y**2, axis=1) - np.sum(centred_y @ back * centred_y, axis=1),
    )


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square root of a symmetric positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T


def kernel_distance(x: NDArray, y: NDArray) -> Distance:
    """Unbiased estimate of the squared maximum mean discrepancy under the kernel (x·y / d + 1)^3: KID.

    Bińkowski et al. 2018, section 4; Gretton et al. 2012, equation 3. Unbiased, so it may be negative, and its
    expectation is 0 for two sets of one distribution, whatever their sizes.

    Args:
        x, y: (n, d) and (m, d), two vectors each or more.
    """
    within_x, within_y = (_without_self(_kernel(a, a)) for a in (x, y))
    across = _kernel(x, y)
    return Distance(
        float(within_x.mean() + within_y.mean() - 2 * across.mean()),
        2 * (within_x - across.mean(axis=1)),
        2 * (within_y - across.mean(axis=0)),
    )


def _kernel(x: NDArray, y: NDArray) -> NDArray[np.float64]:
    return (np.asarray(x, np.float64) @ np.asarray(y, np.float64).T / x.shape[1] + 1) ** 3


def _without_self(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each row but for its entry on the diagonal."""
    return (kernel.sum(axis=1) - np.diag(kernel)) / (len(kernel) - 1)


def average(distances: list[Distance]) -> Estimate:
    """The mean of distances between the same images, each in the features of another network, with its interval.

    The interval is normal, by the delta method; n is the size of the smaller set.
    """
    influence_x = np.mean([distance.influence_x for distance in distances], axis=0)
    influence_y = np.mean([distance.influence_y for distance in distances], axis=0)
    error = float(np.hypot(standard_error(influence_x), standard_error(influence_y)))
    value = float(np.mean([distance.value for distance in distances]))
    return normal(value, error, min(len(influence_x), len(influence_y)))
