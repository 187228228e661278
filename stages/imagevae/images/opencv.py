"""PNG and JPEG files decoded by OpenCV, and what its libraries say of them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.images.complaints import with_complaints
from imagevae.images.headers import DAMAGED

AS_IN_FILE = cv2.IMREAD_UNCHANGED
AS_RGB = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
HARMLESS = "Warning: unknown JFIF revision"  # the one complaint of libjpeg that is about no pixel

# What the libraries have to say about a damaged image is in our own error.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode_sound_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Pixels of a JPEG file, RGB, of which libjpeg does not complain.

    Raises:
        BadInput: it complains, or can't decode it.
        MemoryError: there is too little memory.
    """
    pixels, complaints = with_complaints(lambda: decode_with_opencv(data, AS_RGB))
    serious = [line for line in complaints.splitlines() if not line.startswith(HARMLESS)]
    if serious:
        raise BadInput(f"damaged: {serious[0].removeprefix('Corrupt JPEG data: ')}; replace it or take it out")
    return pixels


def decode_with_opencv(data: bytes, flags: int) -> NDArray:
    """Pixels as they lie in a PNG or JPEG file, (height, width, channels): grey, RGB or RGBA.

    Args:
        flags: `AS_IN_FILE` or `AS_RGB`.

    Raises:
        BadInput: it can't be decoded.
        MemoryError: there is too little memory.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:  # raised for sizes out of bounds
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from error
        pixels = None
    if pixels is None:
        raise BadInput(DAMAGED)
    if pixels.ndim == 2:
        return pixels[:, :, None]
    if flags == AS_IN_FILE:
        swap = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        cv2.cvtColor(pixels, swap, dst=pixels)
    return pixels
