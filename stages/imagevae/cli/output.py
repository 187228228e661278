"""Outputs that are either whole or not there at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well, its files become those of `folder`.

    Where `folder` is new it appears in one step. Where it exists, files of the same name are replaced, one atomic
    step each, and all others stay. When the block fails, nothing of it remains.

    Raises:
        OSError: the folder can't be written, or the disk is full.
    """
    exists = folder.is_dir()
    partial = folder / ".partial" if exists else _partial(folder)
    if partial.exists():
        shutil.rmtree(partial)  # of a run that was killed
    partial.mkdir(parents=True)
    try:
        with _named(folder):
            yield partial
        if not exists:
            partial.rename(folder)
            return
        for file in sorted(path for path in partial.rglob("*") if path.is_file()):
            target = folder / file.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_file(file: Path, content: bytes) -> None:
    """Write a file, and its folder where it is missing, so that it is never seen half-written.

    Raises:
        OSError: the file can't be written, or the disk is full.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(file)
    try:
        with _named(file):
            partial.write_bytes(content)
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


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
