"""The list of what an image stage wrote: for each image where it came from and where it is now."""

import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import md5
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from imagevae.cli.errors import BadInput

MANIFEST = "manifest.jsonl"
BLOCK = 512  # rows that are parsed at once, in half the time of one by one


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
            images by their names (`images`, `rejected`, `left_aside`); as far as they were known in time.
        rejected: names of images that could not be used, each with the digest of its bytes and the reason.
        shards: by the names of the files, in the order in which their rows follow; as far as that was known in time.
    """

    recipe: dict[str, object]
    counts: dict[str, int]
    rejected: dict[str, tuple[str, str]]
    shards: dict[str, ShardEntry]


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
        BadInput: the file is damaged.
        OSError: it can't be read.
    """
    with _readable(file), file.open(encoding="utf-8") as lines:
        head = json.loads(lines.readline())
        rejected = {name: (digest, reason) for name, (digest, reason) in head["rejected"].items()}
        return Head(
            head["recipe"], head["counts"], rejected, {name: ShardEntry(*of) for name, of in head["shards"].items()}
        )


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
            yield from (Row(*fields) for fields in json.loads(f"[{','.join(lines)}]"))


def parse_row(line: str | bytes) -> Row:
    return Row(*json.loads(line))


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise BadInput(f"{file}: a damaged manifest ({error}); run the stage before again") from None
