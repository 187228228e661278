"""Making one shard: its images in threads, each taken from the last run or converted, in the same bytes wherever."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from hashlib import md5
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import PIL

from imagevae.cli.errors import BadInput
from imagevae.conversion.last_run import Reusable
from imagevae.conversion.threads import in_order
from imagevae.images.listing import Item, read_part
from imagevae.images.manifest import MembersDigest, Row
from imagevae.images.storage import ArrayShard, TarShard, file_name

GROUP = 4  # images that a thread converts before it hands them over, which takes time as well
LIBRARIES = cv2.version.opencv_version, PIL.__version__, np.__version__


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
        members: digest of all of them, see `MembersDigest`.
    """

    rows: list[Row] = field(default_factory=list)
    rejected: dict[str, tuple[str, str]] = field(default_factory=dict)
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
    with ThreadPoolExecutor(threads) as pool:
        work = partial(convert_some, recipe=recipe, previous=previous)
        stream = iter(items)
        groups = iter(lambda: list(islice(stream, GROUP)), [])
        for results in in_order(pool, work, groups, ahead=2 * threads):
            yield from results


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
