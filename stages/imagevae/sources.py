"""Where images come from: a folder of files, a tar or zip of them, a folder of archives, or another stage's shards."""

import errno
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from struct import Struct
from threading import Lock
from typing import BinaryIO

from imagevae.errors import BadInput
from imagevae.manifest import MANIFEST, read_rows

EXTENSIONS = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm"}
    | {".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")

MAX_BYTES = 2**30  # of one image file; an image of images.MAX_PIXELS takes that much at most
LEADS_OUT = "its name leads out of the archive"


UNKNOWN = bytes(16)  # instead of a digest
Read = Callable[[str, int, int], bytes]


@dataclass(frozen=True, slots=True)
class Item:
    """One image file of a source.

    Attributes:
        name: its path inside the source, with forward slashes; no two items share one.
        reader: gives its bytes from its name, and from where they are and how many: what these two count, if anything,
            is the reader's affair.
        start, size: for the reader.
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
    """Image files in an order, of which there can be so many that little memory is left to each."""

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
        left_aside: number of files that are no images by their names, of hidden files and folders, of links to folders
            and of empty folders.
    """

    items: Items = field(default_factory=Items)
    rejected: dict[str, str] = field(default_factory=dict)
    left_aside: int = 0


def list_source(source: Path) -> Listing:
    """List the images of a folder or archive.

    What counts as an image is decided by the extension of its name. Archives inside a folder count as folders. Links to
    files are followed; links to folders are not, so that no loop can arise and nothing is read that DVC does not track.

    Raises:
        BadInput: no such folder or archive, a damaged archive, or no image at all.
        OSError: a folder can't be read.
    """
    listing = Listing()
    if (source / MANIFEST).is_file():
        _add_shards(listing, source)
    elif source.is_dir():
        _add_folder(listing, source)
    elif source.is_file() and source.name.lower().endswith(ARCHIVES):
        _add_archive(listing, source, "")
    else:
        raise BadInput(f"{source}: no such folder; wanted is a folder, tar or zip of images")
    if not listing.items and not listing.rejected:
        raise BadInput(f"{source}: no image in it; wanted are files named {' '.join(sorted(EXTENSIONS))}")
    listing.items.sort()
    return listing


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS


def state(source: Path) -> int:
    """A number for the files of a source: it changes when one is added, removed, or differs in size, time or inode.

    Raises:
        OSError: the source is gone, or a folder can't be read.
    """
    if not source.is_dir():
        return _state("", source.stat())
    total = 0
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += state(source / entry.name)
            else:
                followed = entry.is_symlink() and os.path.isfile(entry.path)
                total += _state(entry.path, os.stat(entry.path) if followed else entry.stat(follow_symlinks=False))
    return total


def _state(path: str, result: os.stat_result) -> int:
    return hash((path, result.st_size, result.st_mtime_ns, result.st_ino))


def read_part(file: Path, start: int, size: int) -> bytes:
    """Bytes `start` to `start + size` of a file."""
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read(size)


def _read_part(file: Path, name: str, start: int, size: int) -> bytes:
    return read_part(file, start, size)


def _check_bytes(size: int) -> None:
    if size > MAX_BYTES:
        raise BadInput(f"{size} bytes, more than the {MAX_BYTES} that are read")


def _leads_out(name: str) -> bool:
    if name[:1] not in "./\\" and not any(sign in name for sign in ("..", ":", "\0")):
        return False  # as most do, found without taking it apart
    path = PurePath(name)
    return bool(path.anchor) or ".." in path.parts or "\0" in name


def _add_shards(listing: Listing, folder: Path) -> None:
    readers: dict[str, Read] = {}
    for row in read_rows(folder / MANIFEST):
        if _leads_out(row.name):
            listing.rejected[row.name] = LEADS_OUT
        else:
            if row.file not in readers:
                readers[row.file] = partial(_read_part, folder / row.file)
            listing.items.add(row.name, readers[row.file], row.start, row.size, row.result)


def _add_folder(listing: Listing, source: Path) -> None:
    read, folders = partial(_read_file, source), [""]
    while folders:
        prefix, empty = folders.pop(), True
        with os.scandir(os.path.join(source, prefix)) as entries:
            for entry in entries:
                empty = False
                if _is_folder(entry):
                    folders.append(f"{prefix}{entry.name}/")
                else:
                    _add_entry(listing, entry, read, prefix + entry.name)
        listing.left_aside += empty


def _is_folder(entry: os.DirEntry) -> bool:
    return not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)


def _add_entry(listing: Listing, entry: os.DirEntry, read: Read, name: str) -> None:
    target = Path(entry.path) if entry.is_symlink() else entry  # of links, paths take loops for broken ones
    if entry.name.startswith(".") or (entry.is_symlink() and target.is_dir()):
        listing.left_aside += 1
    elif entry.name.lower().endswith(ARCHIVES) and target.is_file():
        archive = Path(entry.path)
        try:
            _add_archive(listing, archive, f"{name}/")
        except BadInput as error:
            listing.rejected[name] = str(error).removeprefix(f"{archive}: ")
    elif not _is_image(entry.name):
        listing.left_aside += 1
    elif target.is_file():
        listing.items.add(name, read)
    else:
        listing.rejected[name] = "a broken link" if entry.is_symlink() else "not a regular file"


def _read_file(folder: Path, name: str, start: int, size: int) -> bytes:
    with open(os.path.join(folder, name), "rb") as file:
        _check_bytes(os.fstat(file.fileno()).st_size)
        return file.read()


def _add_archive(listing: Listing, archive: Path, prefix: str) -> None:
    members = _zip_members(archive) if archive.suffix.lower() == ".zip" else _tar_members(archive)
    images: dict[str, tuple[Read, int, int]] = {}
    folders: set[PurePosixPath] = set()
    filled: set[PurePosixPath] = set()
    aside: set[PurePosixPath] = set()
    for name, member in members:
        path = PurePosixPath(name)
        filled.update(path.parents)
        hidden = [place for place, part in enumerate(path.parts) if part.startswith(".") and part != ".."]
        if hidden:
            aside.add(PurePosixPath(*path.parts[: hidden[0] + 1]))
        elif name.endswith("/"):
            folders.add(path)
        elif member is None or not _is_image(path.name):
            aside.add(path)
        else:
            images[path.as_posix()] = member  # of members of the same name the last one counts
    listing.left_aside += len(aside | (folders - filled))
    for name, member in images.items():
        if _leads_out(name):
            listing.rejected[prefix + name] = LEADS_OUT
        else:
            listing.items.add(prefix + name, *member)


Members = Iterator[tuple[str, tuple[Read, int, int] | None]]


@contextmanager
def _damage_is_told(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # tarfile, zipfile and the decompressors raise a wide choice of them
        by_disk = isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)  # of places that can't be
        if by_disk or isinstance(error, BadInput):
            raise
        raise BadInput(f"{what} ({error})") from None


def _tar_members(archive: Path) -> Members:
    """Names of the members, each with what `Items.add` wants, or None for links and the like; folders end in /."""
    with _damage_is_told(f"{archive}: a damaged archive"):
        if archive.name.lower().endswith(".tar"):
            read = partial(_read_member, partial(read_part, archive))
            with tarfile.open(archive, "r:") as tar:
                for member in tar:
                    yield _tar_member(read, member)
            return
        with tarfile.open(archive) as tar:
            # No member of a compressed archive can be reached alone: unpack it into a file without a name.
            unpacked = tempfile.TemporaryFile()  # noqa: SIM115, it is read later
            tar.fileobj.seek(0)  # type: ignore[union-attr]
            shutil.copyfileobj(tar.fileobj, unpacked)  # type: ignore[arg-type, type-var]
        unpacked.seek(0)
        with tarfile.open(fileobj=unpacked, mode="r:") as tar:
            read = partial(_read_member, partial(_read_open, unpacked, Lock()))
            for member in tar:
                yield _tar_member(read, member)


def _tar_member(read: Read, member: tarfile.TarInfo) -> tuple[str, tuple[Read, int, int] | None]:
    if member.isdir():
        return f"{member.name}/", None
    if not member.isreg() or member.issparse():
        return member.name, None
    return member.name, (read, member.offset_data, member.size)


def _read_member(read: Callable[[int, int], bytes], name: str, start: int, size: int) -> bytes:
    _check_bytes(size)
    data = read(start, size) if start >= 0 and size >= 0 else b""
    if len(data) != size:
        raise BadInput("damaged in its archive")
    return data


def _read_open(file: BinaryIO, lock: Lock, start: int, size: int) -> bytes:
    with lock:  # threads share the file's position
        file.seek(start)
        return file.read(size)


def _zip_members(archive: Path) -> Members:
    with _damage_is_told(f"{archive}: a damaged archive"):
        read = partial(_unzip, zipfile.ZipFile(archive))
        for number, member in enumerate(read.args[0].infolist()):
            yield member.filename, None if member.is_dir() else (read, number, member.file_size)


def _unzip(archive: zipfile.ZipFile, name: str, number: int, size: int) -> bytes:
    _check_bytes(size)
    with _damage_is_told("damaged in its archive, or locked"):
        return archive.read(archive.infolist()[number])
