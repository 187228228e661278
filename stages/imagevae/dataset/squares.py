"""The images that models are trained and evaluated on, from files or from shards that stay on the disk."""

from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import md5
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit

import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.cli.ours import is_manifest
from imagevae.cli.output import check_whole
from imagevae.images.codec import decode, flatten
from imagevae.images.complaints import quiet_decoders
from imagevae.images.listing import UNKNOWN, Items
from imagevae.images.manifest import MANIFEST, check_names, read_head, read_rows
from imagevae.images.sources import list_source, shard_bytes


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
    check_whole(folder)
    if is_manifest(folder / MANIFEST):
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


def _kept_open() -> int:
    """How many shards stay mapped: each holds a file open, and a process may have 1024 on many systems, or 256."""
    most = getrlimit(RLIMIT_NOFILE)[0]
    return 512 if most == RLIM_INFINITY else min(512, max(16, most // 4))


@lru_cache(maxsize=_kept_open())
def _map(file: Path) -> NDArray[np.uint8]:
    return np.lib.format.open_memmap(file, mode="r").view(np.ndarray)


@dataclass
class _Rows:
    """What a manifest says of one shard: its rows, where each starts and ends, and the digests of all."""

    rows: array = field(default_factory=lambda: array("q"))
    starts: array = field(default_factory=lambda: array("q"))
    sizes: array = field(default_factory=lambda: array("q"))
    digests: bytearray = field(default_factory=bytearray)


def _map_shards(folder: Path) -> Images:
    manifest = folder / MANIFEST
    read_head(manifest)  # which is looked through
    shards: dict[str, _Rows] = {}
    numbers: dict[str, int] = {}
    names: list[str] = []

    def pairs() -> Iterator[tuple[int, int]]:
        for row in read_rows(manifest):
            names.append(row.name)
            shard = shards.setdefault(row.file, _Rows())
            shard.rows.append(row.row)
            shard.starts.append(row.start)
            shard.sizes.append(row.size)
            shard.digests += bytes.fromhex(row.result) or UNKNOWN
            yield numbers.setdefault(row.file, len(numbers)), row.row

    places: NDArray = np.fromiter(pairs(), np.dtype((np.int64, 2)))
    order = sorted(range(len(names)), key=names.__getitem__)
    check_names(manifest, [names[number] for number in order])
    with ThreadPoolExecutor() as pool:
        sides = set(pool.map(lambda pair: _check_shard(manifest, *pair), shards.items()))
    if len(sides) != 1:
        what = f"images of {len(sides)} sizes" if sides else "no images"
        raise BadInput(f"{folder}: {what}; run stages/resize.py again")
    return Images(MappedShards([folder / name for name in numbers]), places[order], np.array(names, object)[order])


def _check_shard(manifest: Path, name: str, said: _Rows) -> int:
    """Compare a shard with what its manifest says of it.

    Every image is read once for that, since training reads rows without asking for their digests.

    Returns:
        width and height of its images, in pixels.

    Raises:
        BadInput: they differ, or the shard is damaged.
    """
    file = manifest.with_name(name)
    shard_bytes(manifest, name)
    try:
        squares = np.lib.format.open_memmap(file, mode="r")
    except Exception as error:  # of NumPy and of the parser of its header, for what is no array
        if isinstance(error, OSError):
            raise
        raise BadInput(f"{file}: not a shard of arrays, as stages/resize.py makes, or damaged ({error})") from None
    side = squares.shape[1] if squares.ndim == 4 else 0
    if squares.dtype != np.uint8 or squares.shape[1:] != (side, side, 3) or not side or not squares.flags.c_contiguous:
        raise BadInput(f"{file}: not a shard of RGB squares, as stages/resize.py makes")
    size, rows = 3 * side**2, np.array(said.rows)
    fits = (rows < len(squares)).all() and (np.array(said.sizes) == size).all()
    if not fits or (np.array(said.starts) != squares.offset + rows * size).any():
        raise BadInput(f"{file}: does not fit {MANIFEST}; run stages/resize.py again")
    with file.open("rb") as opened:
        for place, start in enumerate(said.starts):
            opened.seek(start)
            content, digest = opened.read(size), said.digests[16 * place : 16 * place + 16]
            if digest not in (UNKNOWN, md5(content).digest()):
                raise BadInput(f"{file}: damaged: row {said.rows[place]} is not what {MANIFEST} says; make it again")
    return side


def _shape(image: NDArray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
