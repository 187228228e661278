"""How each factor of the images and each latent unit belong together, where the factors are known."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from imagevae.evaluation.intervals import Estimate, bootstrap, bootstrap_each, mean, normal

BINS = 20
FOLDS = 3


def mutual_information_gap(z: NDArray, factors: NDArray[np.int64], seed: int) -> Estimate:
    """MIG: how much more the unit that knows most of a factor knows than the next one, in units of the factor's
    entropy.

    Chen et al. 2018, equation 6, averaged over factors; the mutual information is that of units cut into 20 bins of
    equal width (Locatello et al. 2019, appendix B). The interval is normal, with the standard deviation over 100
    bootstrap samples.

    Args:
        z: (n, units).
        factors: (n, factors), numbered from 0.
        seed: of the bootstrap.
    """
    bins = _binned(z)

    def gap(rows: NDArray[np.int64]) -> float:
        first, second = np.sort([[*_information(bins[rows], column[rows]), 0.0] for column in factors.T])[:, :-3:-1].T
        return float(np.mean(first - second))

    return bootstrap(gap, len(z), seed)


def mutual_information(z: NDArray, factors: NDArray[np.int64], seed: int) -> list[list[Estimate]]:
    """What each unit knows of each factor, in units of the factor's entropy, by unit, by factor; see
    `mutual_information_gap`. Of a unit that knows nothing it is a little above 0, the more so the fewer images there
    are."""
    bins = _binned(z)

    def each(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.concatenate([_information(bins[rows], column[rows]) for column in factors.T])

    found = bootstrap_each(each, len(z), seed)
    return [found[unit :: z.shape[1]] for unit in range(z.shape[1])]


def _binned(z: NDArray) -> NDArray[np.int64]:
    low, high = z.min(axis=0), z.max(axis=0)
    return np.minimum((BINS * (z - low) / np.maximum(high - low, 1e-12)).astype(int), BINS - 1)


def _information(bins: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mutual information of each unit, cut into bins (n, units), and a factor (n,), in units of the factor's entropy,
    (units,)."""
    units, count = bins.shape[1], values.max() + 1
    cells = (np.arange(units) * count + values[:, None]) * BINS + bins
    joint = np.bincount(cells.ravel(), minlength=units * count * BINS).reshape(units, count, BINS) / len(bins)
    of_value = _entropy(joint[0].sum(axis=1))
    information = of_value + _entropy(joint.sum(axis=1)) - _entropy(joint.reshape(units, -1))
    return information / max(of_value, 1e-30)


def _entropy(p: NDArray) -> NDArray:
    """Along the last axis, nats."""
    return -np.sum(p * np.log(np.maximum(p, 1e-30)), axis=-1)


class Scores(NamedTuple):
    """Disentanglement, completeness and informativeness, 0 to 1 each.

    Attributes:
        disentanglement: whether each unit depends on one factor alone.
        completeness: whether each factor is captured by one unit alone.
        informativeness: share of factors that are predicted correctly for images that the trees have not seen.
    """

    disentanglement: Estimate
    completeness: Estimate
    informativeness: Estimate


def dci(z: NDArray, factors: NDArray[np.int64], seed: int) -> Scores:
    """Eastwood & Williams 2018, section 2, with forests of extremely randomised trees (Geurts et al. 2006).

    Informativeness is given as accuracy: more is better. A forest chooses among all units at each split, so that units
    without meaning get no weight. The images are cut into three folds: each is predicted by forests fitted on the two
    others. The intervals are normal; that of informativeness is over images, those of the two others by the jackknife
    over folds (Efron & Tibshirani 1993, equation 11.5).

    Args:
        z: (n, units).
        factors: (n, factors), numbered from 0.
        seed: of the forests and folds.
    """
    fold = np.random.default_rng(seed).permutation(len(z)) % FOLDS
    right, scores = np.zeros(len(z)), []
    for number in range(FOLDS):
        forests = [_forest(seed).fit(z[fold != number], column[fold != number]) for column in factors.T]
        predicted = np.stack([forest.predict(z[fold == number]) for forest in forests], axis=1)
        right[fold == number] = (predicted == factors[fold == number]).mean(axis=1)
        importance = np.stack([forest.feature_importances_ for forest in forests], axis=1)
        scores.append((disentanglement(importance), disentanglement(importance.T)))
    errors = np.std(scores, axis=0) * np.sqrt(FOLDS - 1)
    d, c = (normal(float(a), float(e), len(z)) for a, e in zip(np.mean(scores, axis=0), errors, strict=True))
    return Scores(d, c, mean(right))


def _forest(seed: int) -> ExtraTreesClassifier:
    return ExtraTreesClassifier(10, random_state=seed, max_features=None, min_samples_leaf=5)


def disentanglement(importance: NDArray) -> float:
    """Of an importance matrix (units, factors), each unit weighted by its share; of its transpose, completeness."""
    total = importance.sum(axis=1)
    p = importance / np.maximum(total[:, None], 1e-30)
    return float(total @ (1 - _entropy(p) / np.log(max(importance.shape[1], 2))) / max(total.sum(), 1e-30))
