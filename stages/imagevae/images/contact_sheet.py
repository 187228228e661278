"""Many images on one picture."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imagevae.images.lettering import drawable, line_of_text, text_width
from imagevae.images.square import fit_square

GREY = (128, 128, 128)
TILE = 64  # width and height of a tile, in pixels
TEXT = 10  # height of the names at rows, in pixels
NARROWEST, WIDEST = 44, 192  # that these take beside the rows, in pixels

Tiles = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]


def contact_sheet(images: Tiles, columns: int | None = None, tile: int = TILE) -> NDArray[np.uint8]:
    """Lay images out in rows, in reading order.

    Args:
        images: uint8 (height, width, 3) each, of any shape; each is scaled into its tile.
        columns: images in a row; by default as many as make the sheet about square.
        tile: width and height of a tile, in pixels.

    Returns:
        uint8 (rows * tile, columns * tile, 3).
    """
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    sheet = np.full((rows, tile, columns, tile, 3), GREY[0], np.uint8)
    for place, image in enumerate(images):
        sheet[place // columns, :, place % columns] = fit_square(image, tile, "pad", GREY)
    return sheet.reshape(rows * tile, columns * tile, 3)


def evenly_spaced(length: int, count: int) -> list[int]:
    """At most `count` indices below `length`, spread over all of them."""
    return np.linspace(0, length - 1, min(count, length)).round().astype(int).tolist()


def side_by_side(left: Tiles, right: Tiles) -> NDArray[np.uint8]:
    """Two sheets of images of one size next to each other, with a grey strip between them.

    Args:
        left, right: uint8 (size, size, 3) each.

    Returns:
        uint8 (height, width, 3).
    """
    tile = left[0].shape[0]
    sheets = [contact_sheet(images, tile=tile) for images in (left, right)]
    height = max(sheet.shape[0] for sheet in sheets)
    strip = np.full((height, max(1, tile // 4), 3), GREY[0], np.uint8)
    padded = [np.pad(sheet, ((0, height - len(sheet)), (0, 0), (0, 0)), constant_values=GREY[0]) for sheet in sheets]
    return np.concatenate([padded[0], strip, padded[1]], axis=1)


def rows_of(images: Tiles, columns: int) -> NDArray[np.uint8]:
    """Images of one size, uint8 (size, size, 3) each, in rows of equal length, (rows, columns, size, size, 3)."""
    return np.array(images).reshape(-1, columns, *images[0].shape)


def labelled(rows: NDArray[np.uint8], names: Sequence[str]) -> NDArray[np.uint8]:
    """Rows of images, uint8 (rows, columns, size, size, 3), below each other, with a name at the left of each, see
    `drawable`. Where names are longer than `WIDEST`, they are cut."""
    texts = list(map(drawable, names))
    width = min(WIDEST, max(NARROWEST, *(4 + text_width(text, TEXT) for text in texts)))
    size = rows.shape[2]
    labels = [line_of_text(text, TEXT, (width, size)) for text in texts]
    return np.concatenate([np.concatenate([label, *row], axis=1) for label, row in zip(labels, rows, strict=True)])
