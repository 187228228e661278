"""Shards of random images, as the resize stage lays them out."""

from hashlib import md5
from pathlib import Path

import numpy as np

from imagevae.images.manifest import MANIFEST, Head, Row, format_head, format_row
from imagevae.images.storage import ArrayShard, shard_count, shard_of


def write_shards(folder: Path, count: int, size: int) -> Path:
    """Write so many squares of a size, and give the folder."""
    folder.mkdir()
    shards = shard_count(count)
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)
    names = [f"{number:06}.png" for number in range(count)]
    members: list[list[int]] = [[] for _ in range(shards)]
    for number, name in enumerate(names):
        members[shard_of(name, shards)].append(number)
    rows = []
    for shard, numbers in enumerate(members):
        file = folder / f"{shard:05}-of-{shards:05}.npy"
        with file.open("wb") as opened:
            array = ArrayShard(opened, size)
            for row, number in enumerate(numbers):
                content = images[number].tobytes()
                start, digest = array.add(names[number], content), md5(content).hexdigest()
                rows.append(Row(names[number], digest, 9, 9, digest, file.name, row, start, len(content)))
            array.close()
    (folder / MANIFEST).write_bytes(b"".join([format_head(Head({}, {}, {}, {})), *map(format_row, rows)]))
    return folder
