"""Writing squares and latents one after another, in memory that does not grow with their number."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from hashlib import md5
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagevae.images.encoding import encode_png
from imagevae.images.manifest import MANIFEST, Head, Row, draft, format_row
from imagevae.images.storage import PER_SHARD, ArrayShard, file_name

Named = tuple[str, NDArray[np.uint8]]


def write_squares(folder: Path, squares: Iterable[Named], form: str, recipe: dict[str, object]) -> None:
    """Write squares of one size, uint8 (size, size, 3) each with its name.

    Args:
        folder: an empty one.
        form: "files" for a PNG file each; "shards" for NumPy arrays of 512 and a manifest.
        recipe: what they depend on, for the manifest.

    Raises:
        OSError: the disk is full.
    """
    if form == "shards":
        _write_shards(folder, iter(squares), recipe)
        return
    for name, pixels in squares:
        content = encode_png(pixels)
        file = folder / file_name(name, content)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _write_shards(folder: Path, squares: Iterator[Named], recipe: dict[str, object]) -> None:
    count = 0
    with draft(folder / MANIFEST) as manifest:
        while part := list(islice(squares, PER_SHARD)):
            file = folder / f"{count // PER_SHARD:05}.npy"
            manifest.add(file.name, "", b"".join(map(format_row, _write_shard(file, part))))
            count += len(part)
        manifest.finish(Head(recipe, {"images": count}, {}, manifest.entries))


def _write_shard(file: Path, squares: list[Named]) -> Iterator[Row]:
    with file.open("wb") as opened:
        size = len(squares[0][1])
        shard = ArrayShard(opened, size)
        for row, (name, pixels) in enumerate(squares):
            content = pixels.tobytes()
            start = shard.add(name, content)
            yield Row(name, "", size, size, md5(content).hexdigest(), file.name, row, start, len(content))
        shard.close()


def write_latents(
    file: Path, columns: Mapping[str, int], names: Iterable[str], rows: Iterable[NDArray[np.float32]]
) -> None:
    """Write a table, CSV: a line for each image with its name and numbers.

    Numbers have as many digits as it takes to read the same float32 back.

    Args:
        columns: names with how many columns of numbers each stands for: `code` with 2 is code_0 and code_1.
        rows: numbers of each image, as many as there are columns.
    """
    with file.open("w", newline="", encoding="utf-8", errors="surrogateescape") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerow(["file", *(f"{name}_{number}" for name, count in columns.items() for number in range(count))])
        for name, row in zip(names, rows, strict=True):
            table.writerow([name, *row.astype(str)])
