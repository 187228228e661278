"""Which files stages have made: what may be replaced, and what is somebody's own."""

import json
import os
import re
from collections.abc import Collection, Iterator
from hashlib import md5
from pathlib import Path

SIGNATURE = (
    "user.dvc-vae"  # an attribute of files and folders in an output: they are there because a stage put them there
)
MARK = ".dvc-vae"  # where the file system has no attributes, a file in the output that lists them
MANIFEST = "manifest.jsonl"  # lists shards, which need neither


def foreign_entry(folder: Path) -> str | None:
    """A file or folder inside of a folder that no run of ours made, or None."""
    made = listed(folder)
    left = (
        f"{MARK}.partial",
        f".{MARK}.partial",
    )  # by a run that was killed while it exchanged files or wrote the mark
    for name in entries_of(folder):
        if name not in made and name.split("/")[0] not in left and not _is_signed(folder, name):
            return name
    return None


def sign(folder: Path, name: str) -> bool:
    """Sign a file or folder with its place in an output, and return whether that is possible here."""
    try:
        os.setxattr(folder / name, SIGNATURE, _signature(name))
    except (OSError, AttributeError):
        return False
    return True


def _is_signed(folder: Path, name: str) -> bool:
    try:
        return os.getxattr(folder / name, SIGNATURE, follow_symlinks=False) == _signature(name)
    except (OSError, AttributeError):
        return False


def _signature(name: str) -> bytes:
    return md5(os.fsencode(name)).digest()


def listed(folder: Path) -> set[str]:
    """What a mark or a manifest of ours says that a run made in a folder, as `entries_of` names it."""
    if (mark := read_mark(folder)) is not None:
        return {MARK, *mark["made"]}
    if (head := _head(folder / MANIFEST)) is None:
        return set()
    shards = head.get("shards")
    if not (shards and isinstance(shards, dict)):
        shards = filter(re.compile(r"\d{5,}\.npy").fullmatch, os.listdir(folder))
    return {MANIFEST, *shards}


def read_mark(folder: Path) -> dict | None:
    file = folder / MARK
    if file.is_symlink() or not file.is_file():
        return None
    try:
        mark = json.loads(file.read_bytes())
        return mark if isinstance(mark["made"], list) and set(map(type, mark["made"])) <= {str} else None
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def _head(file: Path) -> dict | None:
    """The first line of a manifest of ours, or None if it is none; nothing in it where it is damaged."""
    if not file.is_file():
        return None
    with file.open("rb") as opened:
        start = opened.read(12)
        if not start.startswith(b'{"recipe": {'):
            return None
        line = start + opened.readline()
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return head if {"recipe", "counts", "rejected", "shards", "columns"} <= head.keys() else None


def entries_of(folder: Path) -> Iterator[str]:
    """Paths of all files and folders inside a folder, with forward slashes; links are not followed.

    Raises:
        OSError: a folder can't be read.
    """
    folders = [""]
    while folders:
        prefix = folders.pop()
        with os.scandir(os.path.join(folder, prefix)) as entries:
            for entry in entries:
                yield prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{prefix}{entry.name}/")


def is_manifest(file: Path) -> bool:
    """Whether a file is a manifest of ours, by its first line: other programs have files of that name as well.

    Raises:
        OSError: it can't be read.
    """
    return _head(file) is not None


def format_mark(made: Collection[str], whole: bool = True) -> bytes:
    return f"{json.dumps({'made': sorted(made), 'whole': whole}, indent=0)}\n".encode()
