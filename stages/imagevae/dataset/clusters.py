"""Clusters of vectors, the same ones however many cores there are."""

import warnings

from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits


def k_means(vectors: NDArray, count: int, seed: int, starts: int = 1) -> KMeans:
    """Fit k-means to vectors (n, d), in one thread: of several the order in which they add up decides on last digits.

    Args:
        count: of clusters.
        starts: how often to begin anew; the best of the results is taken.
    """
    with threadpool_limits(1, "openmp"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal vectors make fewer clusters, and these will do
        return KMeans(count, random_state=seed, n_init=starts).fit(vectors)
