"""Clusters of vectors, the same ones on all processors and however many cores there are."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits


def k_means(vectors: NDArray, count: int, seed: int, starts: int = 1) -> KMeans:
    """Fit k-means to vectors (n, d).

    In one thread, because of several the order in which they add up decides on last digits, and in float64, because the
    processor does so in float32.

    Args:
        count: of clusters.
        starts: how often to begin anew; the best of the results is taken.
    """
    with threadpool_limits(1, "openmp"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal vectors make fewer clusters, and these will do
        return KMeans(count, random_state=seed, n_init=starts).fit(vectors.astype(np.float64))
