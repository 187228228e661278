"""The list of what an image stage wrote: for each image where it came from and where it is now."""

import json
import os
import re
from array import array
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import md5
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from imagevae.cli.errors import BadInput
from imagevae.cli.ours import MANIFEST as MANIFEST
from imagevae.images.listing import leads_out

BLOCK = 512  # rows that are parsed at once, in half the time of one by one
SHARD = re.compile(r"[^./\\\0][^/\\\0]*\.(tar|npy)")  # the name of a shard
NO_DIGEST = 32 * "0"


class Row(NamedTuple):
    """One image of a folder of shards.

    Attributes:
        name: path of the source image inside its source, with forward slashes.
        source: MD5 of the source image's bytes, or nothing where there is none.
        width, height: size of the source image, upright, in pixels.
        result: MD5 of the bytes that became of it, or nothing where it is not known.
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


class ShardEntry(NamedTuple):
    """The rows of one shard in a manifest.

    Attributes:
        members: MD5 of the names and digests of all images that fell to the shard, see `MembersDigest`.
        size: how many bytes the rows take.
    """

    members: str
    size: int


@dataclass(frozen=True)
class Head:
    """What a manifest says before the images come.

    Attributes:
        recipe: what the results depend on besides the source images: parameters, and a digest of the code.
        counts: how many images there are, how many were rejected, and how many files and folders of the source are no
            images by their names (`images`, `rejected`, `left_aside`), these by kind as well (`left_aside_by_kind`);
            as far as they were known in time.
        rejected: names of images that could not be used, each with the digest of its bytes and the reason.
        notes: in the same way what is to be known of images that were used, such as a profile that could not be.
        shards: by the names of the files, in the order in which their rows follow; as far as that was known in time.
    """

    recipe: dict[str, object]
    counts: dict[str, Any]
    rejected: dict[str, tuple[str, str]]
    shards: dict[str, ShardEntry]
    notes: dict[str, tuple[str, str]] = field(default_factory=dict)


def format_head(head: Head) -> bytes:
    """The first line of JSON; a line for each image follows it, shard by shard and in the order of a shard's rows."""
    return f"{json.dumps({**asdict(head), 'columns': Row._fields})}\n".encode()


def format_row(row: Row) -> bytes:
    return f"{json.dumps(row)}\n".encode()


class Draft:
    """The rows of a manifest as the shards come, in any order, in a file beside it.

    Attributes:
        entries: by the names of the shards.
    """

    def __init__(self, file: Path, rows: BinaryIO):
        self.entries: dict[str, ShardEntry] = {}
        self._file, self._rows, self._places = file, rows, dict[str, int]()

    def add(self, shard: str, members: str, rows: bytes) -> None:
        """Add the rows of a shard, see `format_row` and `MembersDigest`."""
        self._places[shard] = self._rows.tell()
        self._rows.write(rows)
        self.entries[shard] = ShardEntry(members, len(rows))

    def rows(self, shard: str) -> bytes:
        self._rows.seek(self._places[shard])
        rows = self._rows.read(self.entries[shard].size)
        self._rows.seek(0, os.SEEK_END)
        return rows

    def find(self, shard: str, name: str) -> Row:
        """The row of an image."""
        start = f"[{json.dumps(name)}, ".encode()
        return next(parse_row(line) for line in self.rows(shard).splitlines() if line.startswith(start))

    def finish(self, head: Head) -> None:
        """Write the manifest: the head, then the rows in the order of its shards."""
        with self._file.open("wb") as opened:
            opened.write(format_head(head))
            opened.writelines(map(self.rows, head.shards))


@contextmanager
def draft(file: Path) -> Iterator[Draft]:
    """A draft of the manifest `file`, gone in the end."""
    partial = file.with_name("rows.partial")
    with partial.open("w+b") as rows:
        yield Draft(file, rows)
    partial.unlink()


class MembersDigest:
    """The digest of a shard's images, by their names and the digests of their bytes, in the order of their names."""

    def __init__(self) -> None:
        self._digest = md5()

    def add(self, name: str, source: str) -> None:
        self._digest.update(f"{name}\0{source}\0".encode(errors="surrogateescape"))

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def read_head(file: Path) -> Head:
    """Read what a manifest says before the images come.

    Raises:
        BadInput: the file is damaged, or no manifest of ours.
        OSError: it can't be read.
    """
    with _readable(file), file.open(encoding="utf-8") as lines:
        head = json.loads(lines.readline())
        if head["columns"] != list(Row._fields):
            raise ValueError("it has other columns, of another version perhaps")
        rejected, notes = (
            {name: (digest, text) for name, (digest, text) in head.get(kind, {}).items()}
            for kind in ("rejected", "notes")
        )
        shards = {name: ShardEntry(*of) for name, of in head["shards"].items()}
        _demand(set(map(type, (head["recipe"], head["counts"]))) == {dict}, "a head of other entries")
        _demand(
            {type(text) for pair in (*rejected.values(), *notes.values()) for text in pair} <= {str},
            "reasons that are no text",
        )
        _demand(all(type(size) is int and size >= 0 for _, size in shards.values()), "sizes that are no numbers")
        _demand(all(map(SHARD.fullmatch, shards)), "shards that lie elsewhere")
        return Head(head["recipe"], head["counts"], rejected, shards, notes)


def read_entries(file: Path, head: Head) -> Iterator[tuple[str, bytes]]:
    """The rows of each shard as they stand in a manifest, with the name of the shard.

    Raises:
        OSError: it can't be read.
    """
    with file.open("rb") as opened:
        opened.readline()
        for name, entry in head.shards.items():
            yield name, opened.read(entry.size)


def read_rows(file: Path, sources: Collection[str] | None = None) -> Iterator[Row]:
    """The images of a manifest one after another, for whoever need not have all of them in memory.

    Args:
        sources: digests of the source images whose rows to read; None for all rows.

    Raises:
        BadInput: the file is damaged.
        OSError: it can't be read.
    """
    with _readable(file), file.open(encoding="utf-8") as opened:
        opened.readline()
        # The digest is what follows the first quotes that are no part of a name, where they would be escaped.
        chosen = opened if sources is None else (line for line in opened if line.split('", "', 2)[1][:32] in sources)
        while lines := list(islice(chosen, BLOCK)):
            yield from _rows(json.loads(f"[{','.join(lines)}]"))


def parse_row(line: str | bytes) -> Row:
    return next(_rows([json.loads(line)]))


def _rows(rows: Sequence[Any]) -> Iterator[Row]:
    """Check what a manifest says, column by column, which takes little of the time of parsing it.

    Raises:
        ValueError, TypeError, OverflowError: a value is none that a stage writes.
    """
    names, sources, widths, heights, results, files, places, starts, sizes = zip(*rows, strict=True)
    array("I", widths + heights + places + sizes), array("Q", starts)  # whole numbers, of which none is negative
    _demand(set(map(len, results)) <= {0, 32} and NO_DIGEST not in results, "a digest of another length")
    digests = "".join(results)
    _demand(bytes.fromhex(digests).hex() == digests, "a digest that is not hexadecimal")
    _demand(all(map(SHARD.fullmatch, set(files))), "a shard that lies elsewhere")
    "".join(names + sources).encode(errors="surrogateescape")  # which are texts, and may be names of files
    return map(partial(tuple.__new__, Row), rows)


def check_names(manifest: Path, names: Sequence[str]) -> None:
    """Look through the names of all images of a manifest, in their order.

    Raises:
        BadInput: two are the same, or one leads out of the source.
    """
    for name, following in zip_longest(names, islice(names, 1, None)):
        if name == following or not name or leads_out(name):
            what = "two images of the name" if name == following else "an image of the name"
            raise BadInput(f"{manifest}: a damaged manifest ({what} {name!r}); run the stage before again")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise BadInput(f"{file}: a damaged manifest ({error}); run the stage before again") from None
