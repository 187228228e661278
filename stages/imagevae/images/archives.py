"""Images in archives: tars, compressed ones too, and zips.

No archive stays open: there may be more of them than a process can open files.
"""

import bz2
import errno
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from struct import Struct
from typing import IO, Any, BinaryIO

from imagevae.cli.errors import BadInput
from imagevae.images.left_aside import EMPTY, HIDDEN, LINK_MEMBER, OLDER_MEMBER, SPECIAL_MEMBER, kind_of
from imagevae.images.listing import (
    LEADS_OUT,
    MAX_BYTES,
    Listing,
    Read,
    check_bytes,
    is_image,
    leads_out,
    open_file,
    read_part,
)
from imagevae.images.unpacked import Unpacked, read_member

ARCHIVES = (
    *(".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.lzma", ".tlz"),
    ".zip",
)
MAX_HEADER = 2**20  # bytes of a long name or of attributes in a tar
NESTED = "not read: a nested archive; unpack it"
OPENERS: dict[bytes, Callable[..., Any]] = {  # of compressed tars, by how they begin
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x5d\0\0": lzma.open,
}
METHODS = {9: "Deflate64", 93: "Zstandard", 95: "xz", 98: "PPMd", 99: "AES"}  # of zips that Python does not unpack
UNREAD = {b"\x28\xb5\x2f\xfd": "Zstandard", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "RAR"}
Member = tuple[Read, int, int]  # the arguments of `Items.add`
Found = Member | str | None  # or the reason why it is not read, or nothing for a folder


def add_archive(listing: Listing, archive: Path, prefix: str) -> None:
    """Add the images of a tar or zip to a listing, each under its path there behind a prefix.

    Raises:
        BadInput: a damaged archive, one of a kind that is not read, or no room to unpack it.
        OSError: it can't be read.
    """
    images: dict[str, Member | str] = {}
    folders: set[PurePosixPath] = set()
    filled: set[PurePosixPath] = set()
    aside: dict[PurePosixPath, str] = {}
    for name, found in _members(listing, archive):
        path = PurePosixPath(name)
        filled.update(path.parents)
        hidden = [place for place, part in enumerate(path.parts) if part.startswith(".") and part != ".."]
        if hidden:
            aside[PurePosixPath(*path.parts[: hidden[0] + 1])] = HIDDEN
        elif found is None:
            folders.add(path)
        elif found in (LINK_MEMBER, SPECIAL_MEMBER):
            aside[path] = found  # type: ignore[assignment]
        elif path.name.lower().endswith(ARCHIVES) or is_image(path.name):
            if path.as_posix() in images:  # of members of the same name the last one counts
                listing.aside.add(OLDER_MEMBER)
            images[path.as_posix()] = found if is_image(path.name) else NESTED
        else:
            aside[path] = kind_of(path.name)
    for kind in (*aside.values(), *(EMPTY for _ in folders - filled)):
        listing.aside.add(kind)
    for name, found in images.items():
        if leads_out(name):
            listing.rejected[prefix + name] = LEADS_OUT
        elif isinstance(found, str):
            listing.rejected[prefix + name] = found
        else:
            listing.items.add(prefix + name, *found)


def _members(listing: Listing, archive: Path) -> Iterator[tuple[str, Found]]:
    """Names of the members, each with what was found."""
    with _damage_named(f"{archive}: a damaged archive, or none; replace it or take it out"), open_file(archive) as file:
        start = file.read(tarfile.BLOCKSIZE)
        file.seek(0)
        for sign, kind in UNREAD.items():
            if start.startswith(sign):
                raise BadInput(f"{archive}: not read: {kind}; unpack it, or make a zip of it")
        opener = next((opener for sign, opener in OPENERS.items() if start.startswith(sign)), None)
        if opener:
            with opener(file) as stream:
                yield from _compressed_members(listing, archive, stream)
        elif start.startswith(b"PK") or (archive.suffix.lower() == ".zip" and start[257:262] != b"ustar"):
            yield from _zip_members(archive, file)
        else:
            yield from _tar_members(archive, file)


@contextmanager
def _damage_named(what: str) -> Iterator[None]:
    try:
        yield
    except (BadInput, MemoryError):
        raise
    except Exception as error:  # tarfile, zipfile and the decompressors raise a wide choice of them
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # of places that can't be
            raise
        raise BadInput(f"{what} ({error})") from None


# Tars


class _Header(tarfile.TarInfo):
    """Headers of a tar, of which a damaged one is no end: tarfile takes it for one."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_Header":
        before = tar.offset
        try:
            member = super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the first block of the end mark
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
        if member.size < 0 or tar.offset <= before:
            raise tarfile.ReadError("bad header")
        return member

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.size < 0 or (not self.isreg() and self.type in METADATA and self.size > MAX_HEADER):
            raise tarfile.ReadError("bad header")
        return super()._proc_member(tar)  # type: ignore[misc]


METADATA = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)


def _tar_members(archive: Path, file: BinaryIO) -> Iterator[tuple[str, Found]]:
    read = partial(read_member, partial(read_part, archive))
    with tarfile.open(fileobj=file, mode="r:", tarinfo=_Header) as tar:
        yield from _found(tar, lambda member: (read, member.offset_data, member.size))
        file.seek(tar.offset)
        _check_end(archive, file)


def _compressed_members(listing: Listing, archive: Path, stream: BinaryIO) -> Iterator[tuple[str, Found]]:
    """No member of a compressed archive can be reached alone: images are unpacked into a file without a name."""
    if not isinstance(listing.unpacked, Unpacked):
        listing.unpacked = Unpacked()
    unpacked = listing.unpacked

    def unpack(member: tarfile.TarInfo) -> Found:
        path = PurePosixPath(member.name)
        if not is_image(path.name) or any(part.startswith(".") for part in path.parent.parts):
            return "a hard link to what is no image by its name"
        if member.size > MAX_BYTES:
            return f"{member.size} bytes, more than the {MAX_BYTES} that are read"
        return unpacked.read, unpacked.add(tar.extractfile(member), archive), member.size  # type: ignore[arg-type]

    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as tar:
        yield from _found(tar, unpack)
        file: Any = tar.fileobj
        file.seek(tar.offset + tarfile.BLOCKSIZE)
        _check_end(archive, file, blocks=1)


def _found(tar: tarfile.TarFile, place: Callable[[tarfile.TarInfo], Found]) -> Iterator[tuple[str, Found]]:
    files: dict[str, Found] = {}
    while member := tar.next():
        tar.members.clear()  # type: ignore[attr-defined]  # in which tarfile keeps all that it has seen
        found: Found
        if member.isdir():
            found = None
        elif member.issparse():
            found = "not read: a sparse member of its archive"
        elif member.isreg():
            found = files[member.name] = place(member)
        elif member.islnk():
            found = files[member.name] = files.get(member.linkname, "a hard link to nothing in its archive")
        else:
            found = LINK_MEMBER if member.issym() else SPECIAL_MEMBER
        yield member.name, found


def _check_end(archive: Path, file: IO[bytes], blocks: int = 2) -> None:
    """Look whether a tar has its end mark, two blocks of zeros, and nothing behind it."""
    if file.read(blocks * tarfile.BLOCKSIZE) != bytes(blocks * tarfile.BLOCKSIZE):
        raise BadInput(f"{archive}: a damaged archive: cut short, its end mark is missing; replace it or take it out")
    while block := file.read(2**16):
        if block.count(0) < len(block):
            raise BadInput(f"{archive}: has more behind its end mark, as joined archives do; unpack it with tar -i")


# Zips


def _zip_members(archive: Path, file: BinaryIO) -> Iterator[tuple[str, Found]]:
    starts = file.read(4) == b"PK\3\4"
    with zipfile.ZipFile(file) as opened:
        members = ZipMembers(archive)
        if starts and min((member.header_offset for member in opened.infolist()), default=1):
            raise BadInput(f"{archive}: has more before its first member, as joined archives do; unpack each")
        for number, member in enumerate(opened.infolist()):
            members.add(member)
            found: Found = members.read, number, member.file_size
            if member.is_dir():
                found = None
            elif stat.S_ISLNK(member.external_attr >> 16):
                found = LINK_MEMBER
            yield member.filename, found


class ZipMembers:
    """The directory of a zip, in little memory, and reading by it (PKWARE's APPNOTE.TXT, 4.3)."""

    ENTRY = Struct("=QQIHH")  # start of the header, packed size, checksum, method, flags
    HEADER = Struct("<4s22xHH")  # signature, size of the name and of other attributes

    def __init__(self, archive: Path):
        self.archive, self._entries = archive, bytearray()

    def add(self, member: zipfile.ZipInfo) -> None:
        entry = member.header_offset, member.compress_size, member.CRC, member.compress_type, member.flag_bits
        self._entries += self.ENTRY.pack(*entry)

    def read(self, name: str, number: int, size: int) -> bytes:
        start, packed, checksum, method, flags = self.ENTRY.unpack_from(self._entries, number * self.ENTRY.size)
        if flags & 1:
            raise BadInput("locked by a password in its archive")
        check_bytes(max(size, packed))
        with _damage_named("damaged in its archive"):
            if method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return self._read_slowly(number, method)
            with open_file(self.archive) as file:
                file.seek(start)
                signature, *lengths = self.HEADER.unpack(file.read(self.HEADER.size))
                file.seek(sum(lengths), os.SEEK_CUR)
                data = file.read(packed)
            if method == zipfile.ZIP_DEFLATED:
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
            if signature != b"PK\3\4" or len(data) != size or zlib.crc32(data) != checksum:
                raise BadInput("damaged in its archive")
            return data

    def _read_slowly(self, number: int, method: int) -> bytes:
        try:
            with zipfile.ZipFile(self.archive) as opened:
                return opened.read(opened.infolist()[number])
        except NotImplementedError:
            name = METHODS.get(method, f"method {method}")
            raise BadInput(f"not read: {name}, by which its archive is compressed; unpack it") from None

    def __reduce__(self) -> Any:
        raise TypeError(f"{self.archive} is not sent to other machines")  # its directory would go with each image
