"""The list of what an image stage wrote: for each image where it came from and where it is now."""

import json
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


def format_manifest(manifest: Manifest) -> bytes:
    """Lines of JSON: the recipe, the rejected images and the columns first, then a list for each image."""
    lines = [format_head(manifest.recipe, manifest.rejected), *map(format_row, manifest.rows)]
    return "".join(lines).encode()


def format_head(recipe: dict[str, object], rejected: dict[str, tuple[str, str]]) -> str:
    return json.dumps({"recipe": recipe, "rejected": rejected, "columns": Row._fields}) + "\n"


def format_row(row: Row) -> str:
    return json.dumps(row) + "\n"


def read_manifest(file: Path) -> Manifest:
    """Read what `format_manifest` wrote.

    Raises:
        BadInput: the file is damaged.
        OSError: it can't be read.
    """
    try:
        head, *rows = map(json.loads, file.read_text().splitlines())
        rejected = {name: tuple(entry) for name, entry in head["rejected"].items()}
        return Manifest(head["recipe"], rejected, [Row(*row) for row in rows])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{file}: a damaged manifest ({error}); run the stage before again") from None
