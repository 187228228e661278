"""Converting a source of images into a folder of images or of shards, image by image, doing no work twice."""

import ctypes
import errno
import os
import sys
from array import array
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import md5
from itertools import islice
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray

from imagevae.cluster import on_cluster
from imagevae.contact_sheet import GREY, TILE, contact_sheet, evenly_spaced
from imagevae.errors import BadInput
from imagevae.images import decode, encode_png, flatten, quiet_decoders
from imagevae.loaded_code import code_digest
from imagevae.manifest import MANIFEST, Head, Members, Row, draft, format_row
from imagevae.output import new_folder, write_file
from imagevae.plain import file_name
from imagevae.reuse import Previous, Reusable, copy_whole, find_previous, known_digests
from imagevae.shards import ArrayShard, TarShard, shard_count, shard_of
from imagevae.sources import Item, Items, Listing, list_source, read_part, state
from imagevae.square import fit_square

Pixels = NDArray[np.uint8]
SHOWN = 64  # images on the contact sheet, at most
GROUP = 4  # images that a thread converts before it hands them over, which takes time as well
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
UNFIT_NAME = (errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EILSEQ)
Plan = dict[str, array]  # by the files of the shards, the numbers of their images
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
    """What was written: some of it, as files with the start and the size there; and what was rejected, why."""

    shown: list[tuple[str, int, int]]
    rejected: dict[str, str]


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
    previous: Reusable


@dataclass
class Shard:
    """What a shard holds.

    Attributes:
        rows: its images.
        rejected: by their names the images that were rejected, each with its digest and the reason.
        members: digest of all of them, see `Members`.
    """

    rows: list[Row] = field(default_factory=list)
    rejected: dict[str, tuple[str, str]] = field(default_factory=dict)
    members: str = ""


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
    names, rejected = [], dict(listing.rejected)
    with progress(len(listing.items)) as update:
        for result in convert_items(listing.items, recipe, Reusable(), cores()):
            update(1)
            if result.reason:
                rejected[result.name] = result.reason
                continue
            name = file_name(result.name, result.content)
            try:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(result.content)
            except OSError as error:
                if error.errno not in UNFIT_NAME:
                    raise
                rejected[result.name] = f"no file of its name can be written ({error.strerror}); use shards"
                continue
            names.append(name)
    return Written([(names[pick], 0, -1) for pick in evenly_spaced(len(names), SHOWN)], rejected)


def write_shards(listing: Listing, source: Path, output: Path, folder: Path, recipe: Recipe, scheduler: str) -> Written:
    """Write shards and a manifest; take from the last run what would be the same."""
    code = md5(" ".join([code_digest(), *LIBRARIES]).encode()).hexdigest()
    facts = {**recipe.parameters, "code": code}
    items, previous = listing.items, find_previous(output, facts)
    if previous.head.shards and source.is_dir():
        learn_digests(items, source)
    shards = plan_shards(items.names, "npy" if recipe.square else "tar")
    copied = copy_same(shards, items, previous, folder)
    rejected = {name: ("", reason) for name, reason in listing.rejected.items()}
    with draft(folder / MANIFEST) as rows:
        for name, section, lines in previous.sections(copied):
            rows.add(name, section.members, lines)
            names = {items.names[number] for number in shards[name]}
            rejected |= {name: why for name, why in previous.head.rejected.items() if name in names}
        changed = {name: members for name, members in shards.items() if name not in copied}
        for name, shard in make_shards(changed, items, folder, recipe, previous, scheduler):
            rows.add(name, shard.members, b"".join(map(format_row, shard.rows)))
            rejected |= shard.rejected
        images = [name for name in items.names if name not in rejected]
        counts = {"images": len(images), "rejected": len(rejected), "left_aside": listing.left_aside}
        rows.finish(Head(facts, counts, dict(sorted(rejected.items())), {name: rows.sections[name] for name in shards}))
        files, shown = list(shards), [images[pick] for pick in evenly_spaced(len(images), SHOWN)]
        places = [rows.find(files[shard_of(name, len(files))], name) for name in shown]
    return Written(
        [(row.file, row.start, row.size) for row in places], {name: reason for name, (_, reason) in rejected.items()}
    )


def learn_digests(items: Items, source: Path) -> None:
    """Ask DVC for the digests of the images' bytes that are not known yet."""
    if unknown := items.unknown():
        for number, digest in zip(unknown, known_digests(source, [items.names[one] for one in unknown]), strict=False):
            if digest:
                items.know(number, digest)


def copy_same(shards: Plan, items: Items, previous: Previous, folder: Path) -> set[str]:
    """Copy from DVC's cache the shards whose images are those of the last run, and give their names."""
    sections = previous.head.shards

    def is_same(name: str) -> bool:
        members = Members()
        for item in (items[number] for number in shards[name]):
            if not item.digest:
                return False
            members.add(item.name, item.digest)
        return members.hexdigest() == sections[name].members

    same = [name for name in shards if name in sections and is_same(name)]
    with ThreadPoolExecutor(cores()) as pool:
        whole = pool.map(lambda name: copy_whole(previous.files[name], folder / name), same)
        return {name for name, copied in zip(same, whole, strict=True) if copied}


def make_shards(
    shards: Plan, items: Items, folder: Path, recipe: Recipe, previous: Previous, scheduler: str
) -> Iterator[tuple[str, Shard]]:
    """Make shards: on a cluster in any order, or here, one by one, each in threads."""
    count = sum(map(len, shards.values()))
    digests = {items[number].digest for numbers in shards.values() for number in numbers if previous.head.shards}
    reusable = previous.images(digests)
    work = (
        ShardWork(folder / name, members, recipe, reusable.of({item.digest for item in members}))
        for name, members in ((name, [items[number] for number in numbers]) for name, numbers in shards.items())
    )
    with progress(count) as update:
        if not scheduler:
            for one in work:
                yield one.file.name, write_shard(one, cores(), update)
            return
        for one, shard in on_cluster(scheduler, partial(write_same_shard, loaded()), list(work)):
            update(len(one.items))
            yield one.file.name, shard


@contextmanager
def progress(images: int) -> Iterator[Callable[[int], object]]:
    """What to call with a number of images that are done: it moves a bar on a terminal, and elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from tqdm import tqdm  # which takes a while

    with tqdm(total=images, unit="image") as bar:
        yield bar.update


def plan_shards(names: Sequence[str], kind: str) -> Plan:
    """The files of the shards, each with the numbers of its images, in their order."""
    count = shard_count(len(names))
    shards = {f"{number:05}-of-{count:05}.{kind}": array("q") for number in range(count)}
    members = list(shards.values())
    for number, name in enumerate(names):
        members[shard_of(name, count)].append(number)
    return shards


def write_shard(work: ShardWork, threads: int = 1, update: Callable[[int], object] = lambda count: None) -> Shard:
    """Make a shard, in the same bytes wherever and by however many threads it is made."""
    square, done, members = work.recipe.square, Shard(), Members()
    results = convert_items(work.items, work.recipe, work.previous, threads)
    with work.file.open("wb") as opened, closing(results):
        file = ArrayShard(opened, square) if square else TarShard(opened)
        for result in results:
            update(1)
            members.add(result.name, result.source)
            if result.reason:
                done.rejected[result.name] = (result.source, result.reason)
                continue
            name = "" if square else file_name(result.name, result.content)
            start, size = file.add(name, result.content), len(result.content)
            image = result.name, result.source, *result.size, result.digest
            done.rows.append(Row(*image, work.file.name, len(done.rows), start, size))
        file.close()
    done.members = members.hexdigest()
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


def convert_items(
    items: Sequence[Item], recipe: Recipe, previous: Reusable, threads: int
) -> Generator[Result, None, None]:
    """Convert images in threads, and give the results in the order of the images."""
    cv2.setNumThreads(1)  # the images are what is done in parallel
    with ThreadPoolExecutor(threads) as pool:
        work = partial(convert_some, recipe=recipe, previous=previous)
        stream = iter(items)
        groups = iter(lambda: list(islice(stream, GROUP)), [])
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


def convert_some(items: Sequence[Item], recipe: Recipe, previous: Reusable) -> list[Result]:
    return [convert_item(item, recipe, previous) for item in items]


def convert_item(item: Item, recipe: Recipe, previous: Reusable) -> Result:
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


def reuse(name: str, digest: str, previous: Reusable) -> Result | None:
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

    def read(place: tuple[str, int, int]) -> Pixels | None:
        file, start, size = place
        content = read_part(folder / file, start, size)
        if square:
            return np.frombuffer(content, np.uint8).reshape(square, square, 3)
        try:
            return fit_square(flatten(decode(content), GREY), TILE, "pad", GREY)
        except BadInput:
            return None

    with ThreadPoolExecutor(cores()) as pool:
        return [tile for tile in pool.map(read, written.shown) if tile is not None]
