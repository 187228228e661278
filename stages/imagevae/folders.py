"""Converting a folder of images into another one, image by image."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from imagevae.contact_sheet import contact_sheet, evenly_spaced
from imagevae.errors import BadInput
from imagevae.images import EXTENSIONS, encode_png, list_images
from imagevae.output import new_folder, write_file


def convert_folder(
    source: Path, output: Path, convert: Callable[[Path], NDArray[np.uint8]], sheet: Path | None
) -> None:
    """Write `convert(file)` for each image file below `source` as a PNG at the same place below `output`.

    Args:
        convert: from the path of an image to uint8 (height, width, 3), RGB.
        sheet: PNG file for a contact sheet of the results, or None.

    Raises:
        BadInput: no images, a damaged image, or two folders of which one lies in the other. Nothing is written then.
        OSError: a file can't be read or written, or the disk is full. Nothing is written then.
    """
    names = list_images(source)
    inner, outer = source.resolve(), output.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise BadInput(f"{output}: --output must lie outside of --input {source}, and --input outside of it")
    shown = set(evenly_spaced(len(names), 64))
    tiles = []
    with new_folder(output) as folder:
        for place, name in enumerate(tqdm(names, desc=f"{source} → {output}", unit="image", disable=None)):
            pixels = convert(source / name)
            target = folder / png_name(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(encode_png(pixels))
            if sheet and place in shown:
                tiles.append(pixels)
    if sheet:
        write_file(sheet, encode_png(contact_sheet(tiles)))


def png_name(name: Path) -> Path:
    """The name of the PNG that an image becomes: a.png stays, a.jpg becomes a.jpg.png.

    No two images share a result: a name is kept only where it ends in .png and in no other image extension before,
    so that what is appended to another name can't meet it.
    """
    stem, extension = os.path.splitext(name.name)
    kept = extension.lower() == ".png" and os.path.splitext(stem)[1].lower() not in EXTENSIONS
    return name if kept else name.with_name(f"{name.name}.png")
