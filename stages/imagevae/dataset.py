"""The images that models are trained and evaluated on."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagevae.errors import BadInput
from imagevae.images import list_images, read_rgb
from imagevae.split import held_out_mask


def read_squares(folder: Path) -> NDArray[np.uint8]:
    """Read a folder of square images of one size, as the resize stage writes them, in the order of their names.

    Returns:
        uint8 (n, size, size, 3), RGB.

    Raises:
        BadInput: no images, a damaged one, or one that is not square or not of the size of the first.
    """
    names = list_images(folder)
    first = read_rgb(folder / names[0], (0, 0, 0))
    if first.shape[0] != first.shape[1]:
        raise BadInput(f"{folder / names[0]}: {_shape(first)} pixels; wanted are squares, as stages/resize.py makes")
    images = np.empty((len(names), *first.shape), np.uint8)
    for place, name in enumerate(names):
        image = read_rgb(folder / name, (0, 0, 0))
        if image.shape != first.shape:
            raise BadInput(
                f"{folder / name}: {_shape(image)} pixels, but {names[0]} has {_shape(first)}; "
                "one size is wanted, as stages/resize.py makes"
            )
        images[place] = image
    return images


def split(images: NDArray[np.uint8], share: float, folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Training images and held-out images, see `split.held_out_mask`.

    Raises:
        BadInput: one of the two would be empty.
    """
    mask = held_out_mask(images, share)
    if mask.all() or not mask.any():
        raise BadInput(
            f"{folder}: of {len(images)} images {mask.sum()} fall into the held-out set at held_out={share}; "
            "both sides need one at least: add images or change held_out"
        )
    return images[~mask], images[mask]


def _shape(image: NDArray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
