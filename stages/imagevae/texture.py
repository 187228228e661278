"""How rough pictures are in each place: a loss of pixels alone smooths what it can't foretell, as grain and grass."""

from collections.abc import Iterator

from keras import KerasTensor, ops

WINDOW = 8  # pixels along a side of a place; places overlap by half


def texture(pictures: KerasTensor) -> Iterator[KerasTensor]:
    """Mean absolute differences between neighbouring pixels in each place: beside and below each other, at full and at
    half resolution, (n, places, places, channels) each.

    Args:
        pictures: (n, height, width, channels).
    """
    for finer in (pictures, ops.average_pool(pictures, 2, strides=2)):
        for apart in (finer[:, :, 1:] - finer[:, :, :-1], finer[:, 1:] - finer[:, :-1]):
            yield ops.average_pool(ops.abs(apart), WINDOW, strides=WINDOW // 2, padding="same")


def texture_error(pixels: KerasTensor, location: KerasTensor) -> KerasTensor:
    """How far the textures of two pictures are apart, by their mean absolute difference, summed over what `texture`
    gives, in units of `pixels`.

    Args:
        pixels, location: (n, height, width, channels).

    Returns:
        (n,).
    """
    pairs = zip(texture(pixels), texture(location), strict=True)
    return sum(ops.mean(ops.abs(wanted - found), axis=(1, 2, 3)) for wanted, found in pairs)
