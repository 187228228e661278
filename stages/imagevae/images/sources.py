"""Where images come from: a folder of files, a tar or zip of them, a folder of archives, or another stage's shards."""

import errno
import os
from functools import partial
from pathlib import Path

from imagevae.cli.errors import BadInput
from imagevae.cli.ours import MARK, is_manifest
from imagevae.cli.output import check_whole
from imagevae.images.archives import ARCHIVES, add_archive
from imagevae.images.left_aside import EMPTY, HIDDEN, LINK_AGAIN, LINK_OUT, advice, in_words
from imagevae.images.listing import (
    Listing,
    Read,
    extensions,
    is_image,
    kind_of_file,
    read_file,
    read_part,
)
from imagevae.images.manifest import MANIFEST, check_names, read_head, read_rows


def list_source(source: Path) -> Listing:
    """List the images of a folder or archive.

    What counts as an image is decided by the extension of its name. Archives inside a folder count as folders. Links to
    files are followed wherever they lead. Links to folders are followed where these lie inside the source and would not
    be read otherwise, so that no loop can arise, no image comes twice, and nothing is read that DVC does not track.

    Raises:
        BadInput: no such folder or archive, a damaged archive, a damaged manifest, or no image at all.
        OSError: a folder can't be read.
    """
    listing = Listing()
    if source.is_dir():
        check_whole(source)
        if is_manifest(source / MANIFEST):
            _add_shards(listing, source)
        else:
            _add_folder(listing, source)
    elif source.is_file() and source.name.lower().endswith(ARCHIVES):
        add_archive(listing, source, "")
    else:
        kind = kind_of_file(source.stat().st_mode) if source.exists() else ""
        what = f"{kind}, not named as an archive" if kind else "no such folder"
        raise BadInput(f"{source}: {what}; it must be a folder, tar or zip of images")
    if not listing.items and not listing.rejected:
        found = f" ({in_words(listing.aside)} in it)" if listing.aside else ""
        names = " ".join(sorted(extensions()))
        raise BadInput(f"{source}: no image in it{found}; their names must end in {names}{advice(listing.aside)}")
    listing.items.sort()
    return listing


def state(source: Path) -> int:
    """A number for the files of a source: it changes when one is added, removed, or differs in size, time or inode.

    Folders that links lead to are those inside of the source, see `list_source`, and so are looked at as well.

    Raises:
        OSError: the source is gone, or a folder can't be read.
    """
    if not source.is_dir():
        return _state("", source.stat())
    total, folders = 0, [str(source)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    followed = entry.is_symlink() and os.path.isfile(entry.path)
                    total += _state(entry.path, os.stat(entry.path) if followed else entry.stat(follow_symlinks=False))
    return total


def _state(path: str, result: os.stat_result) -> int:
    return hash((path, result.st_size, result.st_mtime_ns, result.st_ino))


def _add_shards(listing: Listing, folder: Path) -> None:
    manifest, ends = folder / MANIFEST, dict[str, int]()
    readers: dict[str, Read] = {}
    read_head(manifest)  # which is looked through
    for row in read_rows(manifest):
        if row.file not in readers:
            readers[row.file] = partial(_read_part, folder / row.file)
            ends[row.file] = shard_bytes(manifest, row.file)
        if row.start + row.size > ends[row.file]:
            raise BadInput(
                f"{manifest}: {row.name!r} is to end behind the end of {row.file}; run the stage before again"
            )
        listing.items.add(row.name, readers[row.file], row.start, row.size, row.result)
    listing.items.sort()
    check_names(manifest, listing.items.names)


def shard_bytes(manifest: Path, shard: str) -> int:
    """The size of a shard that a manifest names.

    Raises:
        BadInput: there is no such file.
    """
    file = manifest.with_name(shard)
    if not file.is_file():
        raise BadInput(f"{manifest}: names {shard!r}, and there is no such file; run the stage before again")
    return file.stat().st_size


def _read_part(file: Path, name: str, start: int, size: int) -> bytes:
    return read_part(file, start, size)


def _add_folder(listing: Listing, source: Path) -> None:
    read, root = partial(_read_file, source), os.path.realpath(source)
    folders, links, seen = [""], list[str](), set[tuple[int, int]]()
    while folders or links:
        if folders:
            prefix = folders.pop()
        else:  # all real folders have been read, so that links add what lies in hidden ones alone
            links.sort(reverse=True)
            prefix = links.pop()
            if not f"{os.path.realpath(os.path.join(source, prefix))}/".startswith(f"{root}/"):
                listing.aside.add(LINK_OUT)
                continue
        found, empty = os.stat(os.path.join(source, prefix)), True
        if (found.st_dev, found.st_ino) in seen:
            listing.aside.add(LINK_AGAIN)
            continue
        seen.add((found.st_dev, found.st_ino))
        with os.scandir(os.path.join(source, prefix)) as entries:
            for entry in entries:
                empty = False
                name = prefix + entry.name
                if entry.name.startswith("."):
                    if name != MARK:
                        listing.aside.add(HIDDEN)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(f"{name}/")
                elif entry.is_symlink() and os.path.isdir(entry.path):
                    links.append(f"{name}/")
                else:
                    _add_file(listing, entry, read, name)
        if empty:
            listing.aside.add(EMPTY)


def _add_file(listing: Listing, entry: os.DirEntry, read: Read, name: str) -> None:
    is_archive = entry.name.lower().endswith(ARCHIVES)
    if not is_archive and not is_image(entry.name):
        listing.aside.add_name(entry.name)
    elif not (os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()):
        listing.rejected[name] = _fault(entry)
    elif is_archive:
        add_archive(listing, Path(entry.path), f"{name}/")
    else:
        listing.items.add(name, read, size=entry.stat().st_size)


def _fault(entry: os.DirEntry) -> str:
    """Why what has the name of an image or archive is no file.

    Raises:
        OSError: it can't be told, for want of permission say.
    """
    try:
        return f"{kind_of_file(entry.stat().st_mode)}, not a file"
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            raise
        return "a broken link"


def _read_file(folder: Path, name: str, start: int, size: int) -> bytes:
    return read_file(os.path.join(folder, name))
