"""What the last run of a stage wrote, from dvc.lock and DVC's own cache.

Everything here is an offer: where anything is missing (no DVC, no lock, an emptied cache, another branch), there is
nothing to reuse and the stage does its full work.
"""

import json
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import Any, BinaryIO

from imagevae.cli.errors import BadInput
from imagevae.images.manifest import MANIFEST, Head, Row, ShardEntry, read_entries, read_head, read_rows

SOME = 4096  # files asked for at once


@dataclass(frozen=True)
class Previous:
    """The last version of an output, as far as it was made by the same recipe.

    Attributes:
        files: where DVC's cache keeps the output's files, by their names.
        head: of its manifest; without shards where there is nothing to reuse.
    """

    files: dict[str, Path] = field(default_factory=dict)
    head: Head = field(default_factory=lambda: Head({}, {}, {}, {}))

    def entries(self, names: Collection[str]) -> Iterator[tuple[str, ShardEntry, bytes]]:
        """Some shards: the name, the entry and the rows as they stand in the manifest."""
        for name, lines in read_entries(self.files[MANIFEST], self.head) if names else ():
            if name in names:
                yield name, self.head.shards[name], lines

    def images(self, digests: Collection[str]) -> "Reusable":
        """What became of source images of these digests; of all where one of them is empty, which is of any."""
        if not self.head.shards or not digests:
            return Reusable()
        rows = read_rows(self.files[MANIFEST], None if "" in digests else digests)
        rejected = {digest: reason for digest, reason in self.head.rejected.values() if digest}
        try:
            images = {row.source: row for row in rows if row.file in self.files}
        except BadInput:
            return Reusable()
        notes = dict(self.head.notes.values())
        return Reusable(self.files, images, rejected, notes)


@dataclass(frozen=True)
class Reusable:
    """What became of images in the last run.

    Attributes:
        files: where the files are, by their names.
        images: by the digest of the source image, its row.
        rejected: by the digest of the source image, why it was not used.
        notes: by the digest of the source image, what is to be known of it besides.
    """

    files: dict[str, Path] = field(default_factory=dict)
    images: dict[str, Row] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def of(self, digests: Collection[str]) -> "Reusable":
        """What concerns source images of these digests; everything where one of them is empty."""
        if "" in digests:
            return self
        images = {digest: self.images[digest] for digest in digests if digest in self.images}
        rejected = {digest: self.rejected[digest] for digest in digests if digest in self.rejected}
        notes = {digest: self.notes[digest] for digest in digests if digest in self.notes}
        return Reusable({row.file: self.files[row.file] for row in images.values()}, images, rejected, notes)


def find_previous(output: Path, recipe: dict[str, object]) -> Previous:
    """What the last run of the running DVC stage wrote to `output`, if by the same recipe; else nothing."""
    try:
        files = _cached_files(output)
        head = read_head(files[MANIFEST]) if _is_whole(files[MANIFEST]) else Head({}, {}, {}, {})
    except (OSError, KeyError, ValueError, TypeError, BadInput):
        return Previous()
    return Previous(files, head) if head.recipe == recipe else Previous()


def _cached_files(output: Path) -> dict[str, Path]:
    """The files of the last version of an output of the running stage, by name, where DVC's cache keeps them.

    Raises:
        KeyError, OSError, ValueError, TypeError: something is missing or not as expected.
    """
    root, address = Path(os.environ["DVC_ROOT"]), os.environ["DVC_STAGE"]
    declared, _, name = address.rpartition(":")  # of dvc.yaml, DVC gives the path from where it was called
    beside = Path("dvc.lock")  # a stage runs where its dvc.yaml is, unless that names another folder
    lock = _read_lock(beside if beside.is_file() else (root / (declared or "dvc.yaml")).with_name("dvc.lock"))
    [folder_digest] = [out["md5"] for out in lock["stages"][name]["outs"] if out["path"] == output.as_posix()]
    cache = _cache(root)

    def place(digest: str) -> Path:
        return cache / digest[:2] / digest[2:]

    return {entry["relpath"]: place(entry["md5"]) for entry in json.loads(place(folder_digest).read_bytes())}


def _read_lock(file: Path) -> Any:
    import yaml  # which takes a while, and outside of DVC nothing is read

    try:
        return yaml.load(file.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: no YAML") from error


def _cache(root: Path) -> Path:
    from dvc.config import Config

    folder = Config(dvc_dir=str(root / ".dvc"))["cache"].get("dir")
    return Path(folder or root / ".dvc" / "cache") / "files" / "md5"


def copy_whole(cached: Path, file: Path) -> bool:
    """Copy a file of DVC's cache, and return whether it is whole: there it is named by the MD5 of its content."""
    try:
        with cached.open("rb") as source, file.open("wb") as target:
            return _digest(source, target.write) == cached.parent.name + cached.name
    except FileNotFoundError:
        return False


def _is_whole(cached: Path) -> bool:
    with cached.open("rb") as source:
        return _digest(source) == cached.parent.name + cached.name


def _digest(source: BinaryIO, also: Callable[[bytes], object] = lambda block: None) -> str:
    digest = md5()
    while block := source.read(2**20):
        digest.update(block)
        also(block)
    return digest.hexdigest()


def known_digests(folder: Path, names: Sequence[str]) -> Iterator[str]:
    """MD5 of files of a folder, as DVC determined them when it started the stage; nothing of those that it does not
    know, or that changed since.

    DVC remembers them by time, size and inode, so this reads no file.

    Args:
        names: paths of the files inside the folder, with forward slashes.

    Returns:
        in the order of the names; empty outside of DVC.
    """
    if "DVC_ROOT" not in os.environ:
        return
    from dvc.repo import Repo

    root = os.path.abspath(folder)
    with Repo(os.environ["DVC_ROOT"]) as repo:
        state = repo.cache.local.state
        for start in range(0, len(names), SOME):
            paths = [os.path.join(root, *name.split("/")) for name in names[start : start + SOME]]
            found = state.get_many(paths, repo.fs, _facts(paths))
            known = {path: digest.value for path, _, digest in found if digest and digest.name == "md5"}
            yield from (known.get(path, "") for path in paths)


def _facts(paths: list[str]) -> dict[str, dict[str, Any]]:
    """What DVC asks of each file; of links it asks itself."""
    facts = {}
    for path in paths:
        with suppress(OSError):
            found = os.lstat(path)
            if stat.S_ISREG(found.st_mode):
                facts[path] = {"type": "file", "size": found.st_size, "ino": found.st_ino, "mtime": found.st_mtime}
    return facts
