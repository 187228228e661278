"""What the code of an image is worth: the few numbers that tell where it lies on the axes along which images vary most.

It is judged beside as many numbers of other origin: principal components of pixels and of the latents of an untrained
encoder, and noise.
"""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from imagevae.dataset.copies import thumbnails
from imagevae.evaluation import intervals
from imagevae.evaluation.disentanglement import mutual_information
from imagevae.evaluation.factors import Factors
from imagevae.evaluation.intervals import Estimate
from imagevae.evaluation.sections import Section, factor_scores
from imagevae.evaluation.sets import CODED, Posteriors, Sets
from imagevae.model.axes import Axes

NEIGHBOURS = 10
PIXELS = 64  # on a side; larger images are shrunk to it before their pixels are compared
SHOWN = 12  # axes that are set against the factors, besides those that know most of one


class Numbers(NamedTuple):
    """Some numbers of each of the training images, (n, d), and of each of the held-out images, (m, d)."""

    training: NDArray[Any]
    held_out: NDArray[Any]


@threadpool_limits.wrap(1, "blas")  # threads would share small products, and wait for each other most of the time
def code_sections(
    axes: Axes, encoded: Mapping[str, Posteriors], sets: Sets, factors: Factors | None, seed: int
) -> dict[str, Section]:
    """The section `code`; and `axes`, where factors are known.

    Args:
        encoded: images as `model` and as `random_encoder` encode them.
        factors: of the first `CODED` training images, and as many held-out ones.
    """
    pixels = Numbers(*(thumbnails(images[:CODED], PIXELS) for images in (sets.trained_on, sets.held_out)))
    latents, untrained = (
        Numbers(*(posterior.z_mean[:CODED] for posterior in encoded[name])) for name in ("model", "random_encoder")
    )
    seen, code = Numbers(*map(axes.to_points, latents)), Numbers(*map(axes.encode, latents))
    directions = ops.convert_to_numpy(axes.directions)
    noise = np.random.default_rng(seed)
    rivals = {
        "code": code,
        "pixel_pca": principal(pixels, axes.count, seed),
        "random_encoder": principal(untrained, axes.count, seed),
        "noise": Numbers(*(noise.standard_normal(numbers.shape, np.float32) for numbers in code)),
    }
    near = {name: neighbours(numbers) for name, numbers in rivals.items()}
    by_latents, by_pixels = neighbours(seen), neighbours(pixels)
    random_axes = np.linalg.qr(noise.standard_normal(directions.T.shape))[0].T
    section: Section = {
        "code_variance": {
            "code": kept_variance(seen.held_out, directions, seed),
            "random_axes": kept_variance(seen.held_out, random_axes, seed),
        },
        "neighbours_in_latents": {name: agreement(found, by_latents) for name, found in near.items()},
        "neighbours_in_pixels": {name: agreement(found, by_pixels) for name, found in near.items()},
        "numbers": axes.count,
    }
    if not factors:
        return {"code": section}
    values = Numbers(*np.split(factors.values, [len(code.training)]))
    section["neighbours_in_factors"] = {name: likeness(found, values) for name, found in near.items()}
    section["probe_accuracy"] = {name: probe_accuracy(numbers, values) for name, numbers in rivals.items()}
    del rivals["noise"]  # in which there is nothing to be disentangled
    scores = {name: factor_scores(np.concatenate(numbers), factors, seed) for name, numbers in rivals.items()}
    section |= {metric: {name: scores[name][metric] for name in scores} for metric in scores["code"]}
    return {"code": section, "axes": axes_section(np.concatenate(code), factors, seed)}


def principal(numbers: Numbers, count: int, seed: int) -> Numbers:
    """Principal components, as many as asked for or as there are, of which the training images decide."""
    n, d = numbers.training.shape
    found = PCA(min(count, n, d), svd_solver="randomized", random_state=seed).fit(numbers.training)
    return Numbers(*map(found.transform, numbers))


def kept_variance(z: NDArray, directions: NDArray, seed: int) -> Estimate:
    """Share of the variance around 0 that some orthonormal directions (k, d) keep of z (n, d)."""
    whole, kept = np.sum(np.square(z), axis=1), np.sum(np.square(z @ directions.T), axis=1)
    return intervals.bootstrap(lambda rows: kept[rows].sum() / max(whole[rows].sum(), 1e-30), len(z), seed)


def neighbours(numbers: Numbers) -> NDArray[np.int64]:
    """The training images that are nearest to each held-out image, (m, NEIGHBOURS) or fewer where there are."""
    count = min(NEIGHBOURS, len(numbers.training))
    searched = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(numbers.training)
    return searched.kneighbors(numbers.held_out, return_distance=False)


def agreement(found: NDArray[np.int64], others: NDArray[np.int64]) -> Estimate:
    """How many of an image's neighbours are so by other numbers too, a share averaged over images (Q_NX of Lee &
    Verleysen 2009, section 3.2)."""
    return intervals.mean((found[:, :, None] == others[:, None]).any(axis=2).mean(axis=1))


def likeness(found: NDArray[np.int64], values: Numbers) -> Estimate:
    """How many of its factors an image shares with its neighbours, a share averaged over these and over images."""
    return intervals.mean((values.training[found] == values.held_out[:, None]).mean(axis=(1, 2)))


def probe_accuracy(numbers: Numbers, values: Numbers) -> Estimate:
    """Share of the factors of held-out images that linear probes tell, which were fitted to training images: logistic
    regressions on standardised numbers (Alain & Bengio 2017)."""
    right = []
    for known, asked in zip(values.training.T, values.held_out.T, strict=True):
        guess = known[0]
        if (known != guess).any():
            probe = make_pipeline(StandardScaler(), LogisticRegression())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # held-out images judge the probe all the same
                guess = probe.fit(numbers.training, known).predict(numbers.held_out)
        right.append(guess == asked)
    return intervals.share(np.mean(right, axis=0))


def axes_section(code: NDArray, factors: Factors, seed: int) -> Section:
    """What the first axes know of each factor, and those that know most of one; and what numbers seem to know that know
    nothing.

    Args:
        code: (n, count).
    """
    shuffled = np.random.default_rng(seed).permutation(code[:, :1])
    *found, nothing = mutual_information(np.concatenate([code, shuffled], axis=1), factors.values, seed)
    best = np.argmax([[estimate.value for estimate in row] for row in found], axis=0).tolist()
    shown = sorted({*range(len(found))[:SHOWN], *best})
    rows = {**{f"code_{axis}": found[axis] for axis in shown}, "shuffled": nothing}
    return {"mutual_information": {name: dict(zip(factors.names, row, strict=True)) for name, row in rows.items()}}
