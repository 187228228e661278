"""Where images come from: a folder of files, a tar or zip of them, a folder of archives, or another stage's shards."""

import errno
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
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


@dataclass(slots=True)  # here and below, for there are many of them
class Item:
    """One image file of a source.

    Attributes:
        name: its path inside the source, with forward slashes; no two items share one.
        read: gives its bytes; raises OSError or BadInput where they can't be read.
        digest: MD5 of its bytes in hexadecimal, where it is known without reading them.
    """

    name: str
    read: Callable[[], bytes]
    digest: str | None = None


@dataclass(slots=True)
class File:
    """Reads a file of a folder."""

    folder: Path
    name: str

    def __call__(self) -> bytes:
        with open(os.path.join(self.folder, self.name), "rb") as file:
            _check_bytes(os.fstat(file.fileno()).st_size)
            return file.read()


@dataclass(slots=True)
class Part:
    """Reads some bytes of a file."""

    file: Path
    start: int
    size: int

    def __call__(self) -> bytes:
        return read_part(self.file, self.start, self.size)


@dataclass
class Listing:
    """What a source holds: images in the order of their names, and what is no image.

    Attributes:
        items: the images.
        rejected: names that can't be used, each with the reason.
        left_aside: number of files that are no images by their names, of hidden files and folders, of links to folders
            and of empty folders.
    """

    items: list[Item] = field(default_factory=list)
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
        _add_folder(listing, source, "")
    elif source.is_file() and source.name.lower().endswith(ARCHIVES):
        _add_archive(listing, source, "")
    else:
        raise BadInput(f"{source}: no such folder; wanted is a folder, tar or zip of images")
    if not listing.items and not listing.rejected:
        raise BadInput(f"{source}: no image in it; wanted are files named {' '.join(sorted(EXTENSIONS))}")
    listing.items.sort(key=lambda item: item.name)
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


def _check_bytes(size: int) -> None:
    if size > MAX_BYTES:
        raise BadInput(f"{size} bytes, more than the {MAX_BYTES} that are read")


def _leads_out(name: str) -> bool:
    if name[:1] not in "./\\" and not any(sign in name for sign in ("..", ":", "\0")):
        return False  # as most do, found without taking it apart
    path = PurePath(name)
    return bool(path.anchor) or ".." in path.parts or "\0" in name


def _add_shards(listing: Listing, folder: Path) -> None:
    files: dict[str, Path] = {}
    for row in read_rows(folder / MANIFEST):
        if _leads_out(row.name):
            listing.rejected[row.name] = LEADS_OUT
        else:
            if row.file not in files:
                files[row.file] = folder / row.file
            listing.items.append(Item(row.name, Part(files[row.file], row.start, row.size), row.result))


def _add_folder(listing: Listing, source: Path, prefix: str) -> None:
    empty = True
    with os.scandir(source / prefix) as entries:
        for entry in entries:
            empty = False
            _add_entry(listing, entry, source, prefix + entry.name)
    listing.left_aside += empty


def _add_entry(listing: Listing, entry: os.DirEntry, source: Path, name: str) -> None:
    path = source / name
    target = path if entry.is_symlink() else entry  # of links, paths take loops for broken ones
    if entry.name.startswith(".") or (entry.is_symlink() and target.is_dir()):
        listing.left_aside += 1
    elif target.is_dir():
        _add_folder(listing, source, f"{name}/")
    elif entry.name.lower().endswith(ARCHIVES) and target.is_file():
        try:
            _add_archive(listing, path, f"{name}/")
        except BadInput as error:
            listing.rejected[name] = str(error).removeprefix(f"{path}: ")
    elif not _is_image(entry.name):
        listing.left_aside += 1
    elif target.is_file():
        listing.items.append(Item(name, File(source, name)))
    else:
        listing.rejected[name] = "a broken link" if entry.is_symlink() else "not a regular file"


def _add_archive(listing: Listing, archive: Path, prefix: str) -> None:
    members = _zip_members(archive) if archive.suffix.lower() == ".zip" else _tar_members(archive)
    images: dict[str, Callable[[], bytes]] = {}
    folders: set[PurePosixPath] = set()
    filled: set[PurePosixPath] = set()
    aside: set[PurePosixPath] = set()
    for name, read in members:
        path = PurePosixPath(name)
        filled.update(path.parents)
        hidden = [place for place, part in enumerate(path.parts) if part.startswith(".") and part != ".."]
        if hidden:
            aside.add(PurePosixPath(*path.parts[: hidden[0] + 1]))
        elif name.endswith("/"):
            folders.add(path)
        elif read is None or not _is_image(path.name):
            aside.add(path)
        else:
            images[path.as_posix()] = read  # of members of the same name the last one counts
    listing.left_aside += len(aside | (folders - filled))
    for name, read in images.items():
        if _leads_out(name):
            listing.rejected[prefix + name] = LEADS_OUT
        else:
            listing.items.append(Item(prefix + name, read))


Members = Iterator[tuple[str, Callable[[], bytes] | None]]


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
    """Names of the members, each with a function that reads it, or None for links and the like; folders end in /."""
    with _damage_is_told(f"{archive}: a damaged archive"):
        if archive.name.lower().endswith(".tar"):
            with tarfile.open(archive, "r:") as tar:
                for member in tar:
                    yield _tar_member(partial(read_part, archive), member)
            return
        with tarfile.open(archive) as tar:
            # No member of a compressed archive can be reached alone: unpack it into a file without a name.
            unpacked = tempfile.TemporaryFile()  # noqa: SIM115, it is read later
            tar.fileobj.seek(0)  # type: ignore[union-attr]
            shutil.copyfileobj(tar.fileobj, unpacked)  # type: ignore[arg-type, type-var]
        unpacked.seek(0)
        with tarfile.open(fileobj=unpacked, mode="r:") as tar:
            read = partial(_read_open, unpacked, Lock())
            for member in tar:
                yield _tar_member(read, member)


def _tar_member(read: Callable[[int, int], bytes], member: tarfile.TarInfo) -> tuple[str, Callable[[], bytes] | None]:
    if member.isdir():
        return f"{member.name}/", None
    if not member.isreg() or member.issparse():
        return member.name, None
    return member.name, partial(_read_member, read, member.offset_data, member.size)


def _read_member(read: Callable[[int, int], bytes], start: int, size: int) -> bytes:
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
        opened = zipfile.ZipFile(archive)
        for member in opened.infolist():
            yield member.filename, None if member.is_dir() else partial(_unzip, opened, member)


def _unzip(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    _check_bytes(member.file_size)
    with _damage_is_told("damaged in its archive, or locked"):
        return archive.read(member)
