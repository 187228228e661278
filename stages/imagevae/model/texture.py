"""How rough pictures are in each place: a loss of pixels alone smooths what it cannot predict, grain or grass."""

from collections.abc import Iterator

import numpy as np
from keras import KerasTensor, ops
from numpy.typing import NDArray

WINDOW, STEP = 8, 4  # pixels along a side of a place, and from one to the next


def texture(pictures: KerasTensor) -> Iterator[KerasTensor]:
    """Mean absolute differences between neighbouring pixels in each place, those beside each other and those below
    each other, (n, places, places * channels) each.

    Pictures are rolled and multiplied with matrices: on a CPU the gradients of slices and of pooling take longer.

    Args:
        pictures: (n, height, width, channels).
    """
    height, width, channels = pictures.shape[1:]
    rows = ops.reshape(pictures, (-1, height, width * channels))
    for shift, axis, tall, wide in ((channels, 2, height, width - 1), (1, 1, height - 1, width)):
        apart = ops.abs(ops.roll(rows, -shift, axis) - rows)
        down, across = means(tall, height), np.kron(means(wide, width), np.eye(channels))
        yield ops.matmul(ops.matmul(down.astype(np.float32), apart), across.T.astype(np.float32))


def means(count: int, length: int) -> NDArray[np.float64]:
    """The matrix (places, length) that takes numbers in a row to the mean of the first `count` in each place. Places
    that would go beyond the ends, as far on one side as on the other, end there."""
    places = -(-count // STEP)
    over = max(0, (places - 1) * STEP + WINDOW - count) // 2
    starts, numbers = STEP * np.arange(places)[:, None] - over, np.arange(length)
    inside = (starts <= numbers) & (numbers < np.minimum(starts + WINDOW, count))
    return inside / inside.sum(axis=1, keepdims=True)


def texture_error(pixels: KerasTensor, location: KerasTensor, scale: float | KerasTensor) -> KerasTensor:
    """How far the textures of two pictures are apart: the mean of the absolute logarithm of (scale + one) / (scale +
    other), summed over what `texture` gives. So grain counts by its ratio, and as much as edges that are many times as
    strong; but what is far weaker than the scale counts for nothing.

    Args:
        pixels, location: (n, height, width, channels).
        scale: of the errors that are to be expected of pixels, in their units.

    Returns:
        (n,).
    """
    pairs = zip(texture(pixels), texture(location), strict=True)
    return sum(
        ops.mean(ops.abs(ops.log(scale + target) - ops.log(scale + found)), axis=(1, 2)) for target, found in pairs
    )
