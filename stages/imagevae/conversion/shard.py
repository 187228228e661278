"""Making one shard: its images in threads, each taken from the last run or converted, in the same bytes wherever."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import md5
from importlib.metadata import version
from itertools import islice
from mmap import mmap
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import PIL

from imagevae.cli.errors import BadInput, NotInstalled
from imagevae.cli.guard import has_crashed
from imagevae.conversion.last_run import Reusable
from imagevae.conversion.memory import BUDGET, FILES, check_room, is_limited, set_aside
from imagevae.conversion.threads import in_order
from imagevae.images.codec import memory_needed
from imagevae.images.listing import Item, read_part
from imagevae.images.manifest import MembersDigest, Row
from imagevae.images.storage import ArrayShard, TarShard, file_name

GROUP = 4  # images that a thread converts before it hands them over, which takes time as well
WAITING = 2**27  # bytes of results that wait for their turn, at most; larger ones wait on disk
LIBRARIES = (cv2.version.opencv_version, PIL.__version__, np.__version__, version("tifffile"), version("imagecodecs"))


class Converted(NamedTuple):
    """What an image stage makes of an image.

    Attributes:
        size: width and height of the image, upright, in pixels.
        content: the bytes of a PNG or JPEG file, or of an array.
        notes: what is to be known of it besides, such as a colour profile that can't be used.
    """

    size: tuple[int, int]
    content: bytes
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Recipe:
    """What an image stage does.

    Attributes:
        convert: from the bytes of an image file to what becomes of it. Raises BadInput for what is no image.
        parameters: all that the result depends on besides those bytes and the code.
        square: width and height of all results where they are arrays, uint8 (square, square, 3), RGB; None for files.
    """

    convert: Callable[[bytes], Converted]
    parameters: dict[str, object]
    square: int | None = None


@dataclass(frozen=True)
class Result:
    """What became of an image.

    Attributes:
        name: path of the image inside its source.
        source: MD5 of its bytes.
        size: its width and height, upright, in pixels.
        content: the bytes to write, of a file or of an array, or a file of them mapped into memory; none where the
            image was rejected.
        digest: MD5 of the content.
        reason: why it was rejected, or nothing.
        note: what is to be known of it besides, or nothing.
    """

    name: str
    source: str
    size: tuple[int, int] = (0, 0)
    content: bytes | mmap = b""
    digest: str = ""
    reason: str = ""
    note: str = ""


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
        notes: in the same way what is to be known of others.
        members: digest of all of them, see `MembersDigest`.
    """

    rows: list[Row] = field(default_factory=list)
    rejected: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: dict[str, tuple[str, str]] = field(default_factory=dict)
    members: str = ""


def write_shard(work: ShardWork, threads: int = 1, update: Callable[[int], object] = lambda count: None) -> Shard:
    """Make a shard, in the same bytes wherever and by however many threads it is made."""
    square, done, members = work.recipe.square, Shard(), MembersDigest()
    results = convert_items(work.items, work.recipe, work.previous, threads)
    with work.file.open("wb") as opened, closing(results):
        file = ArrayShard(opened, square) if square else TarShard(opened)
        for result in results:
            update(1)
            members.add(result.name, result.source)
            if result.reason:
                done.rejected[result.name] = (result.source, result.reason)
                continue
            if result.note:
                done.notes[result.name] = (result.source, result.note)
            name = "" if square else file_name(result.name, result.content)
            start, size = file.add(name, result.content), len(result.content)
            image = result.name, result.source, *result.size, result.digest
            done.rows.append(Row(*image, work.file.name, len(done.rows), start, size))
        file.close()
    done.members = members.hexdigest()
    return done


def convert_items(
    items: Sequence[Item], recipe: Recipe, previous: Reusable, threads: int
) -> Generator[Result, None, None]:
    """Convert images in threads, and give the results in the order of the images."""
    cv2.setNumThreads(1)  # the images are what is done in parallel
    if has_crashed():
        from imagevae.images.apart import each_apart  # which takes a while to load, and is seldom needed

        work = partial(convert_item, recipe=recipe, previous=previous)
        yield from each_apart(work, items, _crashed, threads)
        return
    ahead = 2 * threads
    with ThreadPoolExecutor(threads) as pool:
        some = partial(convert_some, recipe=recipe, previous=previous, largest=WAITING // (ahead * GROUP))
        stream = iter(items)
        groups = iter(lambda: list(islice(stream, GROUP)), [])
        for results in in_order(pool, some, groups, ahead):
            yield from results


def _crashed(item: Item, ended_by: str) -> Result:
    """The rejection of an image at which a process has crashed; it is remembered where no lack of memory can be why.

    Raises:
        BadInput: the process was ended from outside, by the system that ran out of memory say.
    """
    if ended_by in ("SIGKILL", "SIGTERM"):
        raise BadInput(f"{item.name}: ended by {ended_by} at it, perhaps for want of memory; nothing was written")
    digest = "" if is_limited() else md5(item.read()).hexdigest()
    return Result(item.name, digest, reason=f"its decoder crashed ({ended_by})")


def convert_some(items: Sequence[Item], recipe: Recipe, previous: Reusable, largest: int) -> list[Result]:
    """Results of which none has more than so many bytes in memory."""
    results = []
    for item in items:
        result = convert_item(item, recipe, previous)
        large = len(result.content) > largest
        results.append(replace(result, content=set_aside(result.content)) if large else result)
    return results


def convert_item(item: Item, recipe: Recipe, previous: Reusable) -> Result:
    """Take one image's result from the last run, or make it, with memory for its file."""
    with FILES.taking(item.size):
        return _convert(item, recipe, previous)


def _convert(item: Item, recipe: Recipe, previous: Reusable) -> Result:
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
        raise BadInput(f"{item.name}: other bytes than were listed: it changed meanwhile, or its shard is damaged")
    if not item.digest and (reused := reuse(item.name, digest, previous)):
        return reused
    digest = item.digest or digest  # one string for both
    try:
        size, content, notes = _converted(data, recipe)
    except NotInstalled as error:  # not to be remembered by its digest: it may be installed tomorrow
        return Result(item.name, "", reason=str(error))
    except BadInput as error:
        return Result(item.name, digest, reason=str(error))
    except MemoryError:  # no fault of the image either
        raise BadInput(f"{item.name}: too little memory to convert it; nothing was written") from None
    result = digest if content is data else md5(content).hexdigest()
    return Result(item.name, digest, size, content, result, note="; ".join(notes))


def _converted(data: bytes, recipe: Recipe) -> Converted:
    """What becomes of an image, within the budget of memory.

    Raises:
        BadInput: it is no image.
        MemoryError: there is too little memory.
    """
    count = memory_needed(data)
    with BUDGET.taking(count):
        try:
            return recipe.convert(data)
        except BadInput:
            if not is_limited():
                raise
    with BUDGET.taking(BUDGET.size):  # once more and alone: some libraries take a lack of memory for damage
        check_room(count)
        return recipe.convert(data)


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
    return Result(name, digest, (row.width, row.height), content, row.result, note=previous.notes.get(digest, ""))
