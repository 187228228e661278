"""Fitting an image of any shape into a square."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from imagevae.images.codec import RGB


def fit_square(pixels: NDArray[np.uint8], size: int, fit: str, background: RGB) -> NDArray[np.uint8]:
    """Resize an image to size x size pixels.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        size: width and height of the result, in pixels.
        fit: "pad" scales the whole image into the square and fills the rest with the background, half of it on each
            side; "crop" takes the largest square at the image's centre; "stretch" scales each side on its own.
        background: red, green and blue, 0 to 255.

    Returns:
        uint8 (size, size, 3), RGB.
    """
    height, width = pixels.shape[:2]
    if fit == "stretch":
        return resample(pixels, size, size)
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return resample(pixels[top : top + side, left : left + side], size, size)
    scale = size / max(height, width)
    inner = resample(pixels, max(1, round(height * scale)), max(1, round(width * scale)))
    square = np.empty((size, size, 3), np.uint8)
    square[:] = background
    top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return square


def resample(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize without aliasing: each axis is averaged over areas where it shrinks and cubic where it grows.

    Args:
        pixels: uint8 (h, w, 3).

    Returns:
        uint8 (height, width, 3).
    """
    shrinks = height <= pixels.shape[0], width <= pixels.shape[1]
    if all(shrinks):
        return _average(pixels, height, width)
    if not any(shrinks):
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)
    exact = pixels.astype(np.float32)  # two passes, rounded once
    averaged = (exact.shape[1], height) if shrinks[0] else (width, exact.shape[0])
    exact = cv2.resize(exact, averaged, interpolation=cv2.INTER_AREA)
    exact = cv2.resize(exact, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.rint(exact), 0, 255).astype(np.uint8)


def _average(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if pixels.shape[0] % height == 0 and pixels.shape[1] % width == 0:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    # OpenCV would average each row first, a pixel at a time. To average whole rows first takes half as long.
    rows, weights = _overlaps(pixels.shape[0], height)
    result = np.empty((height, width, 3), np.uint8)
    step = max(1, 2**18 // (rows.shape[1] * pixels.shape[1]))  # of the result's rows at once, in little memory
    for start in range(0, height, step):
        part = slice(start, start + step)
        taken = pixels[rows[part]].astype(np.float32).reshape(*rows[part].shape, -1)
        averages = np.einsum("yk,ykx->yx", weights[part], taken).reshape(len(taken), -1, 3)
        result[part] = np.rint(cv2.resize(averages, (width, len(taken)), interpolation=cv2.INTER_AREA))
    return result


@lru_cache(maxsize=16)
def _overlaps(length: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each of `count` equal parts of a length, (count, n): the n pixels from its start on, and their shares."""
    starts = np.arange(count) * length // count
    ends = -(-np.arange(1, count + 1) * length // count)
    places = starts[:, None] + np.arange((ends - starts).max())
    edges = np.arange(count + 1)[:, None] * length  # in units of 1 / count pixels
    overlaps = np.minimum(edges[1:], (places + 1) * count) - np.maximum(edges[:-1], places * count)
    return np.minimum(places, length - 1), (np.maximum(overlaps, 0) / length).astype(np.float32)
