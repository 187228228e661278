"""Near-duplicates: the same picture at another size, another compression, or shifted by a few pixels."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors
from tqdm import tqdm

from imagevae.images.contact_sheet import GREY, contact_sheet

Pixels = NDArray[np.uint8]

NEIGHBOURS = 4  # images with the nearest codes, which are looked at
BLOCK = 1024  # pairs that are compared before the next ones are begun
SHIFT = 3  # pixels, at most
FINE, BRIGHTNESS, COLOUR = 24.0, 8.0, 12.0  # levels that the same picture may differ by, see `difference`
AROUND = np.ones((3, 3), np.uint8)


def groups(codes: NDArray[np.float32], square: Callable[[int], Pixels]) -> list[list[int]]:
    """Groups of near-duplicates, each with its images in their order, and the groups in that of their first images.

    Each image is compared with those of the nearest codes.

    Args:
        codes: of the images, (n, count).
        square: gives one of them, uint8 (size, size, 3).
    """
    first, second = near_pairs(codes)
    read = lru_cache(maxsize=1024)(square)
    bar = tqdm(total=len(first), desc="near-duplicates", unit="pair", disable=None, leave=False, delay=2)
    same = np.zeros(len(first), bool)
    with ThreadPoolExecutor() as pool, bar:
        for start in range(0, len(first), BLOCK):
            part = slice(start, start + BLOCK)
            pairs = zip(first[part].tolist(), second[part].tolist(), strict=True)
            differences = pool.map(lambda pair: difference(read(pair[0]), read(pair[1])), pairs)
            same[part] = np.fromiter(differences, float) <= 1
            bar.update(len(same[part]))
    graph = coo_array((np.ones(same.sum()), (first[same], second[same])), shape=(len(codes), len(codes)))
    labels = connected_components(graph, directed=False)[1]
    members: dict[int, list[int]] = {}
    for image in np.unique([first[same], second[same]]).tolist():
        members.setdefault(int(labels[image]), []).append(image)
    return list(members.values())


def near_pairs(codes: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of images one of which is among the `NEIGHBOURS` of the other, each pair once: their numbers, (m,) each."""
    n = len(codes)
    search = NearestNeighbors(n_neighbors=min(1 + NEIGHBOURS, n), algorithm="brute").fit(codes)
    near, own = search.kneighbors(codes, return_distance=False), np.arange(n)[:, None]
    pairs = (np.minimum(own, near) * n + np.maximum(own, near))[own != near]
    first, second = np.divmod(np.unique(pairs), n)
    return first, second


def doubles_sheet(found: list[list[int]], square: Callable[[int], Pixels], shown: int = 24) -> Pixels:
    """A row for each of the first groups, with its first images."""
    rows = [[square(image) for image in group[:6]] for group in found[:shown]]
    columns = max(map(len, rows))
    blank = np.full_like(rows[0][0], GREY[0])
    return contact_sheet([image for row in rows for image in (row + columns * [blank])[:columns]], columns, len(blank))


def difference(one: Pixels, other: Pixels) -> float:
    """How unlike two squares are, uint8 (size, size, 3): 1 or less for near-duplicates.

    Moved over each other as they fit best, each pixel has to lie within the range of the 3 x 3 pixels around it in the
    other. So parts of pixels make no difference, and nor does the blur of another size. What is left over is compared
    where it is largest: in details of the brightness, in the brightness of patches, and in their colour, which JPEG
    keeps least of.
    """
    whole = [cv2.cvtColor(square, cv2.COLOR_RGB2YCrCb).astype(np.float32) for square in (one, other)]
    a, b = _overlap(*whole)
    fine = cv2.blur(_outside(a[..., 0], b[..., 0]), (3, 3)).max()
    patches = (cv2.blur(_inner(_inner(each)), (7, 7), borderType=cv2.BORDER_REPLICATE) for each in (a, b))
    rough = _outside(*patches)
    return float(max(fine / FINE, rough[..., 0].max() / BRIGHTNESS, rough[..., 1:].max() / COLOUR))


def _reach(size: int) -> int:
    return min(SHIFT, size // 8)


def _shift(a: NDArray, b: NDArray) -> tuple[int, int]:
    """By how many pixels, down and to the right, b is shifted against a."""
    reach, size = _reach(len(a)), len(a)
    core, field = cv2.blur(a, (3, 3))[reach : size - reach, reach : size - reach], cv2.blur(b, (3, 3))
    # OpenCV gives the squared distance at each place of the core at once.
    down, right = np.unravel_index(cv2.matchTemplate(field, core, cv2.TM_SQDIFF).argmin(), (2 * reach + 1,) * 2)
    return int(down) - reach, int(right) - reach


def _overlap(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """Where two pictures lie over each other. Part of the outermost pixels may have been moved in."""

    def parts(by: int) -> tuple[slice, slice]:
        length = len(a) - abs(by)
        return slice(max(-by, 0), max(-by, 0) + length), slice(max(by, 0), max(by, 0) + length)

    rows, columns = map(parts, _shift(a, b))
    return a[rows[0], columns[0]], b[rows[1], columns[1]]


def _outside(a: NDArray, b: NDArray) -> NDArray:
    """How far the inner pixels lie outside of the range of those around their place in the other, either way."""

    def one(a: NDArray, b: NDArray) -> NDArray:
        return np.maximum(a - cv2.dilate(b, AROUND), cv2.erode(b, AROUND) - a)

    return _inner(np.maximum(np.maximum(one(a, b), one(b, a)), 0))


def _inner(picture: NDArray) -> NDArray:
    """A picture without its outermost pixels, where there are others."""
    return picture[1:-1, 1:-1] if min(picture.shape[:2]) > 2 else picture
