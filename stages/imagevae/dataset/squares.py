"""The images that models are trained and evaluated on, from files or from shards that stay on the disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.images.codec import decode, flatten, quiet_decoders
from imagevae.images.listing import Items
from imagevae.images.manifest import MANIFEST, read_rows
from imagevae.images.sources import list_source


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
    names: NDArray[np.object_]

    @property
    def size(self) -> int:
        """Width and height of the images, in pixels."""
        return self.shards[0].shape[1]

    @property
    def nbytes(self) -> int:
        """Size of all images in memory."""
        return 3 * self.size**2 * len(self)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, chosen: NDArray | Sequence[int] | slice) -> NDArray[np.uint8]:
        """Images at some indices, uint8 (n, size, size, 3)."""
        places = self.places[chosen]
        images = np.empty((len(places), self.size, self.size, 3), np.uint8)
        for image, (shard, row) in zip(images, places, strict=True):
            image[:] = self.shards[shard][row]
        return images

    def blocks(self, size: int = 1024) -> Iterator[NDArray[np.uint8]]:
        """All images, some at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """The images, uint8 (size, size, 3), one after another."""
        return (image for block in self.blocks() for image in block)

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
    listing = list_source(folder)
    for name, reason in listing.rejected.items():
        raise BadInput(f"{folder / name}: {reason}")
    with quiet_decoders():
        return _read_files(folder, listing.items)


def _read_files(folder: Path, items: Items) -> Images:
    images: NDArray[np.uint8] | None = None
    for place, item in enumerate(items):
        try:
            image = flatten(decode(item.read()), (0, 0, 0))
        except BadInput as error:
            raise BadInput(f"{folder / item.name}: {error}") from None
        if images is None:
            if image.shape[0] != image.shape[1]:
                raise BadInput(
                    f"{folder / item.name}: {_shape(image)} pixels; images must be square, see stages/resize.py"
                )
            images = np.empty((len(items), *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            raise BadInput(
                f"{folder / item.name}: {_shape(image)} pixels, but {items[0].name} has {_shape(images[0])}; "
                "all must have one size, see stages/resize.py"
            )
        images[place] = image
    if images is None:
        raise BadInput(f"{folder}: no image in it")
    return in_memory(images, items.names)


def in_memory(pictures: NDArray[np.uint8], names: Sequence[str]) -> Images:
    """An array of images, uint8 (n, size, size, 3), as a data set."""
    places = np.stack([np.zeros(len(pictures), int), np.arange(len(pictures))], axis=1)
    return Images([pictures], places, np.array(names, object))


class MappedShards(Sequence[NDArray[np.uint8]]):
    """Files of arrays, mapped into memory when they are asked for."""

    def __init__(self, files: Sequence[Path]):
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> NDArray[np.uint8]:  # type: ignore[override]
        return _map(self.files[number])


@lru_cache(maxsize=512)  # each holds a file open, and many systems allow a process 1024
def _map(file: Path) -> NDArray[np.uint8]:
    return np.load(file, mmap_mode="r").view(np.ndarray)


def _map_shards(folder: Path) -> Images:
    numbers: dict[str, int] = {}
    names: list[str] = []

    def pairs() -> Iterator[tuple[int, int]]:
        for row in read_rows(folder / MANIFEST):
            names.append(row.name)
            yield numbers.setdefault(row.file, len(numbers)), row.row

    places: NDArray = np.fromiter(pairs(), np.dtype((np.int64, 2)))
    shards = MappedShards([folder / name for name in numbers])
    try:
        shapes = np.array([shard.shape for shard in shards])
        fits = len(shapes) and (shapes[:, 1:] == (shapes[0, 1], shapes[0, 1], 3)).all()
        whole = fits and (places[:, 1] < shapes[places[:, 0], 0]).all()
    except ValueError as error:
        raise BadInput(f"{folder}: not shards of arrays, as stages/resize.py makes, or damaged ({error})") from None
    if not whole:
        raise BadInput(f"{folder}: no images, or shards that do not fit {MANIFEST}; run stages/resize.py again")
    order = sorted(range(len(names)), key=names.__getitem__)
    return Images(shards, places[order], np.array(names, object)[order])


def _shape(image: NDArray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
