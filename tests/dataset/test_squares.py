"""Data sets from files and from shards: the same images, and nothing that is missing goes unnoticed."""

import json
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest

from conftest import as_images, run_stage, write_images
from imagevae.cli.errors import BadInput
from imagevae.dataset import squares
from imagevae.dataset.held_out import split
from imagevae.dataset.squares import read_squares
from imagevae.images.manifest import MANIFEST, Head, Row, format_head, format_row, read_entries, read_head, read_rows

DIGEST = 32 * "0"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    write_images(folder / "in", 50, size=9)
    for form in ("files", "shards"):
        arguments = ("--input", folder / "in", "--output", folder / form, "--size", 8, "--format", form)
        assert run_stage("resize", *arguments).returncode == 0
    return folder / "shards"


@pytest.fixture
def copy(shards: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shards, tmp_path / "copy")


def test_files_and_shards_hold_the_same_images(shards: Path):
    images, same = read_squares(shards), read_squares(shards.with_name("files"))
    assert np.array_equal(images[:], same[:])
    for ours, theirs in zip(split(images, 0.3, shards), split(same, 0.3, shards), strict=True):
        assert np.array_equal(ours[:], theirs[:])


def test_a_split_keeps_the_order(shards: Path):
    images = read_squares(shards)[:]
    training, held_out = (part[:] for part in split(as_images(images), 0.3, shards))
    order = {image.tobytes(): place for place, image in enumerate(images)}
    for part in (training, held_out):
        places = [order[image.tobytes()] for image in part]
        assert places == sorted(places)


def test_a_link_that_leads_nowhere_is_refused(shards: Path, tmp_path: Path):
    copy = shutil.copytree(shards.with_name("files"), tmp_path / "files")
    (copy / "broken.png").symlink_to("nowhere")
    with pytest.raises(BadInput, match=r"files/broken.png: a broken link"):
        read_squares(copy)


@pytest.mark.parametrize("damage", ["cut", "text", "fewer", "other size", "manifest", "no image"])
def test_shards_that_are_damaged_are_refused(damage: str, copy: Path):
    [shard] = copy.glob("*.npy")
    content = shard.read_bytes()
    if damage in ("cut", "text"):
        shard.write_bytes(content[:-1] if damage == "cut" else b"no array")
    elif damage in ("fewer", "other size"):
        array = np.load(shard)
        np.save(shard, array[1:] if damage == "fewer" else array[:, 1:])
    else:
        lines = (copy / MANIFEST).read_text().splitlines(keepends=True)
        (copy / MANIFEST).write_text("".join(lines[:1]) + ("" if damage == "no image" else "[1, 2"))
    with pytest.raises(BadInput, match="copy"):
        read_squares(copy)


def test_more_shards_than_a_process_may_open_files(tmp_path: Path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 1500
    images = np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8, 3), np.uint8)
    rows = []
    for number, image in enumerate(images):
        np.save(tmp_path / f"{number}.npy", image)
        rows.append(Row(f"{number:05}.png", "", 9, 9, "", f"{number}.npy", 0, 128, 192))
    (tmp_path / MANIFEST).write_bytes(b"".join([format_head(Head({}, {}, {}, {})), *map(format_row, rows)]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, limits[1]))
    try:
        assert np.array_equal(read_squares(tmp_path)[:], images[:, 0])
    finally:
        squares._map.cache_clear()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_manifest_is_read_as_it_was_written(copy: Path):
    head, rows = read_head(copy / MANIFEST), list(read_rows(copy / MANIFEST))
    assert (copy / MANIFEST).read_bytes() == b"".join([format_head(head), *map(format_row, rows)])
    for name, lines in read_entries(copy / MANIFEST, head):
        assert lines == b"".join(format_row(row) for row in rows if row.file == name)
    counts = json.loads((copy / MANIFEST).read_text().splitlines()[0])["counts"]
    assert counts == {"images": 50, "rejected": 0, "left_aside": 0}


@pytest.mark.parametrize("line", ["[", "3", "{}", '["a.png"]', f'["a.png", "{DIGEST}", 9]', f'["a.png", "{DIGEST}"'])
@pytest.mark.parametrize("sources", [None, {DIGEST}])
def test_a_damaged_manifest_is_named(line: str, sources: set[str] | None, copy: Path):
    (copy / MANIFEST).write_bytes((copy / MANIFEST).read_bytes() + line.encode())
    with pytest.raises(BadInput, match=f"{MANIFEST}: a damaged manifest"):
        list(read_rows(copy / MANIFEST, sources))
