"""Images for a model, whatever they are made of."""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from conftest import write_images
from imagevae.cli.errors import BadInput
from imagevae.exploring.inputs import Form, open_folder, read_square, square_apart

FORM = Form(16, "pad", (0, 0, 0))


@dataclass(frozen=True)
class Crashing(Form):
    """A form in which no library survives."""

    def square(self, pixels: np.ndarray) -> np.ndarray:
        os.abort()


def test_an_image_apart_is_the_same_and_a_crash_costs_that_image_alone(tmp_path: Path):
    write_images(tmp_path / "any", 1, size=40)
    file = tmp_path / "any" / "0000.png"
    assert np.array_equal(square_apart(file, FORM), read_square(file, FORM))
    with pytest.raises(BadInput, match="a library crashed at it"):
        square_apart(file, Crashing(*vars(FORM).values()))


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
