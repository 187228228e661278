"""What a source of images holds: items in the order of their names, and what was found that is no image."""

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePath
from struct import Struct
from typing import BinaryIO

from imagevae.cli.errors import BadInput
from imagevae.images.left_aside import PLUGINS, LeftAside, plugin_extensions

EXTENSIONS = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm"}
    | {".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
ALL_EXTENSIONS = EXTENSIONS | PLUGINS.keys()  # read where plug-ins of Pillow are installed

MAX_BYTES = 2**30  # of one image file; an image of images.MAX_PIXELS takes that much at most
LEADS_OUT = "its name leads out of the archive"
UNKNOWN = bytes(16)  # instead of a digest
Read = Callable[[str, int, int], bytes]


@dataclass(frozen=True, slots=True)
class Item:
    """One image file of a source.

    Attributes:
        name: its path inside the source, with forward slashes; no two items share one.
        reader: gives its bytes from its name, and from where they are and how many; what the first of these counts, if
            anything, is the reader's affair.
        start, size: for the reader. The size is that of its bytes, as far as it was known in time.
        digest: MD5 of its bytes in hexadecimal, or nothing where it is not known without reading them.
    """

    name: str
    reader: Read
    start: int = 0
    size: int = 0
    digest: str = ""

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            OSError, BadInput: they can't be read.
        """
        return self.reader(self.name, self.start, self.size)


class Items(Sequence[Item]):
    """Image files in an order, in little memory for each, because there can be millions."""

    PLACE = Struct("=Iqq16s")  # number of the reader, start, size, digest

    def __init__(self) -> None:
        self.names: list[str] = []
        self._places = bytearray()
        self._readers: list[Read] = []
        self._numbers: dict[Read, int] = {}  # of the readers

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> Item:  # type: ignore[override]
        name = self.names[number]  # which ends a loop over all
        reader, start, size, digest = self.PLACE.unpack_from(self._places, number * self.PLACE.size)
        return Item(name, self._readers[reader], start, size, digest.hex() if digest != UNKNOWN else "")

    def add(self, name: str, reader: Read, start: int = 0, size: int = 0, digest: str = "") -> None:
        number = self._numbers.setdefault(reader, len(self._readers))
        if number == len(self._readers):
            self._readers.append(reader)
        self.names.append(name)
        self._places += self.PLACE.pack(number, start, size, bytes.fromhex(digest))

    def unknown(self) -> list[int]:
        """The items whose digests are not known."""
        step = self.PLACE.size
        ends = range(step, len(self._places) + 1, step)
        return [number for number, end in enumerate(ends) if self._places[end - 16 : end] == UNKNOWN]

    def know(self, number: int, digest: str) -> None:
        """Note the digest of an item."""
        end = (number + 1) * self.PLACE.size
        self._places[end - 16 : end] = bytes.fromhex(digest)

    def sort(self) -> None:
        """Bring them into the order of their names."""
        step, old = self.PLACE.size, bytes(self._places)
        order = sorted(range(len(self)), key=self.names.__getitem__)
        self.names = [self.names[number] for number in order]
        for place, number in enumerate(order):
            self._places[place * step : (place + 1) * step] = old[number * step : (number + 1) * step]


@dataclass
class Listing:
    """What a source holds: images in the order of their names, and what is no image.

    Attributes:
        items: the images.
        rejected: names that can't be used, each with the reason.
        aside: files that are no images by their names, hidden files and folders, links to folders that are not followed
            and empty folders, counted by kind.
        unpacked: what holds images that had to be unpacked, if any had.
    """

    items: Items = field(default_factory=Items)
    rejected: dict[str, str] = field(default_factory=dict)
    aside: LeftAside = field(default_factory=LeftAside)
    unpacked: object = None

    @property
    def left_aside(self) -> int:
        """How many files and folders are no images."""
        return self.aside.total()


@cache
def extensions() -> frozenset[str]:
    """Extensions that make a file an image: `EXTENSIONS`, and those that an installed plug-in of Pillow reads."""
    return EXTENSIONS | plugin_extensions()


def is_image(name: str) -> bool:
    """Whether a file is an image by its name: by its extension, and not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in extensions()


def read_part(file: Path, start: int, size: int) -> bytes:
    """Bytes `start` to `start + size` of a file."""
    with open_file(file) as opened:
        opened.seek(start)
        return opened.read(size)


def read_file(file: str | Path) -> bytes:
    """The bytes of an image file.

    Raises:
        BadInput: it is no regular file, or larger than `MAX_BYTES`.
        OSError: it can't be read.
    """
    with open_file(file, buffering=0) as opened:
        check_bytes(os.fstat(opened.fileno()).st_size)
        return opened.read()


def open_file(file: str | Path, buffering: int = -1) -> BinaryIO:
    """Open a regular file for reading. Opening a FIFO would wait for somebody who writes, and a device may do anything.

    Raises:
        BadInput: it is no regular file.
        OSError: it can't be opened.
    """
    number = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(mode := os.fstat(number).st_mode):
        os.close(number)
        raise BadInput(f"{kind_of_file(mode)}, not a file")
    return open(number, "rb", buffering)  # type: ignore[return-value]


def kind_of_file(mode: int) -> str:
    """What a file is that is no regular one, by its mode."""
    kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder", stat.S_IFREG: "a file"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def check_bytes(size: int) -> None:
    """Raise BadInput where an image file is larger than `MAX_BYTES`."""
    if size > MAX_BYTES:
        raise BadInput(f"{size} bytes, more than the {MAX_BYTES} that are read")


def leads_out(name: str) -> bool:
    """Whether a path inside a source leads out of it: an absolute one, or one with `..` in it."""
    if name[:1] not in "./\\" and not any(sign in name for sign in ("..", ":", "\0")):
        return False  # as most do, found without taking it apart
    path = PurePath(name)
    return bool(path.anchor) or ".." in path.parts or "\0" in name
