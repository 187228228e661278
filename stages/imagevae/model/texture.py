"""How rough pictures are in each place: a loss of pixels alone smooths what it cannot predict, grain or grass."""

from collections.abc import Iterator

from keras import KerasTensor, ops

WINDOW = 8  # pixels along a side of a place; places overlap by half


def texture(pictures: KerasTensor) -> Iterator[KerasTensor]:
    """Mean absolute differences between neighbouring pixels in each place, those beside each other and those below
    each other, (n, places, places, channels) each.

    Args:
        pictures: (n, height, width, channels).
    """
    for apart in (pictures[:, :, 1:] - pictures[:, :, :-1], pictures[:, 1:] - pictures[:, :-1]):
        yield ops.average_pool(ops.abs(apart), WINDOW, strides=WINDOW // 2, padding="same")


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
        ops.mean(ops.abs(ops.log(scale + target) - ops.log(scale + found)), axis=(1, 2, 3)) for target, found in pairs
    )
