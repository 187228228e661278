"""Whether samples are copies of training images."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from sklearn.metrics import pairwise_distances_argmin_min
from tqdm import tqdm

from imagevae.dataset.clusters import k_means
from imagevae.dataset.squares import Images
from imagevae.images.square import resample

BLOCK = 1024


def thumbnails(images: NDArray[np.uint8], size: int = 16) -> NDArray[np.float32]:
    """Images (n, height, width, 3) as vectors (n, size * size * 3) of small pictures, levels divided by 255.

    Distances between them look at what is where and not at fine detail, in which a decoder's copy would differ.
    """
    small = [resample(image, min(size, len(image)), min(size, len(image))) for image in images]
    return np.stack(small).reshape(len(small), -1).astype(np.float32) / np.float32(255)


def nearest(queries: NDArray[np.float32], training: Images) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distance from each thumbnail (n, d) to that of the nearest training image, and that image's index, (n,)."""
    distance, index = np.full(len(queries), np.inf), np.zeros(len(queries), np.int64)
    starts = range(0, len(training), BLOCK)
    for start in tqdm(starts, desc="nearest training images", disable=None, leave=False, delay=2):
        place, found = pairwise_distances_argmin_min(queries, thumbnails(training[start : start + BLOCK]))
        closer = found < distance
        distance[closer], index[closer] = found[closer], start + place[closer]
    return distance, index


class Cells(NamedTuple):
    """The cells of k-means on training images in which images fall: (n,), (m,)."""

    held_out: NDArray[np.int64]
    samples: NDArray[np.int64]


def cells(training: NDArray, held_out: NDArray, samples: NDArray, seed: int) -> Cells:
    """Cells of thumbnails; as many that 50 held-out images fall into each, and ten at most."""
    count = int(np.clip(len(held_out) // 50, 1, min(10, len(training))))
    found = k_means(training, count, seed, starts=3)
    return Cells(*(found.predict(images.astype(np.float64)) for images in (held_out, samples)))


class CT(NamedTuple):
    """C_T, and its standard error where nothing is copied."""

    value: float
    error: float


def copying(distance: NDArray, held_out: NDArray, where: Cells | None = None) -> CT:
    """C_T, the three-sample test for data copying: below -3, samples are nearer to training images than chance allows.

    Meehan et al. 2020, section 3.2: in each cell the z-score of Mann & Whitney's U of the distances of samples against
    those of held-out images, averaged with the shares of held-out images as weights. Cells with fewer than 20 samples
    are left out, unless all are so. The error is that of a z-score of standard deviation 1 in each cell.

    Args:
        distance, held_out: (m,), (n,), distances to the nearest training image.
        where: the cells of samples and held-out images; without, all lie in one.
    """
    where = where or Cells(np.zeros(len(held_out), int), np.zeros(len(distance), int))
    both = [(distance[where.samples == cell], held_out[where.held_out == cell]) for cell in np.unique(where.held_out)]
    filled = [pair for pair in both if len(pair[0]) >= 20] or [pair for pair in both if len(pair[0])]
    weights = np.array([len(held) for _, held in filled]) / sum(len(held) for _, held in filled)
    scores = [_z_score(drawn, held) for drawn, held in filled]
    return CT(float(weights @ scores), float(np.linalg.norm(weights)))


def _z_score(a: NDArray, b: NDArray) -> float:
    """Of Mann & Whitney's U, negative where `a` tends to be less than `b`."""
    m, n = len(a), len(b)
    u = mannwhitneyu(a, b, method="asymptotic").statistic
    return float((u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12))
