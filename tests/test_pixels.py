"""The trip of an image through both stages, against plain arithmetic in floating point from end to end."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from conftest import run_stage
from image_files import write_png
from imagevae.dataset.squares import read_squares

BACKGROUND = (10, 200, 90)


def natural(height: int, width: int, channels: int, top: int, seed: int) -> np.ndarray:
    """Something smooth with a little noise, integers up to `top`."""
    random = np.random.default_rng(seed)
    smooth = cv2.resize(random.random((5, 6, 4)), (width, height), interpolation=cv2.INTER_CUBIC)[:, :, :channels]
    return np.rint(np.clip(smooth + random.normal(0, 0.05, smooth.shape), 0, 1) * top).astype(int)


def by_pillow(samples: np.ndarray, kind: str, **options) -> tuple[bytes, np.ndarray]:
    """A file, and what Pillow decodes from it, RGB or RGBA of 0 to 1."""
    file = io.BytesIO()
    Image.fromarray(samples.astype(np.uint8)).save(file, kind, **options)
    image = Image.open(file)
    return file.getvalue(), np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB")) / 255


def png(samples: np.ndarray, colour: int, depth: int) -> tuple[bytes, np.ndarray]:
    """A file, and what was written into it."""
    exact = samples / (2**depth - 1)
    if colour == 4:
        exact = exact[:, :, [0, 0, 0, 1]]
    return write_png(samples, colour, depth), exact if colour else np.repeat(exact, 3, axis=2)


PICTURES = {
    "rgba, reduced 20 times.png": png(natural(1280, 1290, 4, 255, 1), 6, 8),
    "rgba, odd.png": png(natural(331, 197, 4, 255, 2), 6, 8),
    "rgba of 16 bits.png": png(natural(301, 503, 4, 65535, 3), 6, 16),
    "rgb of 16 bits.png": png(natural(211, 223, 3, 65535, 4), 2, 16),
    "grey and alpha of 16 bits.png": png(natural(99, 101, 2, 65535, 5), 4, 16),
    "grey of 4 bits.png": png(natural(97, 65, 1, 15, 6), 0, 4),
    "hardly reduced.png": png(natural(65, 66, 4, 255, 7), 6, 8),
    "of the size.png": png(natural(64, 64, 4, 255, 8), 6, 8),
    "photograph.jpg": by_pillow(natural(533, 400, 3, 255, 9), "JPEG", quality=90),
    "photograph, reduced 30 times.jpg": by_pillow(natural(2000, 1999, 3, 255, 10), "JPEG", quality=85),
    "photograph, reduced 8 times.jpg": by_pillow(natural(512, 520, 3, 255, 14), "JPEG", subsampling=0),
    "progressive.jpg": by_pillow(natural(257, 129, 3, 255, 11), "JPEG", progressive=True),
    "alpha.webp": by_pillow(natural(301, 199, 4, 255, 12), "WEBP"),
    "alpha.tiff": by_pillow(natural(133, 150, 4, 255, 13), "TIFF"),
}


def averaged(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Averages over the areas of the result's pixels, each pixel weighted by how much of it lies there."""

    def weights(size: int, target: int) -> np.ndarray:
        edges = np.linspace(0, size, target + 1)
        overlap = np.minimum(edges[1:, None], np.arange(1, size + 1)) - np.maximum(edges[:-1, None], np.arange(size))
        return np.clip(overlap, 0, None) * target / size

    down, across = weights(pixels.shape[0], height), weights(pixels.shape[1], width)
    return np.einsum("yh,hwc,xw->yxc", down, pixels, across, optimize=True)


def expected(pixels: np.ndarray, size: int, fit: str) -> np.ndarray:
    """Composited, fitted and averaged, in levels of 0 to 255 that are not rounded."""
    colour, alpha = pixels[:, :, :3], pixels[:, :, 3:] if pixels.shape[2] == 4 else 1.0
    flat = 255 * colour * alpha + np.array(BACKGROUND) * (1 - alpha)
    height, width = flat.shape[:2]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return averaged(flat[top : top + side, left : left + side], size, size)
    if fit == "stretch":
        return averaged(flat, size, size)
    inner = averaged(flat, *(max(1, round(length * size / max(height, width))) for length in (height, width)))
    square = np.tile(np.array(BACKGROUND, float), (size, size, 1))
    top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return square


@pytest.fixture(scope="module")
def rgb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pixels")
    (folder / "in").mkdir()
    for name, (data, _) in PICTURES.items():
        (folder / "in" / name).write_bytes(data)
    arguments = ("--input", folder / "in", "--output", folder / "rgb", "--background", "#0ac85a")
    assert run_stage("rgba2rgb", *arguments, "--format", "shards").returncode == 0
    return folder / "rgb"


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_resized_pixels_are_those_of_a_plain_computation_but_for_rounding(fit: str, rgb: Path, tmp_path: Path):
    """8 bits are rounded to once in each of the two stages, by half a level at most: together less than one level."""
    arguments = ("--input", rgb, "--output", tmp_path / "small", "--fit", fit, "--background", "#0ac85a", "--size", 64)
    assert run_stage("resize", *arguments, "--format", "shards").returncode == 0
    resized = read_squares(tmp_path / "small")[:]
    assert len(resized) == len(PICTURES)
    for ours, name in zip(resized, sorted(PICTURES), strict=True):
        difference = np.abs(ours - expected(PICTURES[name][1], 64, fit))
        assert difference.max() <= 1, name
        assert difference.mean() < 0.3, name
