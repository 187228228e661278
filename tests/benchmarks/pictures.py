"""Pictures that compress as photographs do: a spectrum that falls as 1/f, shapes with edges, gradients of light."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def texture(random: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Octaves of smooth noise, each of half the amplitude of the one before; (size, size), mean 0, deviation 1."""
    total = np.zeros((size, size), np.float32)
    cells, amplitude = 3, 1.0
    while cells < 2 * size:
        octave = random.standard_normal((min(cells, size),) * 2, np.float32)
        total += amplitude * cv2.resize(octave, (size, size), interpolation=cv2.INTER_CUBIC)
        cells, amplitude = 2 * cells, amplitude / 2
    return total / total.std()


def picture(random: np.random.Generator, textures: list[NDArray[np.float32]], height: int, width: int) -> NDArray:
    """A picture, uint8 (height, width, 4), BGRA; half of it at most is transparent."""
    light, grain, alpha = (
        np.roll(textures[random.integers(len(textures))], random.integers(1280, size=2), (0, 1))[:height, :width]
        for _ in range(3)
    )
    scene = np.zeros((height, width, 3), np.float32)
    for _ in range(12):
        points = (random.random((5, 2)) * (width, height)).astype(np.int32)
        cv2.fillConvexPoly(scene, cv2.convexHull(points), (random.standard_normal(3) * 40).tolist(), cv2.LINE_AA)
    gradient = np.linspace(-30, 30, width, dtype=np.float32)
    colour = cv2.GaussianBlur(scene, (0, 0), 0.7) + (128 + 30 * grain + gradient + 10 * light)[:, :, None]
    cover = 255 * (alpha + 0.8) * 2
    return np.dstack([colour, cover]).clip(0, 255).astype(np.uint8)


def write_pictures(folder: Path, count: int, height: int, width: int, extension: str) -> None:
    """Write pictures 00000.png and so on; JPEG photographs of quality 90 without, PNG with an alpha channel.

    A folder that is there already is taken as it is.
    """
    if folder.is_dir():
        return
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    textures = [texture(np.random.default_rng(seed), 1280) for seed in range(8)]
    settings = (cv2.IMWRITE_JPEG_QUALITY, 90) if extension == "jpg" else ()

    def write(number: int) -> None:
        pixels = picture(np.random.default_rng(number), textures, height, width)
        shown = pixels[:, :, :3] if extension == "jpg" else pixels
        cv2.imwrite(str(partial / f"{number:05}.{extension}"), shown, settings)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(count)))
    partial.rename(folder)


def write_tiles(folder: Path, count: int, size: int) -> None:
    """Write many small pictures, 0000000.png and so on, PNG with an alpha channel: tiles of larger ones.

    A folder that is there already is taken as it is.
    """
    if folder.is_dir():
        return
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    textures = [texture(np.random.default_rng(seed), 1280) for seed in range(8)]
    a_side = 1280 // size
    for number in range(count):
        which, place = divmod(number, a_side**2)
        if place == 0:
            whole = picture(np.random.default_rng(which), textures, 1280, 1280)
        top, left = (size * edge for edge in divmod(place, a_side))
        cv2.imwrite(str(partial / f"{number:07}.png"), whole[top : top + size, left : left + size])
    partial.rename(folder)
