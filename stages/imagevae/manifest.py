"""The list of what an image stage wrote: for each image where it came from and where it is now."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from imagevae.errors import BadInput

MANIFEST = "manifest.jsonl"


class Row(NamedTuple):
    """One image of a folder of shards.

    Attributes:
        name: path of the source image inside its source, with forward slashes.
        source: MD5 of the source image's bytes.
        width, height: size of the source image, upright, in pixels.
        result: MD5 of the bytes that became of it.
        file: name of the shard that holds them.
        row: place in the shard, from 0.
        start: where in the shard's file they start, in bytes.
        size: how many they are.
    """

    name: str
    source: str
    width: int
    height: int
    result: str
    file: str
    row: int
    start: int
    size: int


@dataclass(frozen=True)
class Manifest:
    """All images of a folder of shards, in the order of their names.

    Attributes:
        recipe: what the results depend on besides the source images: parameters, and a digest of the code.
        rejected: names of images that could not be used, each with the digest of its bytes and the reason.
        rows: the images.
    """

    recipe: dict[str, object]
    rejected: dict[str, tuple[str, str]]
    rows: list[Row]


def write_manifest(file: Path, manifest: Manifest) -> None:
    """Write lines of JSON: the recipe, the rejected images and the columns first, then a list for each image."""
    head = {
        "recipe": manifest.recipe,
        "rejected": manifest.rejected,
        "columns": Row._fields,
    }
    lines: Iterable[object] = itertools.chain([head], manifest.rows)
    with file.open("w") as opened:
        opened.writelines(f"{json.dumps(line)}\n" for line in lines)


def read_manifest(file: Path) -> Manifest:
    """Read what `write_manifest` wrote.

    Raises:
        BadInput: the file is damaged.
        OSError: it can't be read.
    """
    try:
        with file.open() as lines:
            head = json.loads(next(lines, ""))
            rejected = {name: tuple(entry) for name, entry in head["rejected"].items()}
            return Manifest(head["recipe"], rejected, [Row(*json.loads(line)) for line in lines])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{file}: a damaged manifest ({error}); run the stage before again") from None
