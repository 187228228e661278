"""Where images come from: a folder of files, a tar or zip of them, a folder of archives, or another stage's shards."""

import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from imagevae.errors import BadInput
from imagevae.manifest import MANIFEST, read_manifest

EXTENSIONS = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm"}
    | {".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


@dataclass(frozen=True)
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


@dataclass
class Listing:
    """What a source holds: images in the order of their names, and what is no image.

    Attributes:
        items: the images.
        rejected: names that can't be used, each with the reason.
        left_aside: number of files that are no images by their names, hidden ones among them.
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
        listing.items = [
            Item(row.name, partial(read_part, source / row.file, row.start, row.size), row.result)
            for row in read_manifest(source / MANIFEST).rows
        ]
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


def png_name(name: str) -> str:
    """The name of the PNG that an image becomes: a.png stays, a.jpg becomes a.jpg.png.

    No two images share a result: a name is kept only where it ends in .png and in no other image extension before,
    so that what is appended to another name can't meet it.
    """
    stem, extension = os.path.splitext(name)
    kept = extension.lower() == ".png" and os.path.splitext(stem)[1].lower() not in EXTENSIONS
    return name if kept else f"{name}.png"


def read_part(file: Path, start: int, size: int) -> bytes:
    """Bytes `start` to `start + size` of a file."""
    with file.open("rb") as opened:
        return os.pread(opened.fileno(), size, start)


def _add_folder(listing: Listing, folder: Path, prefix: str) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            link_to_folder = entry.is_symlink() and entry.is_dir()
            if entry.name.startswith(".") or link_to_folder:
                listing.left_aside += 1
            elif entry.is_dir():
                _add_folder(listing, folder / entry.name, f"{prefix}{entry.name}/")
            elif entry.name.lower().endswith(ARCHIVES) and entry.is_file():
                _add_archive(listing, folder / entry.name, f"{prefix}{entry.name}/")
            elif not _is_image(entry.name):
                listing.left_aside += 1
            elif entry.is_file():
                listing.items.append(Item(prefix + entry.name, (folder / entry.name).read_bytes))
            else:
                listing.rejected[prefix + entry.name] = "a broken link" if entry.is_symlink() else "not a regular file"


def _add_archive(listing: Listing, archive: Path, prefix: str) -> None:
    members = _zip_members(archive) if archive.suffix.lower() == ".zip" else _tar_members(archive)
    found = {}
    for name, read in members:
        path = PurePosixPath(name)
        if (
            read is None
            or not _is_image(path.name)
            or any(part.startswith(".") and part != ".." for part in path.parts)
        ):
            listing.left_aside += 1
        elif path.is_absolute() or ".." in path.parts:
            listing.rejected[prefix + name] = "its name leads out of the archive"
        else:
            found[prefix + path.as_posix()] = read  # of members of the same name the last one counts
    listing.items += [Item(name, read) for name, read in found.items()]


Members = Iterator[tuple[str, Callable[[], bytes] | None]]


def _tar_members(archive: Path) -> Members:
    """Names of the members, but for folders, each with a function that reads it, or None for links and the like."""
    try:
        if archive.name.lower().endswith(".tar"):
            with tarfile.open(archive, "r:") as tar:
                for member in tar:
                    if not member.isdir():
                        yield member.name, _read_member(partial(read_part, archive), member)
            return
        with tarfile.open(archive) as tar:
            # No member of a compressed archive can be reached alone: unpack it into a file without a name.
            unpacked = tempfile.TemporaryFile()  # noqa: SIM115, it is read later
            tar.fileobj.seek(0)  # type: ignore[union-attr]
            shutil.copyfileobj(tar.fileobj, unpacked)  # type: ignore[arg-type, type-var]
        unpacked.seek(0)
        with tarfile.open(fileobj=unpacked, mode="r:") as tar:
            for member in tar:
                if not member.isdir():
                    yield member.name, _read_member(partial(_read_open, unpacked), member)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise BadInput(f"{archive}: a damaged archive ({error})") from None


def _read_member(read: Callable[[int, int], bytes], member: tarfile.TarInfo) -> Callable[[], bytes] | None:
    return partial(read, member.offset_data, member.size) if member.isreg() and not member.issparse() else None


def _read_open(file: BinaryIO, start: int, size: int) -> bytes:
    return os.pread(file.fileno(), size, start)


def _zip_members(archive: Path) -> Members:
    try:
        opened = zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise BadInput(f"{archive}: a damaged archive ({error})") from None
    for member in opened.infolist():
        if not member.is_dir():
            yield member.filename, partial(_unzip, opened, member)


def _unzip(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"damaged in its archive, or locked ({error})") from None
