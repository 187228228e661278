"""Encoding images as PNG."""

import cv2
import numpy as np
from numpy.typing import NDArray

# Sooner written and read than with what OpenCV chooses itself, and smaller, photographs and flat art alike.
PNG_SETTINGS = (
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 (height, width, 3 or 4), RGB or RGBA, as PNG without metadata: same pixels, same bytes."""
    swap = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    return cv2.imencode(".png", cv2.cvtColor(pixels, swap), PNG_SETTINGS)[1].tobytes()
