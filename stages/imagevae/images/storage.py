"""Many images in few files: tar shards of encoded images, NumPy shards of equal squares."""

import math
import os
import tarfile
from hashlib import blake2b
from mmap import mmap
from typing import BinaryIO

import numpy as np

from imagevae.images.headers import PNG
from imagevae.images.listing import ALL_EXTENSIONS

PER_SHARD = 512


def shard_count(images: int) -> int:
    """Number of shards: the power of two that makes about 512 images a shard.

    A power of two, so that a growing folder seldom changes it, and then splits each shard in two.
    """
    return 2 ** max(0, round(math.log2(max(1, images) / PER_SHARD)))


def shard_of(name: str, count: int) -> int:
    """The shard of an image, from 0, decided by its name alone."""
    return int.from_bytes(blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest(), "big") % count


class TarShard:
    """A plain tar of files, without dates or owners, that any tool opens.

    Args:
        file: where to write it, opened for binary writing.
    """

    def __init__(self, file: BinaryIO):
        self.file, self.end = file, 0

    def add(self, name: str, content: bytes | mmap) -> int:
        """Append a file, and return where in the archive its content starts."""
        info = tarfile.TarInfo(name)
        info.size = len(content)
        plain = name.isascii() and len(name) <= tarfile.LENGTH_NAME  # for which both formats give the same bytes
        header = info.tobuf(tarfile.USTAR_FORMAT if plain else tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        start = self.end + len(header)
        self.end = start + len(content)
        self.file.writelines((header, content, self._filling(tarfile.BLOCKSIZE)))
        return start

    def close(self) -> None:
        self.end += 2 * tarfile.BLOCKSIZE
        self.file.write(bytes(2 * tarfile.BLOCKSIZE) + self._filling(tarfile.RECORDSIZE))

    def _filling(self, size: int) -> bytes:
        filling = bytes(-self.end % size)
        self.end += len(filling)
        return filling


class ArrayShard:
    """A NumPy file (.npy) of square images, uint8 (n, size, size, 3), to be mapped into memory.

    Args:
        file: where to write it, opened for binary writing.
        size: width and height of the images.
    """

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.size, self.count = file, size, 0
        self._write_header()
        self.end = file.tell()

    def _write_header(self) -> None:
        # NumPy pads the header so that a count of any length fits: it can be written again when the count is known.
        shape = (self.count, self.size, self.size, 3)
        self.file.seek(0)
        np.lib.format.write_array_header_1_0(self.file, {"descr": "|u1", "fortran_order": False, "shape": shape})

    def add(self, name: str, content: bytes | mmap) -> int:
        """Append an image's bytes, and return where in the file they start."""
        start = self.end
        self.file.write(content)
        self.count += 1
        self.end += len(content)
        return start

    def close(self) -> None:
        self._write_header()


JPEG_EXTENSIONS = frozenset({".jfif", ".jpe", ".jpeg", ".jpg"})


def file_name(name: str, content: bytes | mmap) -> str:
    """The name of the file that an image becomes: a.png and a.jpg stay, a.gif becomes a.gif.png.

    No two images share a result. A name is kept only where its extension is that of the content and no other image's
    extension comes before, so that what is appended to another name can't meet it.

    Args:
        name: of the image inside its source.
        content: of the result, PNG or JPEG.
    """
    kept, other = ({".png"}, ".png") if content[:8] == PNG else (JPEG_EXTENSIONS, ".jpg")
    stem, extension = os.path.splitext(name)
    alone = extension.lower() in kept and os.path.splitext(stem)[1].lower() not in ALL_EXTENSIONS
    return name if alone else f"{name}{other}"
