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
    count = min(1 + NEIGHBOURS, len(codes))
    near = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(codes).kneighbors(codes, return_distance=False)
    pairs = np.sort(np.stack([np.repeat(np.arange(len(codes)), count), near.ravel()], axis=1), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    read = lru_cache(maxsize=1024)(square)
    bar = tqdm(total=len(pairs), desc="near-duplicates", unit="pair", disable=None, leave=False, delay=2)
    same = []
    with ThreadPoolExecutor() as pool, bar:
        for part in np.array_split(pairs, len(pairs) // 1024 + 1):
            differences = pool.map(lambda pair: difference(read(pair[0]), read(pair[1])), part.tolist())
            same.append(part[np.fromiter(differences, float) <= 1])
            bar.update(len(part))
    first, second = np.concatenate(same).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(codes), len(codes)))
    members: dict[int, list[int]] = {}
    for image, label in enumerate(connected_components(graph, directed=False)[1].tolist()):
        members.setdefault(label, []).append(image)
    return [group for group in members.values() if len(group) > 1]


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
    a, b = (cv2.cvtColor(square, cv2.COLOR_RGB2YCrCb).astype(np.float32) for square in (one, other))
    shift = _shift(a, b)
    rough = cv2.blur(a, (7, 7)), cv2.blur(b, (7, 7))
    fine = cv2.blur(_outside(a[..., 0], b[..., 0], shift, 1), (3, 3)).max()
    brightness = _outside(rough[0][..., 0], rough[1][..., 0], shift, 4).max()
    colour = _outside(rough[0][..., 1:], rough[1][..., 1:], shift, 4).max()
    return float(max(fine / FINE, brightness / BRIGHTNESS, colour / COLOUR))


def _reach(size: int) -> int:
    return min(SHIFT, size // 8)


def _shift(a: NDArray, b: NDArray) -> tuple[int, int]:
    """By how many pixels, down and to the right, b is shifted against a."""
    reach, size = _reach(len(a)), len(a)
    core, field = cv2.blur(a, (3, 3))[reach : size - reach, reach : size - reach], cv2.blur(b, (3, 3))
    # OpenCV gives the squared distance at each place of the core at once.
    down, right = np.unravel_index(cv2.matchTemplate(field, core, cv2.TM_SQDIFF).argmin(), (2 * reach + 1,) * 2)
    return int(down) - reach, int(right) - reach


def _outside(a: NDArray, b: NDArray, shift: tuple[int, int], margin: int) -> NDArray:
    """How far pixels lie outside of the range of those around their place in the other image, either way."""
    inner = min(_reach(len(a)) + margin, len(a) // 2 - 1)

    def one(a: NDArray, b: NDArray, down: int, right: int) -> NDArray:
        size = len(a)
        here = a[inner : size - inner, inner : size - inner]
        place = slice(inner + down, size - inner + down), slice(inner + right, size - inner + right)
        low, high = cv2.erode(b, AROUND)[place], cv2.dilate(b, AROUND)[place]
        return np.maximum(np.maximum(here - high, low - here), 0)

    return np.maximum(one(a, b, *shift), one(b, a, -shift[0], -shift[1]))
