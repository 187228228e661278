"""What the last run of a stage wrote, from dvc.lock and DVC's own cache.

Everything here is an offer: where anything is missing (no DVC, no lock, an emptied cache, another branch), there is
nothing to reuse and the stage does its full work.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path

import yaml

from imagevae.errors import BadInput
from imagevae.manifest import MANIFEST, Manifest, Row, read_manifest


@dataclass
class Previous:
    """The last version of an output, as far as it was made by the same recipe.

    Attributes:
        files: where DVC's cache keeps the output's files, by their names.
        images: by the digest of the source image, what became of it.
        shards: by the file's name, its rows in their order.
        rejected: by the digest of the source image, why it was not used.
    """

    files: dict[str, Path] = field(default_factory=dict)
    images: dict[str, Row] = field(default_factory=dict)
    shards: dict[str, list[Row]] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)

    def of(self, digests: Iterable[str | None]) -> "Previous":
        """What concerns source images of these digests; everything where one of them is not known yet."""
        wanted = {digest or "" for digest in digests}
        if "" in wanted:
            return self
        images = {digest: self.images[digest] for digest in wanted & self.images.keys()}
        rejected = {digest: self.rejected[digest] for digest in wanted & self.rejected.keys()}
        return Previous({row.file: self.files[row.file] for row in images.values()}, images, {}, rejected)


def find_previous(output: Path, recipe: dict[str, object]) -> Previous:
    """What the last run of the running DVC stage wrote to `output`, if by the same recipe; else nothing."""
    try:
        files = _cached_files(output)
        manifest = read_manifest(files[MANIFEST])
    except (OSError, KeyError, ValueError, TypeError, yaml.YAMLError, BadInput):
        return Previous()
    if manifest.recipe != recipe:
        return Previous()
    return _index(files, manifest)


def _index(files: dict[str, Path], manifest: Manifest) -> Previous:
    previous = Previous(files)
    sizes = {name: file.stat().st_size for name, file in files.items() if file.is_file()}
    for row in manifest.rows:
        if row.start + row.size <= sizes.get(row.file, 0):
            previous.images[row.source] = row
            previous.shards.setdefault(row.file, []).append(row)
    for rows in previous.shards.values():
        rows.sort(key=lambda row: row.row)
    previous.rejected = dict(manifest.rejected.values())
    return previous


def _cached_files(output: Path) -> dict[str, Path]:
    """The files of the last version of an output of the running stage, by name, where DVC's cache keeps them.

    Raises:
        KeyError, OSError, ValueError, TypeError, yaml.YAMLError: something is missing or not as expected.
    """
    root, address = Path(os.environ["DVC_ROOT"]), os.environ["DVC_STAGE"]
    folder, _, name = address.rpartition(":")
    lock = yaml.load((root / (folder or "dvc.yaml")).with_name("dvc.lock").read_bytes(), _Loader)
    [folder_digest] = [out["md5"] for out in lock["stages"][name]["outs"] if out["path"] == output.as_posix()]
    cache = _cache(root)

    def place(digest: str) -> Path:
        return cache / digest[:2] / digest[2:]

    return {entry["relpath"]: place(entry["md5"]) for entry in json.loads(place(folder_digest).read_bytes())}


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _cache(root: Path) -> Path:
    from dvc.config import Config

    folder = Config(dvc_dir=str(root / ".dvc"))["cache"].get("dir")
    return Path(folder or root / ".dvc" / "cache") / "files" / "md5"


def copy_whole(cached: Path, file: Path) -> bool:
    """Copy a file of DVC's cache, and tell whether it is whole: there it is named by the MD5 of its content."""
    digest = md5()
    try:
        with cached.open("rb") as source, file.open("wb") as target:
            while block := source.read(2**20):
                digest.update(block)
                target.write(block)
    except FileNotFoundError:
        return False
    return digest.hexdigest() == cached.parent.name + cached.name


def known_digests(folder: Path, names: list[str]) -> dict[str, str]:
    """MD5 of some files of a folder, as DVC determined them when it started the stage, of those that did not change.

    DVC remembers them by time, size and inode, so this reads no file. Empty outside DVC.

    Args:
        names: paths of the files inside the folder, with forward slashes.
    """
    if "DVC_ROOT" not in os.environ:
        return {}
    from dvc.repo import Repo

    paths = {os.path.join(os.path.abspath(folder), *name.split("/")): name for name in names}
    with Repo(os.environ["DVC_ROOT"]) as repo:
        known = repo.cache.local.state.get_many(paths, repo.fs, {})
        return {paths[path]: digest.value for path, _, digest in known if digest and digest.name == "md5"}
