"""The images that models are trained and evaluated on, from files or from shards that stay on the disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagevae.errors import BadInput
from imagevae.images import decode, flatten
from imagevae.manifest import MANIFEST, read_manifest
from imagevae.sources import list_source
from imagevae.split import is_held_out


@dataclass(frozen=True)
class Images:
    """Square images in an order, of which only those that are asked for are read.

    Attributes:
        shards: uint8 (n, size, size, 3) each, in memory or mapped from a file.
        places: int (count, 2), the shard of each image and its row there.
        names: of the images, (count,), with forward slashes.
    """

    shards: Sequence[NDArray[np.uint8]]
    places: NDArray[np.int64]
    names: NDArray[np.str_]

    @property
    def size(self) -> int:
        """Width and height of the images, in pixels."""
        return self.shards[0].shape[1]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, chosen: NDArray | Sequence[int] | slice) -> NDArray[np.uint8]:
        """Images at some indices, uint8 (n, size, size, 3)."""
        places = self.places[chosen]
        return np.stack([self.shards[shard][row] for shard, row in places])

    def subset(self, chosen: NDArray) -> "Images":
        """The images at some indices, or where a mask is true."""
        return Images(self.shards, self.places[chosen], self.names[chosen])

    def some(self, count: int, seed: int) -> "Images":
        """At most `count` images, chosen by a seed and in an order of its own."""
        return self.subset(np.random.default_rng(seed).permutation(len(self))[:count])


def read_squares(folder: Path) -> Images:
    """Square images of one size, as the resize stage writes them, in the order of their names.

    Raises:
        BadInput: no images, a damaged one, or one that is not square or not of the size of the first.
    """
    if (folder / MANIFEST).is_file():
        return _map_shards(folder)
    items = list_source(folder).items
    images: NDArray[np.uint8] | None = None
    for place, item in enumerate(items):
        try:
            image = flatten(decode(item.read()), (0, 0, 0))
        except BadInput as error:
            raise BadInput(f"{folder / item.name}: {error}") from None
        if images is None:
            if image.shape[0] != image.shape[1]:
                raise BadInput(
                    f"{folder / item.name}: {_shape(image)} pixels; squares are wanted, see stages/resize.py"
                )
            images = np.empty((len(items), *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            raise BadInput(
                f"{folder / item.name}: {_shape(image)} pixels, but {items[0].name} has {_shape(images[0])}; "
                "one size is wanted, see stages/resize.py"
            )
        images[place] = image
    if images is None:
        raise BadInput(f"{folder}: no image in it")
    return in_memory(images, [item.name for item in items])


def in_memory(pictures: NDArray[np.uint8], names: Sequence[str]) -> Images:
    """An array of images, uint8 (n, size, size, 3), as a data set."""
    places = np.stack([np.zeros(len(pictures), int), np.arange(len(pictures))], axis=1)
    return Images([pictures], places, np.array(names))


def _map_shards(folder: Path) -> Images:
    rows = read_manifest(folder / MANIFEST).rows
    names = sorted({row.file for row in rows})
    try:
        shards = [np.load(folder / name, mmap_mode="r") for name in names]
    except ValueError as error:
        raise BadInput(f"{folder}: not shards of arrays, as stages/resize.py makes, or damaged ({error})") from None
    number = {name: place for place, name in enumerate(names)}
    places = np.array([(number[row.file], row.row) for row in rows])
    return Images(shards, places, np.array([row.name for row in rows]))


def split(images: Images, share: float, folder: Path) -> tuple[Images, Images]:
    """Training images and held-out images, see `is_held_out`.

    Raises:
        BadInput: one of the two would be empty.
    """
    mask = np.array([is_held_out(images.shards[shard][row], share) for shard, row in images.places])
    if mask.all() or not mask.any():
        raise BadInput(
            f"{folder}: of {len(images)} images {mask.sum()} fall into the held-out set at held_out={share}; "
            "both sides need one at least: add images or change held_out"
        )
    return images.subset(~mask), images.subset(mask)


def _shape(image: NDArray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
