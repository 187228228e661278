"""The list of what an image stage wrote: for each image where it came from and where it is now."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
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
        left_aside: how many files and folders of the source are no images by their names.
    """

    recipe: dict[str, object]
    rejected: dict[str, tuple[str, str]]
    rows: list[Row]
    left_aside: int = 0


def write_manifest(file: Path, manifest: Manifest) -> None:
    """Write lines of JSON: recipe, counts, rejected images and columns first, then a list for each image."""
    counts = {
        "images": len(manifest.rows),
        "rejected": len(manifest.rejected),
        "left_aside": manifest.left_aside,
    }
    with file.open("w") as opened:
        opened.write(format_head(manifest.recipe, manifest.rejected, counts))
        opened.writelines(map(format_row, manifest.rows))


def format_head(recipe: dict[str, object], rejected: dict[str, tuple[str, str]], counts: dict[str, int]) -> str:
    """The first line; counts are those that are known before the rows are."""
    return json.dumps({"recipe": recipe, "counts": counts, "rejected": rejected, "columns": Row._fields}) + "\n"


def format_row(row: Row) -> str:
    return json.dumps(row) + "\n"


def read_manifest(file: Path) -> Manifest:
    """Read what `write_manifest` wrote.

    Raises:
        BadInput: the file is damaged.
        OSError: it can't be read.
    """
    with _readable(file), file.open(encoding="utf-8") as lines:
        head = json.loads(lines.readline())
        rejected = {name: tuple(entry) for name, entry in head["rejected"].items()}
        return Manifest(head["recipe"], rejected, list(read_rows(file)), head["counts"].get("left_aside", 0))


def read_rows(file: Path) -> Iterator[Row]:
    """The images of a manifest one after another, for whoever need not have all of them in memory.

    Raises:
        BadInput: the file is damaged.
        OSError: it can't be read.
    """
    with _readable(file), file.open(encoding="utf-8") as lines:
        lines.readline()
        for line in lines:
            yield Row(*json.loads(line))


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{file}: a damaged manifest ({error}); run the stage before again") from None
