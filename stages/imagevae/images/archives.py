"""Images in archives: tars, compressed ones too, and zips."""

import errno
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import BinaryIO

from imagevae.cli.errors import BadInput
from imagevae.images.listing import LEADS_OUT, Listing, Read, check_bytes, is_image, leads_out, read_part

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
ArchiveMembers = Iterator[tuple[str, tuple[Read, int, int] | None]]


def add_archive(listing: Listing, archive: Path, prefix: str) -> None:
    """Add the images of a tar or zip to a listing, each under its path there behind a prefix.

    Raises:
        BadInput: a damaged archive.
        OSError: it can't be read.
    """
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
        elif member is None or not is_image(path.name):
            aside.add(path)
        else:
            images[path.as_posix()] = member  # of members of the same name the last one counts
    listing.left_aside += len(aside | (folders - filled))
    for name, member in images.items():
        if leads_out(name):
            listing.rejected[prefix + name] = LEADS_OUT
        else:
            listing.items.add(prefix + name, *member)


@contextmanager
def _damage_named(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # tarfile, zipfile and the decompressors raise a wide choice of them
        by_disk = isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)  # of places that can't be
        if by_disk or isinstance(error, BadInput):
            raise
        raise BadInput(f"{what} ({error})") from None


def _tar_members(archive: Path) -> ArchiveMembers:
    """Names of the members, each with the arguments of `Items.add`, or None for links; folders end in /."""
    with _damage_named(f"{archive}: a damaged archive"):
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
    check_bytes(size)
    data = read(start, size) if start >= 0 and size >= 0 else b""
    if len(data) != size:
        raise BadInput("damaged in its archive")
    return data


def _read_open(file: BinaryIO, lock: Lock, start: int, size: int) -> bytes:
    with lock:  # threads share the file's position
        file.seek(start)
        return file.read(size)


def _zip_members(archive: Path) -> ArchiveMembers:
    with _damage_named(f"{archive}: a damaged archive"):
        read = partial(_unzip, zipfile.ZipFile(archive))
        for number, member in enumerate(read.args[0].infolist()):
            yield member.filename, None if member.is_dir() else (read, number, member.file_size)


def _unzip(archive: zipfile.ZipFile, name: str, number: int, size: int) -> bytes:
    check_bytes(size)
    with _damage_named("damaged in its archive, or locked"):
        return archive.read(archive.infolist()[number])
