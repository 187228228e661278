"""Images of any kind and size, brought into a model's form: the image stages, in memory."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import md5
from itertools import islice
from math import isqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from imagevae.cli.errors import BadInput
from imagevae.cli.ours import is_manifest
from imagevae.images.apart import Apart, Crash
from imagevae.images.codec import RGB, decode, flatten
from imagevae.images.left_aside import report
from imagevae.images.listing import Item, Items, read_file
from imagevae.images.manifest import MANIFEST, read_rows
from imagevae.images.sources import list_source
from imagevae.images.square import fit_square

Pixels = NDArray[np.uint8]
AHEAD = 64  # images read at once
DECODERS = min(4, os.cpu_count() or 1)  # processes, beside which the model works


@dataclass(frozen=True)
class Form:
    """The form that images are brought into, see `fit_square` and stages/resize.py."""

    size: int
    fit: str
    background: RGB

    def square(self, pixels: NDArray) -> Pixels:
        """From decoded pixels, see `decode`, to uint8 (size, size, 3)."""
        return fit_square(flatten(pixels, self.background), self.size, self.fit, self.background)


Square = Callable[[bytes, Form], Pixels]  # from the bytes of an image


def read_square(file: Path, form: Form) -> Pixels:
    """One image file as a square.

    Raises:
        BadInput: it is no image, or a damaged one, or a library crashed at it.
        OSError: it can't be read.
    """
    return _read(Item(file.name, lambda *_: read_file(file)), decode_apart, form, file.parent)


def decode_apart(data: bytes, form: Form) -> Pixels:
    """The bytes of an image file as a square, decoded in another process, which a library may crash.

    Raises:
        BadInput: these bytes are no image, or a damaged one, or a library crashed at them.
    """
    try:
        return _APART((data, form))
    except Crash as crash:
        raise BadInput(f"a library crashed at it ({crash}); it may be damaged, or too large for the memory") from None


def _square_of(sent: tuple[bytes, Form]) -> Pixels:
    data, form = sent
    return form.square(decode(data))


_APART = Apart(_square_of, DECODERS)


@dataclass(frozen=True)
class Folder:
    """The images of a folder, archive or folder of shards, in the order of their names, as squares.

    One after another, a few are read at a time, so memory does not grow with their size; or by their number.

    Attributes:
        square: makes a square of the bytes of an item, as `decode_apart` does.
    """

    source: Path
    form: Form
    items: Items
    square: Square

    @property
    def names(self) -> list[str]:
        return self.items.names

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Pixels:
        return _read(self.items[number], self.square, self.form, self.source)

    def __iter__(self) -> Iterator[Pixels]:
        bar = tqdm(total=len(self), desc=str(self.source), unit="image", disable=None)
        with ThreadPoolExecutor() as pool, bar:
            stream = iter(range(len(self)))
            while part := list(islice(stream, AHEAD)):
                yield from pool.map(self.__getitem__, part)
                bar.update(len(part))


def open_folder(source: Path, form: Form) -> Folder:
    """Look through a folder, archive or folder of shards.

    Raises:
        BadInput: no such folder, or no image in it; as its images are read, also a damaged one.
        OSError: one can't be read.
    """
    listing = list_source(source)
    for line in report(listing.aside, source):
        print(line, file=sys.stderr)
    for name, reason in sorted(listing.rejected.items()):
        raise BadInput(f"{source / name}: {reason}")
    return Folder(source, form, listing.items, _square_in_shard if _holds_arrays(source) else decode_apart)


def read_folder(source: Path, form: Form) -> tuple[list[str], Iterator[Pixels]]:
    """The images of a source, see `open_folder`: the names, and the squares."""
    folder = open_folder(source, form)
    return folder.names, iter(folder)


def _read(item: Item, square: Square, form: Form, source: Path) -> Pixels:
    try:
        data = item.read()
        if item.digest and md5(data).hexdigest() != item.digest:
            raise BadInput(f"damaged: not what {MANIFEST} says; run the stage before again")
        return square(data, form)
    except BadInput as error:
        raise BadInput(f"{source / item.name}: {error}") from None


def _holds_arrays(source: Path) -> bool:
    manifest = source / MANIFEST
    return is_manifest(manifest) and next(read_rows(manifest)).file.endswith(".npy")


def _square_in_shard(data: bytes, form: Form) -> Pixels:
    side = isqrt(len(data) // 3)
    if not side or len(data) != 3 * side**2:
        raise BadInput("no RGB square; run stages/resize.py again")
    return form.square(np.frombuffer(data, np.uint8).reshape(side, side, 3))
