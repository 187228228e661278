"""HEIC and JPEG XL are read where Pillow's plug-ins for them are installed, and called by their name where not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, run_stage, tree, write_images

pytestmark = pytest.mark.slow

WRITE = """
import sys
import pillow_jxl
from PIL import Image
from pillow_heif import register_heif_opener
register_heif_opener()
image = Image.new("RGB", (40, 30), (200, 100, 50))
folder = sys.argv[1]
image.save(f"{folder}/a.heic", quality=95)
image.save(f"{folder}/b.jxl", lossless=True)
image.save(f"{folder}/c.jpg", "HEIF", quality=95)
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the plug-ins are there, beside that of the tests."""
    folder = tmp_path_factory.mktemp("plugins")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
    subprocess.run([*command, "-r", ROOT / "requirements-formats.txt"], check=True)
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.mark.parametrize("form", ["files", "shards"])
def test_they_are_read_with_plugins_and_named_without(form: str, plugins: dict[str, str], tmp_path: Path):
    write_images(tmp_path / "in", 9)
    subprocess.run([sys.executable, "-c", WRITE, tmp_path / "in"], env=plugins, check=True)
    paths = ("--input", tmp_path / "in", "--max_rejected", "0.2", "--format", form)
    without = run_stage("rgba2rgb", *paths, "--output", tmp_path / "without")
    assert without.returncode == 0, without.stderr
    for words in (
        ("1 .heic", "1 .jxl"),
        ("HEIC", "pillow-heif"),
        ("JPEG XL", "pillow-jxl-plugin"),
        ("'c.jpg'", "HEIC"),
    ):
        assert any(all(word in line for word in words) for line in without.stderr.splitlines()), words
    read = run_stage("rgba2rgb", *paths, "--output", tmp_path / "with", env=plugins)
    assert (read.returncode, read.stderr) == (0, "")
    if form == "files":
        made = {name for name in tree(tmp_path / "with") if not name.startswith(".")}
        assert {"a.heic.png", "b.jxl.png", "c.jpg.png"} <= made
