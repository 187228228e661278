"""Decoding the bytes of image files to RGB, and encoding PNG."""

import io
import struct
import warnings

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from imagevae.errors import BadInput

RGB = tuple[int, ...]

cv2.utils.logging.setLogLevel(
    cv2.utils.logging.LOG_LEVEL_SILENT
)  # what it has to say about a damaged image is in our own error


def decode(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode the bytes of an image file, upright.

    OpenCV decodes, being several times faster; Pillow takes over where OpenCV 4.14 is wrong: it drops the colour key
    of grey PNGs, ignores the orientation of AVIFs, and multiplies or mistakes the fourth channel of TIFFs.

    Returns:
        uint8 or uint16 (height, width, channels): grey, RGB, or RGBA with straight alpha.

    Raises:
        BadInput: these bytes are no image, or a damaged one.
    """
    if _needs_pillow(data):
        return _decode_with_pillow(data)
    try:
        pixels, kinds, blocks = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8), flags=cv2.IMREAD_UNCHANGED)
    except cv2.error:  # raised for empty data and for sizes out of bounds
        pixels = None
    if pixels is None or _is_cut_short(data):
        raise BadInput("not an image, or a damaged one; replace it or take it out")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise BadInput(f"pixels of type {pixels.dtype}; wanted are 8 or 16 bits a channel")
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    elif pixels.shape[2] == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    elif pixels.shape[2] == 4:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
    exif = [bytes(block) for kind, block in zip(kinds, blocks, strict=True) if kind == cv2.IMAGE_METADATA_EXIF]
    return _upright(pixels, exif[0]) if exif else pixels


def _needs_pillow(data: bytes) -> bool:
    grey_png = data[:8] == b"\x89PNG\r\n\x1a\n" and data[25:26] == b"\x00"
    return (
        data[:4] in (b"II*\x00", b"MM\x00*")
        or data[4:12] in (b"ftypavif", b"ftypavis")
        or (grey_png and b"tRNS" in data[:65536].partition(b"IDAT")[0])
    )


def _decode_with_pillow(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, UnidentifiedImageError):
        raise BadInput("not an image, or a damaged one; replace it or take it out") from None
    if upright.mode in ("F", "I"):
        raise BadInput(f"pixels of Pillow's mode {upright.mode}; wanted are 8 or 16 bits a channel")
    if upright.mode.startswith("I;16"):
        return np.asarray(upright, np.uint16)[:, :, None]
    return np.asarray(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))


def _is_cut_short(data: bytes) -> bool:
    """Whether a PNG or JPEG lacks its end: OpenCV fills the missing rows in without a word."""
    if data[:4] == b"\x89PNG":
        place = 8  # of a chunk: length, kind, content, checksum (PNG 3rd edition, 5.3)
        while place < len(data) and data[place + 4 : place + 8] != b"IEND":
            place += 12 + int.from_bytes(data[place : place + 4], "big")
        return place + 12 > len(data)
    if data[:2] == b"\xff\xd8":
        place = 2  # of a marker, up to the one that starts the scan (ITU T.81, B.1.1); before it lie thumbnails
        while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        return data.find(b"\xff\xd9", place) < 0
    return False


def _upright(pixels: NDArray, exif: bytes) -> NDArray:
    turned = orientation(exif)
    if turned in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if turned in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turned in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def orientation(exif: bytes) -> int:
    """How an image lies, by its EXIF block: 1 is upright, 8 ways in all (Exif 2.3, 4.6.4 A)."""
    metadata = Image.Exif()
    try:
        metadata.load(exif)
        return metadata.get(0x0112, 1)
    except (SyntaxError, ValueError, OSError, struct.error):
        return 1  # metadata that can't be read say nothing


def flatten(pixels: NDArray[np.uint8] | NDArray[np.uint16], background: RGB) -> NDArray[np.uint8]:
    """Composite straight alpha over a background and scale to 8 bits, rounding to the nearest once, at the end.

    The "over" operator of Porter and Duff (1984) with an opaque backdrop: alpha * colour + (1 - alpha) * background.

    Args:
        pixels: (height, width, 1, 3 or 4), grey, RGB or RGBA.
        background: red, green and blue, 0 to 255.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    top = int(np.iinfo(pixels.dtype).max)
    colour: NDArray = pixels[:, :, :3]
    alpha: NDArray = pixels[:, :, 3:]
    if alpha.size and alpha.min() < top:
        colour = _over(pixels, background) if top == 255 else _over_deep(colour, alpha, background)
    elif top > 255:
        colour = (255 * colour.astype(np.uint32) + top // 2) // top
    return np.ascontiguousarray(np.broadcast_to(colour.astype(np.uint8, copy=False), (*colour.shape[:2], 3)))


def _over(pixels: NDArray, background: RGB) -> NDArray:
    # OpenCV multiplies in float32 and rounds to the nearest. That is exact: quotients of integers by 255 lie at least
    # 1/510 from where rounding turns, and the background, an integer, can be added after rounding.
    colour, alpha = cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB), cv2.cvtColor(pixels[:, :, 3], cv2.COLOR_GRAY2RGB)
    if not any(background):
        return cv2.multiply(colour, alpha, scale=1 / 255)
    above = cv2.subtract(colour, (*background, 0), dtype=cv2.CV_16S)
    scaled = cv2.multiply(above, alpha, scale=1 / 255, dtype=cv2.CV_16S)
    return cv2.add(scaled, (*background, 0), dtype=cv2.CV_8U)


def _over_deep(colour: NDArray, alpha: NDArray, background: RGB) -> NDArray:
    wide = alpha.astype(np.uint64)
    over = 255 * colour.astype(np.uint64) * wide + np.asarray(background, np.uint64) * 65535 * (65535 - wide)
    return (over + 65535**2 // 2) // 65535**2


# Sooner written and read than with what OpenCV chooses itself, and smaller, photographs and flat art alike.
PNG_SETTINGS = (
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 (height, width, 3 or 4), RGB or RGBA, as PNG without metadata: same pixels, same bytes."""
    swap = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    return cv2.imencode(".png", cv2.cvtColor(pixels, swap), PNG_SETTINGS)[1].tobytes()
