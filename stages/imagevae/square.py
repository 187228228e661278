"""Fitting an image of any shape into a square."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagevae.images import RGB


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
    if shrinks[0] == shrinks[1]:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinks[0] else cv2.INTER_CUBIC)
    exact = pixels.astype(np.float32)  # two passes, rounded once
    if shrinks[0]:
        exact = cv2.resize(exact, (exact.shape[1], height), interpolation=cv2.INTER_AREA)
        exact = cv2.resize(exact, (width, height), interpolation=cv2.INTER_CUBIC)
    else:
        exact = cv2.resize(exact, (width, exact.shape[0]), interpolation=cv2.INTER_AREA)
        exact = cv2.resize(exact, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.rint(exact), 0, 255).astype(np.uint8)
