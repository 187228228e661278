"""Memory of image stages: a budget over all threads, and a lack of it that is no fault of an image."""

import io
import resource
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from conftest import ROOT, run_stage, write_images
from imagevae.conversion.memory import Budget
from imagevae.images.manifest import MANIFEST, read_head
from peak_memory import peak_memory

pytestmark = pytest.mark.endurance

GB = 10**9
WIDE = 11585  # of a square of just under 2 ** 27 pixels; of WebP half as many are read


def test_no_more_than_the_budget_is_taken_at_once_and_all_get_their_turn():
    budget, lock = Budget(100), threading.Lock()
    taken = most = 0

    def take(count: int) -> None:
        nonlocal taken, most
        with budget.taking(count):
            with lock:
                taken += min(count, 100)
                most = max(most, taken)
            with lock:
                taken -= min(count, 100)

    threads = [threading.Thread(target=take, args=(count,)) for count in [30, 60, 1000, 50, 100, 0, 99] * 20]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 100
    assert taken == 0


def largest(kind: str) -> bytes:
    """An image of nearly as many pixels as are read, in a small file."""
    file = io.BytesIO()
    if kind == "tiff of 16 bits":
        pixels = np.zeros((8000, 8000, 4), np.uint16)
        tifffile.imwrite(file, pixels, photometric="rgb", extrasamples=["assocalpha"], compression="zlib")
    else:
        mode, side = "RGBA" if kind in ("PNG", "WEBP") else "RGB", WIDE if kind != "WEBP" else 8191
        options = {"lossless": True, "quality": 0, "method": 0} if kind == "WEBP" else {}
        Image.new(mode, (side, side)).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "tiff of 16 bits"])
def test_the_largest_images_take_less_than_two_gigabytes_however_many_there_are(kind: str, tmp_path: Path):
    (tmp_path / "in").mkdir()
    data = largest(kind)
    for number in range(3):
        (tmp_path / "in" / f"{number}.{'tif' if 'tiff' in kind else kind.lower()}").write_bytes(data)
    command = [ROOT / "stages" / "resize.py", "--input", tmp_path / "in", "--output", tmp_path / "out", "--size", 8]
    assert peak_memory(*command) < 2 * GB


def limited(megabytes: int):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20, megabytes * 2**20))


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "bmp"])
def test_too_little_memory_is_an_error_of_the_run_and_not_remembered(kind: str, tmp_path: Path):
    write_images(tmp_path / "in", 4)
    Image.new("RGB", (8100, 8100)).save(tmp_path / "in" / f"large.{kind}")
    paths = ("--input", tmp_path / "in", "--output", tmp_path / "out", "--format", "shards")
    result = run_stage("resize", *paths, preexec_fn=limited(700))
    assert result.returncode == 2, result.stderr
    assert "too little memory" in result.stderr
    assert "rejected" not in result.stderr
    assert not (tmp_path / "out").exists()
    assert run_stage("resize", *paths).returncode == 0
    assert read_head(tmp_path / "out" / MANIFEST).rejected == {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["damaged", "noise"])
def test_large_files_and_large_results_take_less_than_two_gigabytes(kind: str, tmp_path: Path):
    (tmp_path / "in").mkdir()
    for number in range(3 if kind == "damaged" else 16):
        with (tmp_path / "in" / f"{number}.bmp").open("wb") as file:
            if kind == "damaged":
                file.truncate(2**30)  # takes no space on the disk
            else:
                Image.frombytes("RGB", (6000, 5000), np.random.default_rng(number).bytes(90_000_000)).save(file, "BMP")
    write_images(tmp_path / "in", 1)
    paths = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    assert peak_memory(ROOT / "stages" / "rgba2rgb.py", *paths, "--max_rejected", 0.9) < 2 * GB
