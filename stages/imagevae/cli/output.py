"""Outputs that are either whole or not there at all, and that hold what one run made and nothing else."""

import errno
import fcntl
import os
import shutil
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from imagevae.cli.errors import BadInput
from imagevae.cli.ours import (
    MARK,
    entries_of,
    foreign_entry,
    format_mark,
    listed,
    read_mark,
    sign,
)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BUSY = (errno.EACCES, errno.EAGAIN)  # of locks that others hold
FLOCK = "hhqqi"  # struct flock of Linux's fcntl.h
_made_here: set[Path] = set()  # output folders of this process


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well, that folder takes the place of `folder`.

    What an earlier run made there goes as a whole. The new folder is built beside the old one and then swapped with it:
    a run that is killed leaves either of them, whole, and the next run clears up. When the block fails, the old folder
    stays as it was. Where a folder can't be renamed, as a mount point can't, its files are exchanged one by one.

    Raises:
        BadInput: the folder is neither new nor empty nor an output of ours, or somebody put files into it; or another
            run is writing it.
        OSError: the folder can't be written, or the disk is full.
    """
    place = Path(os.path.realpath(folder))
    fixed = _is_fixed(place)
    partial = place / f"{MARK}.partial" if fixed else _partial(place)
    old = place.with_name(f"{_partial(place).name}.old")
    _clear(partial, old, place, folder)
    check_output(folder)
    if place in _made_here:
        raise BadInput(f"{folder}: named for two outputs; each needs a folder of its own")
    partial.mkdir(parents=True)
    try:
        with _lock(partial / MARK, folder) as mark:
            with _named(folder):
                yield partial
                _seal(partial, mark)
            check_output(folder)  # again, because runs can be long
            if fixed:
                _exchange_files(partial, place)
            else:
                _swap(partial, place, old)
        _made_here.add(place)
        _note(place)
    finally:
        _remove(partial)
        if place.exists():
            _remove(old)


def check_output(folder: Path | None) -> None:
    """Look whether `new_folder` may replace a folder, without touching anything; None stands for no folder.

    Raises:
        BadInput: it may not.
    """
    if folder is None or not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise BadInput(f"{folder}: not a folder; name a new or an empty one for the output")
    if (name := foreign_entry(folder)) is not None:
        raise BadInput(f"{folder}: holds {name!r}, which no stage made; name a new or an empty folder for the output")


def check_whole(folder: Path) -> None:
    """Raise BadInput where a run was killed while it exchanged the files of a folder one by one."""
    if not (read_mark(folder) or {}).get("whole", True):
        raise BadInput(f"{folder}: half-written by a run that was killed; run the stage before again")


@contextmanager
def sole_writer(output: Path, beside: Path | None = None) -> Iterator[None]:
    """Keep other processes from working on an output, a file or a folder, for as long as this one does.

    The lock is the operating system's, and ends with the process.

    Args:
        beside: a path to put the locked file beside, where it can't be beside the output.

    Raises:
        BadInput: another process works on it.
        OSError: the folder can't be written.
    """
    place = Path(os.path.realpath(beside or output))
    file, made = _partial(place.with_name(f"{place.name}.lock")), not place.parent.exists()
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _lock(file, output) as opened:
            if not os.path.lexists(file) or not os.path.samestat(os.fstat(opened.fileno()), os.stat(file)):
                raise BadInput(f"{output}: another run has ended just now; run this one again")
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
    finally:
        if made:
            with suppress(OSError):
                place.parent.rmdir()


def write_file(file: Path, content: bytes) -> None:
    """Write a file, and its folder where it is missing, so that it is never seen half-written.

    Raises:
        OSError: the file can't be written, or the disk is full.
    """
    _replace(file, content)
    _note(Path(os.path.realpath(file)))


def _replace(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(file)
    try:
        with _named(file):
            partial.write_bytes(content)
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


# Signing what was made


def _seal(folder: Path, mark: BinaryIO) -> None:
    """Sign what a folder holds, or list it in the folder's mark, which goes where it is not needed."""
    made = set(entries_of(folder)) - {MARK}
    if made <= listed(folder) or all(sign(folder, name) for name in made):
        (folder / MARK).unlink()
    else:
        mark.write(format_mark(made))
        mark.flush()


def _note(path: Path) -> None:
    """Sign what was written inside of an output folder of this process later on, or add it to the folder's mark."""
    for place in _made_here.intersection(path.parents):
        name = path.relative_to(place)
        made = {name.as_posix(), *(parent.as_posix() for parent in name.parents)} - {"."}
        if path.is_dir():
            made |= {f"{name.as_posix()}/{entry}" for entry in entries_of(path)}
        if not all(sign(place, entry) for entry in made):
            _replace(place / MARK, format_mark((listed(place) | made) - {MARK}))


# Clearing up, and changing places


def _is_fixed(place: Path) -> bool:
    """Whether a folder should not be renamed: it is mounted, holds the current folder, or lies in one of others."""
    here = Path(os.path.realpath("."))
    return place.is_dir() and (
        os.path.ismount(place) or place in (here, *here.parents) or not os.access(place.parent, os.W_OK | os.X_OK)
    )


def _clear(partial: Path, old: Path, place: Path, folder: Path) -> None:
    """Clear up after a run that was killed: its unfinished folder goes, and an old one that had to make way returns."""
    for path in (partial, old):
        if os.path.lexists(path) and not _is_leftover(path):
            raise BadInput(f"{path}: in the way, and no stage made it; move it elsewhere")
    if partial.exists():
        with _lock(partial / MARK, folder):
            _remove(partial)
    if old.exists():
        if place.exists() or ((old / MARK).is_file() and read_mark(old) is None):  # its removal had begun
            _remove(old)
        else:
            old.rename(place)


def _is_leftover(path: Path) -> bool:
    if path.is_symlink() or not path.is_dir():
        return False
    return (path / MARK).is_file() or foreign_entry(path) is None


@contextmanager
def _lock(file: Path, folder: Path) -> Iterator[BinaryIO]:
    """Lock a mark for as long as this process writes its folder; processes that it forks do not inherit the lock."""
    with file.open("ab") as opened:
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in BUSY:  # otherwise the file system has no locks
                raise BadInput(f"{folder}: another run is writing it{_holder(opened)}; wait for its end") from None
        yield opened


def _holder(locked: BinaryIO) -> str:
    """The process that holds a lock, in words, where the system tells."""
    if sys.platform != "linux":
        return ""
    asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    process = struct.unpack(FLOCK, fcntl.fcntl(locked, fcntl.F_GETLK, asked))[-1]
    return f", process {process}" if process > 0 else ""


def _swap(partial: Path, place: Path, old: Path) -> None:
    try:
        if place.exists():
            shutil.copymode(place, partial)
            place.rename(old)
        partial.rename(place)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        _exchange_files(partial, place)  # a mount point that does not look like one
    finally:
        if old.exists() and not place.exists():
            old.rename(place)


def _exchange_files(partial: Path, place: Path) -> None:
    """Put the entries of one folder in place of those of another, which is marked as half-written meanwhile."""
    made = set(entries_of(partial))
    mark = (partial / MARK).read_bytes() if MARK in made else b""
    _replace(place / MARK, format_mark((made | set(entries_of(place))) - {MARK}, whole=False))
    for path in list(place.iterdir()):
        if path != partial and path.name != MARK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in list(partial.iterdir()):
        if path.name != MARK:
            shutil.move(path, place)
    if mark:
        _replace(place / MARK, mark)
    else:
        (place / MARK).unlink()


def _remove(folder: Path) -> None:
    """Remove a folder, as far as possible. Its mark goes last: what is left after a kill can be told by it."""
    try:
        (folder / MARK).write_bytes(b"")
        for entry in os.scandir(folder):
            if entry.name != MARK:
                shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)
        (folder / MARK).unlink()
        folder.rmdir()
    except OSError:
        pass


@contextmanager
def _named(output: Path) -> Iterator[None]:
    """Name the output in the error of a full disk, which does not say by itself what was written."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL and not error.filename:
            error.filename = str(output)
        raise


def _partial(path: Path) -> Path:
    name = os.fsdecode(os.fsencode(path.name)[:240])  # names may have 255 bytes
    return path.with_name(f".{name}.partial")
