"""Training on shards takes no more memory for many images than for few."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT
from imagevae.images.manifest import MANIFEST, Head, Row, format_head, format_row
from imagevae.images.storage import ArrayShard, shard_count, shard_of

pytestmark = pytest.mark.slow

SIZE = 16
MIB = 2**20


def write_shards(folder: Path, count: int) -> Path:
    """Shards of random images, as the resize stage lays them out."""
    folder.mkdir()
    shards = shard_count(count)
    images = np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
    names = [f"{number:06}.png" for number in range(count)]
    members: list[list[int]] = [[] for _ in range(shards)]
    for number, name in enumerate(names):
        members[shard_of(name, shards)].append(number)
    rows = []
    for shard, numbers in enumerate(members):
        file = folder / f"{shard:05}-of-{shards:05}.npy"
        with file.open("wb") as opened:
            array = ArrayShard(opened, SIZE)
            for row, number in enumerate(numbers):
                start = array.add(names[number], images[number].tobytes())
                rows.append(Row(names[number], "0" * 32, 9, 9, "0" * 32, file.name, row, start, images[number].nbytes))
            array.close()
    (folder / MANIFEST).write_bytes(b"".join([format_head(Head({}, {}, {}, {})), *map(format_row, rows)]))
    return folder


def peak_memory(folder: Path, source: Path) -> int:
    """Bytes that a training on a data set had in memory at most."""
    command = [sys.executable, ROOT / "stages" / "train.py", "--input", source]
    command += ["--output", folder / "vae.keras", "--curves", folder / "curves", "--epochs", "1", "--width", "4"]
    command += [
        "--network",
        "vector",
        "--flow_steps",
        "100",
        "--latent_dim",
        "2",
        "--batch_size",
        "1024",
        "--held_out",
        "0.05",
    ]
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test_training_on_many_images_takes_the_memory_of_few(tmp_path: Path):
    few, many = write_shards(tmp_path / "few", 2_000), write_shards(tmp_path / "many", 100_000)
    mapped = sum(file.stat().st_size for file in many.glob("*.npy"))  # pages that the system takes back when it likes
    assert mapped > 70 * MIB
    assert peak_memory(tmp_path, many) - mapped < peak_memory(tmp_path, few) + 30 * MIB
