"""What is written is what was given."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from imagevae.dataset.squares import read_squares
from imagevae.exploring.writing import write_latents, write_squares
from imagevae.images.manifest import MANIFEST, read_head, read_rows

IMAGES = np.random.default_rng(0).integers(0, 256, (1030, 8, 8, 3), np.uint8)
NAMES = [f"sub/{number:04}.jpg" for number in range(1030)]


@pytest.mark.parametrize("form", ["files", "shards"])
def test_squares_are_read_as_they_were_written(form: str, tmp_path: Path):
    write_squares(tmp_path, zip(NAMES, IMAGES, strict=True), form, {"seed": 0})
    found = read_squares(tmp_path)
    assert np.array_equal(found[np.arange(len(found))], IMAGES)
    if form == "files":
        assert cv2.imread(str(tmp_path / "sub" / "0003.jpg.png")).shape == (8, 8, 3)
    else:
        assert read_head(tmp_path / MANIFEST).recipe == {"seed": 0}
        assert [row.name for row in read_rows(tmp_path / MANIFEST)] == NAMES
        assert [len(np.load(file)) for file in sorted(tmp_path.glob("*.npy"))] == [512, 512, 6]


def test_latents_lose_no_digit_and_names_no_character(tmp_path: Path):
    z = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32) * 1e-3
    names = ['a, "b".png', "ü\n.png", "\udcff.png"]
    write_latents(tmp_path / "latents.csv", {"z_mean": 4, "z_log_sigma": 4}, names, np.concatenate(z, axis=1))
    with (tmp_path / "latents.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", *(f"{kind}_{unit}" for kind in ("z_mean", "z_log_sigma") for unit in range(4))]
    assert [row[0] for row in rows] == names
    assert np.array_equal(np.array([row[1:] for row in rows], np.float32), np.concatenate(z, axis=1))
