"""Images for a model, whatever they are made of."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from conftest import write_images
from imagevae.cli.errors import BadInput
from imagevae.exploring.inputs import Form, open_folder, read_square

FORM = Form(16, "pad", (0, 0, 0))


@dataclass(frozen=True)
class Crashing(Form):
    """A form in which no library survives a red image."""

    def square(self, pixels: np.ndarray) -> np.ndarray:
        if pixels[0, 0].tolist() == [255, 0, 0]:
            os.abort()
        return super().square(pixels)


def test_a_crash_costs_the_image_alone_and_names_it(tmp_path: Path):
    """In a folder, one after another or by their number, and where a file is named."""
    write_images(tmp_path / "any", 40, size=16)
    cv2.imwrite(str(tmp_path / "any" / "0017x.png"), np.uint8([[[0, 0, 255]]]))
    folder = open_folder(tmp_path / "any", Crashing(*vars(FORM).values()))
    with pytest.raises(BadInput, match=r"0017x\.png: a library crashed at it \(SIGABRT\)"):
        list(folder)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: told(lambda: folder[number]), range(41)))
    plain = list(open_folder(tmp_path / "any", FORM))
    assert [number for number, each in enumerate(found) if isinstance(each, BadInput)] == [18]
    assert all(np.array_equal(one, other) for one, other in zip(found, plain, strict=True) if one is not found[18])
    with pytest.raises(BadInput, match="0017x"):
        read_square(tmp_path / "any" / "0017x.png", folder.form)


def told(read: Callable[[], np.ndarray]) -> np.ndarray | BadInput:
    try:
        return read()
    except BadInput as error:
        return error


def test_images_of_odd_kinds_are_squares_too(tmp_path: Path):
    files = [tmp_path / name for name in ("cmyk.jpg", "palette.gif", "bits.bmp", "alpha.webp", "deep.png")]
    for file, mode in zip(files, ("CMYK", "P", "1", "LA"), strict=False):
        Image.new("L", (30, 20), 200).convert(mode).save(file)
    cv2.imwrite(str(files[-1]), np.full((20, 30), 50_000, np.uint16))
    for file in files:
        assert read_square(file, FORM)[8, 8].min() > 150


def test_a_folder_gives_any_of_its_images_and_all_in_turn(tmp_path: Path):
    write_images(tmp_path / "any", 5, size=40)
    folder = open_folder(tmp_path / "any", FORM)
    assert folder.names == [f"000{number}.png" for number in range(5)]
    assert len(folder) == 5
    squares = list(folder)
    assert all(np.array_equal(folder[number], squares[number]) for number in (4, 0, 2))
    (tmp_path / "any" / "0003.png").unlink()
    with pytest.raises(OSError, match=r"0003\.png"):
        folder[3]
