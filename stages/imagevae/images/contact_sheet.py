"""Many images on one picture."""

import math
import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from imagevae.images.square import fit_square

GREY = (128, 128, 128)
TILE = 64  # width and height of a tile, in pixels
LABEL = 44  # width of the names at rows, in pixels


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


def labelled(rows: NDArray[np.uint8], names: Sequence[str], width: int = LABEL) -> NDArray[np.uint8]:
    """Rows of images, uint8 (rows, columns, size, size, 3), below each other, with a name at the left of each.

    Names are written in ASCII: accents are left out, and other letters are question marks.

    Args:
        width: of the names, in pixels; what does not fit is cut.
    """
    size = rows.shape[2]
    sheets = []
    for row, name in zip(rows, names, strict=True):
        label = np.zeros((size, width, 3), np.uint8)
        place, white = (2, size // 2 + 4), (255, 255, 255)
        cv2.putText(label, _ascii(name), place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, white, 1, cv2.LINE_AA)
        sheets.append(np.concatenate([label, *row], axis=1))
    return np.concatenate(sheets)


def _ascii(name: str) -> str:
    letters = [sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign)]
    return "".join(sign if sign.isascii() else "?" for sign in letters)
