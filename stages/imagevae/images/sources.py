"""Where images come from: a folder of files, a tar or zip of them, a folder of archives, or another stage's shards."""

import os
from functools import partial
from pathlib import Path

from imagevae.cli.errors import BadInput
from imagevae.images.archives import ARCHIVES, add_archive
from imagevae.images.listing import EXTENSIONS, LEADS_OUT, Listing, Read, check_bytes, is_image, leads_out, read_part
from imagevae.images.manifest import MANIFEST, read_rows


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
        _add_folder(listing, source)
    elif source.is_file() and source.name.lower().endswith(ARCHIVES):
        add_archive(listing, source, "")
    else:
        raise BadInput(f"{source}: no such folder; it must be a folder, tar or zip of images")
    if not listing.items and not listing.rejected:
        raise BadInput(f"{source}: no image in it; their names must end in {' '.join(sorted(EXTENSIONS))}")
    listing.items.sort()
    return listing


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


def _read_part(file: Path, name: str, start: int, size: int) -> bytes:
    return read_part(file, start, size)


def _add_shards(listing: Listing, folder: Path) -> None:
    readers: dict[str, Read] = {}
    for row in read_rows(folder / MANIFEST):
        if leads_out(row.name):
            listing.rejected[row.name] = LEADS_OUT
        else:
            if row.file not in readers:
                readers[row.file] = partial(_read_part, folder / row.file)
            listing.items.add(row.name, readers[row.file], row.start, row.size, row.result)


def _add_folder(listing: Listing, source: Path) -> None:
    read, folders = partial(_read_file, source), [""]
    while folders:
        prefix, empty = folders.pop(), True
        with os.scandir(os.path.join(source, prefix)) as entries:
            for entry in entries:
                empty = False
                if _is_folder(entry):
                    folders.append(f"{prefix}{entry.name}/")
                else:
                    _add_entry(listing, entry, read, prefix + entry.name)
        listing.left_aside += empty


def _is_folder(entry: os.DirEntry) -> bool:
    return not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)


def _add_entry(listing: Listing, entry: os.DirEntry, read: Read, name: str) -> None:
    target = Path(entry.path) if entry.is_symlink() else entry  # of links, paths take loops for broken ones
    if entry.name.startswith(".") or (entry.is_symlink() and target.is_dir()):
        listing.left_aside += 1
    elif entry.name.lower().endswith(ARCHIVES) and target.is_file():
        archive = Path(entry.path)
        try:
            add_archive(listing, archive, f"{name}/")
        except BadInput as error:
            listing.rejected[name] = str(error).removeprefix(f"{archive}: ")
    elif not is_image(entry.name):
        listing.left_aside += 1
    elif target.is_file():
        listing.items.add(name, read)
    else:
        listing.rejected[name] = "a broken link" if entry.is_symlink() else "not a regular file"


def _read_file(folder: Path, name: str, start: int, size: int) -> bytes:
    with open(os.path.join(folder, name), "rb") as file:
        check_bytes(os.fstat(file.fileno()).st_size)
        return file.read()
