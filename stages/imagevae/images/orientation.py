"""How an image lies, and turning it upright."""

import numpy as np
from numpy.typing import NDArray


def upright(pixels: NDArray, turned: int) -> NDArray:
    """Turn and mirror pixels that lie as an orientation of EXIF says, see `orientation`."""
    if turned == 1:
        return pixels
    if turned in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if turned in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turned in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def orientation(exif: bytes) -> int:
    """How an image lies, by its EXIF block: 1 is upright, 8 ways in all (Exif 2.3, 4.6.4 A)."""
    if not exif:
        return 1
    from PIL.Image import Exif

    metadata = Exif()
    try:
        metadata.load(exif)
        turned = metadata.get(0x0112, 1)
        return turned if turned in range(1, 9) else 1
    except Exception:  # Pillow raises a wide choice of them; metadata that can't be read say nothing
        return 1
