"""Converting a source of images into a folder of images or of shards, image by image, doing no work twice."""

import ctypes
import errno
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import md5
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from tqdm import tqdm

from imagevae.cluster import on_cluster
from imagevae.contact_sheet import GREY, TILE, contact_sheet, evenly_spaced
from imagevae.errors import BadInput
from imagevae.images import decode, encode_png, flatten, quiet_decoders
from imagevae.loaded_code import code_digest
from imagevae.manifest import MANIFEST, Manifest, Row, write_manifest
from imagevae.output import new_folder, write_file
from imagevae.plain import file_name
from imagevae.reuse import Previous, copy_whole, find_previous, known_digests
from imagevae.shards import ArrayShard, TarShard, shard_count, shard_of
from imagevae.sources import Item, Listing, list_source, read_part, state
from imagevae.square import fit_square

Pixels = NDArray[np.uint8]
SHOWN = 64  # images on the contact sheet, at most
TOGETHER = 4  # images that a thread converts before it hands them over, which takes time as well
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
UNFIT_NAME = (errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EILSEQ)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Recipe:
    """What an image stage does.

    Attributes:
        convert: from the bytes of an image file to the image's size upright, (width, height), and the bytes that become
            of it: a PNG or JPEG file, or an array. Raises BadInput for what is no image.
        parameters: all that the result depends on besides those bytes and the code.
        square: width and height of all results where they are arrays, uint8 (square, square, 3), RGB; None for files.
    """

    convert: Callable[[bytes], tuple[tuple[int, int], bytes]]
    parameters: dict[str, object]
    square: int | None = None


@dataclass(frozen=True)
class Result:
    """What became of an image.

    Attributes:
        name: path of the image inside its source.
        source: MD5 of its bytes.
        size: its width and height, upright, in pixels.
        content: the bytes to write, of a file or of an array; none where the image was rejected.
        digest: MD5 of the content.
        reason: why it was rejected, or nothing.
    """

    name: str
    source: str
    size: tuple[int, int] = (0, 0)
    content: bytes = b""
    digest: str = ""
    reason: str = ""


@dataclass
class Written:
    """What was written, or a choice of it: a file, the start and the size there; and what was rejected, why."""

    places: list[tuple[str, int, int]] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ShardWork:
    """All that it takes to make one shard, here or on another machine.

    Attributes:
        file: where to write it.
        items: its images, in their order.
        recipe: what becomes of them.
        previous: what may be taken from the last run.
    """

    file: Path
    items: list[Item]
    recipe: Recipe
    previous: Previous


@dataclass
class Shard:
    """What a shard holds, and by their names the images that were rejected, each with its digest and the reason."""

    rows: list[Row] = field(default_factory=list)
    rejected: dict[str, tuple[str, str]] = field(default_factory=dict)


def convert_source(
    source: Path,
    output: Path,
    recipe: Recipe,
    sharded: bool,
    max_rejected: float,
    sheet: Path | None,
    scheduler: str = "",
) -> None:
    """Convert each image of a source.

    Args:
        source: folder or archive, see `list_source`.
        output: folder for a file for each image, at the same place; or for shards and their manifest.
        sharded: whether to write shards. As a stage of DVC, this reuses what the last run left in DVC's cache.
        max_rejected: share of the images that may be unusable; they are left out and listed on stderr.
        sheet: PNG file for a contact sheet of the results, or None.
        scheduler: address of a Dask scheduler whose workers are to make the shards; empty for threads of this process.

    Raises:
        BadInput: no images, too many that can't be used, one that can't be read or that changes meanwhile, two folders
            of which one lies in the other, or no cluster.
        OSError: the output can't be written, or the disk is full.
        In both cases nothing is written.
    """
    keep_freed_memory()
    refuse_nested(source, output)
    if scheduler and not sharded:
        raise BadInput("--scheduler: a cluster makes shards; add --format shards")
    before = state(source)
    listing = list_source(source.absolute() if scheduler else source)
    with quiet_decoders(), new_folder(output) as folder:
        if sharded:
            written = write_shards(listing, source, output, folder.absolute(), recipe, scheduler)
        else:
            written = write_files(listing, folder, recipe)
        if state(source) != before:  # DVC takes the source as it is in the end for what was read
            raise BadInput(f"{source}: changed while the stage was running; run it again")
        report(listing, written.rejected, max_rejected, source)
        tiles = read_tiles(folder, written, recipe.square) if sheet else []
    if sheet:
        write_file(sheet, encode_png(contact_sheet(tiles)))


def refuse_nested(source: Path, output: Path) -> None:
    inner, outer = source.resolve(), output.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise BadInput(f"{output}: --output must lie outside of --input {source}, and --input outside of it")


def write_files(listing: Listing, folder: Path, recipe: Recipe) -> Written:
    """Write each result as a file at the place of its image."""
    written = Written(rejected=dict(listing.rejected))
    with tqdm(total=len(listing.items), unit="image", disable=None) as bar:
        for result in convert_items(listing.items, recipe, Previous(), cores()):
            bar.update()
            if result.reason:
                written.rejected[result.name] = result.reason
                continue
            name = file_name(result.name, result.content)
            try:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(result.content)
            except OSError as error:
                if error.errno not in UNFIT_NAME:
                    raise
                written.rejected[result.name] = f"no file of its name can be written ({error.strerror}); use shards"
                continue
            written.places.append((name, 0, len(result.content)))
    return written


def write_shards(listing: Listing, source: Path, output: Path, folder: Path, recipe: Recipe, scheduler: str) -> Written:
    """Write shards and a manifest; take from the last run what would be the same."""
    code = md5(" ".join([code_digest(), *LIBRARIES]).encode()).hexdigest()
    facts = {**recipe.parameters, "code": code}
    previous = find_previous(output, facts)
    unknown = [item.name for item in listing.items if not item.digest]
    digests = known_digests(source, unknown) if previous.images and unknown and source.is_dir() else {}
    for item in listing.items if digests else []:
        item.digest = digests.get(item.name)
    shards = plan_shards(listing.items, "npy" if recipe.square else "tar")
    copied = copy_same(shards, previous, folder)
    work = [
        ShardWork(folder / name, members, recipe, previous.of(item.digest for item in members))
        for name, members in shards.items()
        if name not in copied
    ]
    rows = [row for name in copied for row in previous.shards[name]]
    rejected = {name: ("", reason) for name, reason in listing.rejected.items()}
    for shard in make_shards(work, scheduler):
        rows += shard.rows
        rejected |= shard.rejected
    rows.sort(key=lambda row: row.name)
    write_manifest(folder / MANIFEST, Manifest(facts, dict(sorted(rejected.items())), rows, listing.left_aside))
    shown = [rows[pick] for pick in evenly_spaced(len(rows), SHOWN)]
    places = [(row.file, row.start, row.size) for row in shown]
    return Written(places, {name: reason for name, (_, reason) in rejected.items()})


def copy_same(shards: dict[str, list[Item]], previous: Previous, folder: Path) -> set[str]:
    """Copy from DVC's cache the shards whose images are those of the last run, and give their names."""
    same = [
        name
        for name, members in shards.items()
        if name in previous.shards
        and [(row.name, row.source) for row in previous.shards[name]] == [(item.name, item.digest) for item in members]
    ]
    with ThreadPoolExecutor(cores()) as pool:
        whole = pool.map(lambda name: copy_whole(previous.files[name], folder / name), same)
        return {name for name, copied in zip(same, whole, strict=True) if copied}


def make_shards(work: list[ShardWork], scheduler: str) -> Iterator[Shard]:
    """Make the shards that are left to make: on a cluster in any order, or here, one by one, each in threads."""
    with tqdm(total=sum(len(one.items) for one in work), unit="image", disable=None) as bar:
        if not scheduler:
            for one in work:
                yield write_shard(one, cores(), bar.update)
            return
        for one, shard in on_cluster(scheduler, partial(write_same_shard, loaded()), work):
            bar.update(len(one.items))
            yield shard


def plan_shards(items: list[Item], kind: str) -> dict[str, list[Item]]:
    """The files of the shards, each with its images in the order of their names."""
    count = shard_count(len(items))
    shards: dict[str, list[Item]] = {f"{number:05}-of-{count:05}.{kind}": [] for number in range(count)}
    members = list(shards.values())
    for item in items:
        members[shard_of(item.name, count)].append(item)
    return shards


def write_shard(work: ShardWork, threads: int = 1, progress: Callable[[], object] = lambda: None) -> Shard:
    """Make a shard, in the same bytes wherever and by however many threads it is made."""
    square, done = work.recipe.square, Shard()
    results = convert_items(work.items, work.recipe, work.previous, threads)
    with work.file.open("wb") as opened, closing(results):
        file = ArrayShard(opened, square) if square else TarShard(opened)
        for result in results:
            progress()
            if result.reason:
                done.rejected[result.name] = (result.source, result.reason)
                continue
            name = "" if square else file_name(result.name, result.content)
            start, size = file.add(name, result.content), len(result.content)
            image = result.name, result.source, *result.size, result.digest
            done.rows.append(Row(*image, work.file.name, len(done.rows), start, size))
        file.close()
    return done


def keep_freed_memory() -> None:
    """Let the C library keep what one image frees for the next one: to ask the system for pages takes up to a third of
    the time that decoding does. Where the library is not glibc, nothing happens."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, 2**30)
        libc.mallopt(M_MMAP_THRESHOLD, 2**25)  # the most that it takes


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


LIBRARIES = cv2.version.opencv_version, PIL.__version__, np.__version__


@cache
def loaded() -> tuple[str, ...]:
    """Libraries and code as they were when this was first asked: workers of a cluster live long, and load them once."""
    return *LIBRARIES, *sorted(md5(file.read_bytes()).hexdigest() for file in Path(__file__).parent.glob("*.py"))


def write_same_shard(wanted: tuple[str, ...], work: ShardWork) -> Shard:
    """On a worker: make a shard, if by the same code and libraries.

    Raises:
        BadInput: they are not the same.
    """
    if wanted != loaded():
        names = f"OpenCV {LIBRARIES[0]}, Pillow {LIBRARIES[1]}, NumPy {LIBRARIES[2]}"
        raise BadInput(f"--scheduler: a worker has loaded other code than this process, or other libraries ({names})")
    return write_shard(work)


def convert_items(items: list[Item], recipe: Recipe, previous: Previous, threads: int) -> Generator[Result, None, None]:
    """Convert images in threads, and give the results in the order of the images."""
    cv2.setNumThreads(1)  # the images are what is done in parallel
    with ThreadPoolExecutor(threads) as pool:
        work = partial(convert_some, recipe=recipe, previous=previous)
        groups = (items[start : start + TOGETHER] for start in range(0, len(items), TOGETHER))
        for results in in_order(pool, work, groups, ahead=2 * threads):
            yield from results


def in_order(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Results of `work` in the order of the items, with at most `ahead` of them begun and not yet taken."""
    begun: deque[Future[R]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) >= ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()


def convert_some(items: list[Item], recipe: Recipe, previous: Previous) -> list[Result]:
    return [convert_item(item, recipe, previous) for item in items]


def convert_item(item: Item, recipe: Recipe, previous: Previous) -> Result:
    """Take one image's result from the last run, or make it."""
    if item.digest and (reused := reuse(item.name, item.digest, previous)):
        return reused
    try:
        data = item.read()
    except BadInput as error:
        return Result(item.name, "", reason=str(error))
    except OSError as error:  # no fault of the image: it may well be readable tomorrow
        raise BadInput(f"{item.name}: {error.strerror or error}; nothing was written") from None
    digest = md5(data).hexdigest()
    if item.digest and digest != item.digest:
        raise BadInput(f"{item.name}: changed while the stage was running; run it again")
    if not item.digest and (reused := reuse(item.name, digest, previous)):
        return reused
    digest = item.digest or digest  # one string for both
    try:
        size, content = recipe.convert(data)
    except BadInput as error:
        return Result(item.name, digest, reason=str(error))
    return Result(item.name, digest, size, content, digest if content is data else md5(content).hexdigest())


def reuse(name: str, digest: str, previous: Previous) -> Result | None:
    """The result of an image of that digest in the last run, if it is still there and whole."""
    if digest in previous.rejected:
        return Result(name, digest, reason=previous.rejected[digest])
    row = previous.images.get(digest)
    if not row:
        return None
    try:
        content = read_part(previous.files[row.file], row.start, row.size)
    except OSError:
        return None
    if md5(content).hexdigest() != row.result:
        return None
    return Result(name, digest, (row.width, row.height), content, row.result)


def report(listing: Listing, rejected: dict[str, str], max_rejected: float, source: Path) -> None:
    """Tell on stderr what was left aside and what was rejected.

    Raises:
        BadInput: too much was rejected.
    """
    count, aside = len(listing.items) + len(listing.rejected), listing.left_aside
    if aside:
        print(f"{source}: {aside} file{'s' * (aside > 1)} or folder{'s' * (aside > 1)} left aside", file=sys.stderr)
    if rejected:
        print(f"{source}: {len(rejected)} of {count} images rejected", file=sys.stderr)
        width = min(60, max(len(repr(name)) for name in rejected))
        for name, reason in sorted(rejected.items()):
            print(f"  {name!r:{width}}  {reason}", file=sys.stderr)
    if len(rejected) > max_rejected * count or len(rejected) == count:
        raise BadInput(
            f"{source}: {len(rejected)} of {count} images rejected, more than max_rejected={max_rejected:g} allows: "
            f"mend them, or take them out; {min(rejected)!r} is the first"
        )


def read_tiles(folder: Path, written: Written, square: int | None) -> list[Pixels]:
    """A choice of the results; one that was taken over as it was, and can't be decoded, is left out."""

    def read(pick: int) -> Pixels | None:
        file, start, size = written.places[pick]
        content = read_part(folder / file, start, size)
        if square:
            return np.frombuffer(content, np.uint8).reshape(square, square, 3)
        try:
            return fit_square(flatten(decode(content), GREY), TILE, "pad", GREY)
        except BadInput:
            return None

    with ThreadPoolExecutor(cores()) as pool:
        tiles = pool.map(read, evenly_spaced(len(written.places), SHOWN))
        return [tile for tile in tiles if tile is not None]
