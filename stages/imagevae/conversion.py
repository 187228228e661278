"""Converting a source of images into a folder of images or of shards, image by image, doing no work twice."""

import itertools
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import md5
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from imagevae.contact_sheet import contact_sheet, evenly_spaced
from imagevae.errors import BadInput
from imagevae.images import encode_png
from imagevae.manifest import MANIFEST, Manifest, Row, format_manifest
from imagevae.output import new_folder, write_file
from imagevae.reuse import Previous, find_previous, known_digests
from imagevae.shards import ArrayShard, TarShard, shard_count, shard_of
from imagevae.sources import Item, Listing, list_source, png_name, read_part

Pixels = NDArray[np.uint8]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Recipe:
    """What an image stage does.

    Attributes:
        convert: from the bytes of an image file to the image's size upright, (width, height), and the result, uint8
            (height, width, 3), RGB. Raises BadInput for what is no image.
        parameters: all that the result depends on besides those bytes and the code.
        square: width and height of all results where they are equal, for shards of arrays; None for shards of PNGs.
    """

    convert: Callable[[bytes], tuple[tuple[int, int], Pixels]]
    parameters: dict[str, object]
    square: int | None = None


@dataclass(frozen=True)
class Result:
    """What became of an image.

    Attributes:
        name: path of the image inside its source.
        source: MD5 of its bytes.
        size: its width and height, upright, in pixels.
        content: the bytes to write, of a PNG file or of an array; none where the image was rejected.
        reason: why it was rejected, or nothing.
    """

    name: str
    source: str
    size: tuple[int, int] = (0, 0)
    content: bytes = b""
    reason: str = ""


@dataclass
class Written:
    """What was written: for each name its file, the start and the size there; and the rejected names with reasons."""

    places: dict[str, tuple[Path, int, int]]
    rejected: dict[str, str]


def convert_source(
    source: Path, output: Path, recipe: Recipe, sharded: bool, max_rejected: float, sheet: Path | None
) -> None:
    """Convert each image of a source.

    Args:
        source: folder or archive, see `list_source`.
        output: folder for a PNG file for each image, at the same place; or for shards and their manifest.
        sharded: whether to write shards. As a stage of DVC, this reuses what the last run left in DVC's cache.
        max_rejected: share of the images that may be unusable; they are left out and listed on stderr.
        sheet: PNG file for a contact sheet of the results, or None.

    Raises:
        BadInput: no images, too many that can't be used, or two folders of which one lies in the other.
        OSError: the output can't be written, or the disk is full.
        In both cases nothing is written.
    """
    refuse_nested(source, output)
    cv2.setNumThreads(1)  # the images are what is done in parallel
    listing = list_source(source)
    with new_folder(output) as folder:
        if sharded:
            written = write_shards(listing, source, output, folder, recipe)
        else:
            written = write_files(listing, folder, recipe)
        report(listing, written.rejected, max_rejected, source)
        names = sorted(written.places)
        shown = [written.places[names[pick]] for pick in evenly_spaced(len(names), 64)]
        tiles = [read_pixels(place, recipe.square) for place in shown]
    if sheet:
        write_file(sheet, encode_png(contact_sheet(tiles)))


def refuse_nested(source: Path, output: Path) -> None:
    inner, outer = source.resolve(), output.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise BadInput(f"{output}: --output must lie outside of --input {source}, and --input outside of it")


def write_files(listing: Listing, folder: Path, recipe: Recipe) -> Written:
    """Write each result as a PNG file at the place of its image."""
    written = Written({}, dict(listing.rejected))
    for result in convert_items(listing.items, recipe, Previous()):
        if result.reason:
            written.rejected[result.name] = result.reason
            continue
        file = folder / png_name(result.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(result.content)
        written.places[result.name] = (file, 0, len(result.content))
    return written


def write_shards(listing: Listing, source: Path, output: Path, folder: Path, recipe: Recipe) -> Written:
    """Write shards and a manifest; take from the last run what would be the same."""
    facts = {**recipe.parameters, "code": code_digest()}
    previous = find_previous(output, facts)
    unknown = any(item.digest is None for item in listing.items)
    digests = known_digests(source) if previous.images and unknown and source.is_dir() else {}
    items = [replace(item, digest=item.digest or digests.get(item.name)) for item in listing.items]
    shards = plan_shards(items, "npy" if recipe.square else "tar")
    same = {
        name
        for name, members in shards.items()
        if name in previous.shards
        and [(row.name, row.source) for row in previous.shards[name]] == [(item.name, item.digest) for item in members]
    }
    todo = [item for name, members in shards.items() if name not in same for item in members]
    rows: list[Row] = []
    rejected: dict[str, tuple[str, str]] = {name: ("", reason) for name, reason in listing.rejected.items()}
    with closing(convert_items(todo, recipe, previous)) as results:
        for name, members in shards.items():
            if name in same:
                shutil.copyfile(previous.files[name], folder / name)
                rows += previous.shards[name]
                continue
            done = itertools.islice(results, len(members))
            rows += write_shard(folder / name, done, recipe.square, rejected)
    rows.sort(key=lambda row: row.name)
    (folder / MANIFEST).write_bytes(format_manifest(Manifest(facts, dict(sorted(rejected.items())), rows)))
    places = {row.name: (folder / row.file, row.start, row.size) for row in rows}
    return Written(places, {name: reason for name, (_, reason) in rejected.items()})


def plan_shards(items: list[Item], kind: str) -> dict[str, list[Item]]:
    """The files of the shards, each with its images in the order of their names."""
    count = shard_count(len(items))
    shards: dict[str, list[Item]] = {f"{number:05}-of-{count:05}.{kind}": [] for number in range(count)}
    members = list(shards.values())
    for item in items:
        members[shard_of(item.name, count)].append(item)
    return shards


def write_shard(
    file: Path, results: Iterable[Result], square: int | None, rejected: dict[str, tuple[str, str]]
) -> list[Row]:
    """Write a shard and give its rows; images that were rejected are added to `rejected`."""
    rows: list[Row] = []
    with file.open("wb") as opened:
        shard = ArrayShard(opened, square) if square else TarShard(opened)
        for result in results:
            if result.reason:
                rejected[result.name] = (result.source, result.reason)
                continue
            start = shard.add(png_name(result.name), result.content)
            digest, size = md5(result.content).hexdigest(), len(result.content)
            rows.append(Row(result.name, result.source, *result.size, digest, file.name, len(rows), start, size))
        shard.close()
    return rows


def code_digest() -> str:
    """MD5 of the modules of this project that are loaded, and the versions of what decodes and resizes."""
    here = Path(__file__).resolve().parents[1]
    files = {Path(getattr(module, "__file__", None) or "").resolve() for module in list(sys.modules.values())}
    code = b"".join(md5(file.read_bytes()).digest() for file in sorted(files) if here in file.parents)
    libraries = [version(name) for name in ("opencv-python-headless", "pillow", "numpy")]
    return md5(code + " ".join(libraries).encode()).hexdigest()


def convert_items(items: list[Item], recipe: Recipe, previous: Previous) -> Generator[Result, None, None]:
    """Convert images in threads, and give the results in the order of the images."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    bar = tqdm(total=len(items), unit="image", disable=None)
    with ThreadPoolExecutor(workers) as pool, bar:
        for result in in_order(pool, lambda item: convert_item(item, recipe, previous), items, ahead=4 * workers):
            bar.update()
            yield result


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


def convert_item(item: Item, recipe: Recipe, previous: Previous) -> Result:
    """Take one image's result from the last run, or make it."""
    if item.digest and (reused := reuse(item.name, item.digest, previous)):
        return reused
    try:
        data = item.read()
    except BadInput as error:
        return Result(item.name, "", reason=str(error))
    except OSError as error:
        return Result(item.name, "", reason=error.strerror or str(error))
    digest = md5(data).hexdigest()
    if item.digest and digest != item.digest:
        raise BadInput(f"{item.name}: changed while the stage was running; run it again")
    if not item.digest and (reused := reuse(item.name, digest, previous)):
        return reused
    try:
        size, pixels = recipe.convert(data)
    except BadInput as error:
        return Result(item.name, digest, reason=str(error))
    return Result(item.name, digest, size, pixels.tobytes() if recipe.square else encode_png(pixels))


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
    return Result(name, digest, (row.width, row.height), content)


def report(listing: Listing, rejected: dict[str, str], max_rejected: float, source: Path) -> None:
    """Tell on stderr what was left aside and what was rejected.

    Raises:
        BadInput: too much was rejected.
    """
    count = len(listing.items) + len(listing.rejected)
    if listing.left_aside:
        print(f"{source}: {listing.left_aside} files or folders left aside, no images by their names", file=sys.stderr)
    for name, reason in sorted(rejected.items()):
        print(f"rejected: {name!r}: {reason}", file=sys.stderr)
    if len(rejected) > max_rejected * count or len(rejected) == count:
        names = ", ".join(repr(name) for name in sorted(rejected)[:3])
        raise BadInput(
            f"{source}: {len(rejected)} of {count} images rejected ({names}{', …' if len(rejected) > 3 else ''}), "
            f"more than max_rejected={max_rejected:g} allows: mend them, or take them out"
        )


def read_pixels(place: tuple[Path, int, int], square: int | None) -> Pixels:
    content = read_part(*place)
    if square:
        return np.frombuffer(content, np.uint8).reshape(square, square, 3)
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
