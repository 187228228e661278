"""Decoding the bytes of image files to RGB, and encoding PNG."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.images.headers import JPEG, PNG, jpeg_header, png_chunks, png_size

if TYPE_CHECKING:
    from PIL.Image import Image

RGB = tuple[int, ...]

MAX_PIXELS = 2**27  # 134 megapixels: what decoding an image may take is decided before any memory is

DAMAGED = "damaged, or of a kind that is not read; replace it or take it out"

OTHERS = ("AVIF", "BMP", "GIF", "PPM", "TIFF", "WEBP")  # by Pillow's names; it knows more, and starts programs for some
BITS, EXTRA = 258, 338  # tags of TIFF 6.0: BitsPerSample, ExtraSamples

# What the libraries have to say about a damaged image is in our own error.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@cache
def _pillow() -> ModuleType:
    """Pillow's module Image. It is loaded where an image needs it, since that takes a while and few do."""
    from PIL import Image

    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="PIL")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # it warns from here on, and refuses images of twice as many pixels
    return Image


def decode(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode the bytes of an image file, upright; of several frames or pages the first one.

    OpenCV decodes PNG and JPEG, being several times faster; Pillow decodes the rest, being right more often: OpenCV
    4.14 takes the unused byte of BMPs for alpha, multiplies or mistakes the fourth channel of TIFFs, ignores the
    orientation of AVIFs and takes memory for GIFs before it looks at their size.

    Returns:
        uint8 or uint16 (height, width, channels): grey, RGB, or RGBA with straight alpha.

    Raises:
        BadInput: these bytes are no image, a damaged one, or one of more than MAX_PIXELS pixels.
    """
    if not data:
        raise BadInput("an empty file")
    if data[:8] == PNG:
        return _decode_png(data)
    if data[:2] == JPEG:
        header = jpeg_header(data)
        _check_size(header.width, header.height)
        return _upright(*_decode_with_opencv(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION))
    return _decode_with_pillow(data)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep back what libpng, libjpeg and libtiff write to stderr about damaged images; Python's stderr goes on."""
    sys.stderr.flush()
    stderr = sys.stderr
    with (
        open(os.dup(2), "w", buffering=1, encoding=stderr.encoding, errors="backslashreplace") as sys.stderr,
        open(os.devnull, "w") as null,
    ):
        os.dup2(null.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(sys.stderr.fileno(), 2)
            sys.stderr = stderr


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadInput(f"{width}x{height} pixels, more than the {MAX_PIXELS} that are read")


def _decode_png(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    _check_size(*png_size(data))
    chunks = dict(png_chunks(data, check_pixels=False))
    pixels: NDArray
    pixels, exif = _decode_with_opencv(data)
    depth, colour = data[24], data[25]  # PNG 3rd edition, 11.2.1
    if colour == 0 and len(chunks.get(b"tRNS", b"")) == 2:  # OpenCV drops the colour key of grey images
        key = int.from_bytes(chunks[b"tRNS"], "big") & (2**depth - 1)
        top = np.iinfo(pixels.dtype).max
        alpha = np.where(pixels == key * top // (2**depth - 1), 0, top)
        pixels = np.concatenate([pixels, pixels, pixels, alpha], axis=2, dtype=pixels.dtype, casting="unsafe")
    return _upright(pixels, exif)


def _decode_with_opencv(
    data: bytes, flags: int = cv2.IMREAD_UNCHANGED
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], bytes]:
    """Pixels as they lie in the file, and the EXIF block or nothing."""
    try:
        pixels, kinds, blocks = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8), flags=flags)
    except cv2.error:  # raised for sizes out of bounds
        pixels = None
    if pixels is None:
        raise BadInput(DAMAGED)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    elif pixels.shape[2] == 3 and flags == cv2.IMREAD_UNCHANGED:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    elif pixels.shape[2] == 4:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
    exif = [bytes(block) for kind, block in zip(kinds, blocks, strict=True) if kind == cv2.IMAGE_METADATA_EXIF]
    return pixels, exif[0] if exif else b""


def _decode_with_pillow(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    pillow = _pillow()
    from PIL import ImageOps, TiffImagePlugin

    try:
        with pillow.open(io.BytesIO(data), formats=OTHERS) as image:
            if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(BITS) in ((16,) * 3, (16,) * 4):
                return _decode_deep_tiff(data, image.tag_v2.get(EXTRA))
            return _pixels(ImageOps.exif_transpose(image), image.format)
    except BadInput:
        raise
    except pillow.UnidentifiedImageError:
        raise BadInput("not an image, or damaged at its start; replace it or take it out") from None
    except pillow.DecompressionBombError:
        raise BadInput(f"more than the {MAX_PIXELS} pixels that are read") from None
    except Exception as error:  # Pillow raises a wide choice of them for damaged images
        raise BadInput(DAMAGED) from error


def _pixels(image: "Image", kind: str | None) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if image.mode.startswith("I;16") or (kind, image.mode) == ("PPM", "I"):  # which Pillow scales to 16 bits
        return np.asarray(image).astype(np.uint16)[:, :, None]
    if image.mode in ("F", "I"):
        raise BadInput(f"pixels of Pillow's mode {image.mode}; 8 and 16 bits a channel are read")
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _decode_deep_tiff(data: bytes, extra: tuple[int, ...] | None) -> NDArray[np.uint16]:
    """16 bits a channel, of which Pillow drops the lower 8; upright already. `extra` says what a fourth channel is."""
    pixels: NDArray = _decode_with_opencv(data)[0]
    if extra == (0,):  # no alpha
        return np.ascontiguousarray(pixels[:, :, :3])
    if extra == (1,):  # colours are multiplied by alpha
        alpha = np.maximum(pixels[:, :, 3:], 1).astype(np.uint32)
        pixels[:, :, :3] = np.minimum((pixels[:, :, :3] * np.uint32(65535) + alpha // 2) // alpha, 65535)
    return pixels


def _upright(pixels: NDArray, exif: bytes) -> NDArray:
    turned = orientation(exif)
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
    metadata = _pillow().Exif()
    try:
        metadata.load(exif)
        return metadata.get(0x0112, 1)
    except Exception:  # Pillow raises a wide choice of them; metadata that can't be read say nothing
        return 1


def flatten(pixels: NDArray[np.uint8] | NDArray[np.uint16], background: RGB) -> NDArray[np.uint8]:
    """Composite straight alpha over a background and scale to 8 bits, rounding to the nearest once, at the end.

    The "over" operator of Porter and Duff (1984) with an opaque backdrop: alpha * colour + (1 - alpha) * background.

    Args:
        pixels: (height, width, 1, 3 or 4), grey, RGB or RGBA.
        background: red, green and blue, 0 to 255.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    if pixels.shape[2] == 3 and pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    flat = np.empty((*pixels.shape[:2], 3), np.uint8)
    rows = max(1, 2**16 // pixels.shape[1])  # at a time: what lies between fits into the processor's cache
    for start in range(0, len(pixels), rows):
        flat[start : start + rows] = _flatten(pixels[start : start + rows], background)
    return flat


def _flatten(pixels: NDArray, background: RGB) -> NDArray:
    top = int(np.iinfo(pixels.dtype).max)
    colour, alpha = pixels[:, :, :3], pixels[:, :, 3:]
    if alpha.size and alpha.min() < top:
        return _over(pixels, background) if top == 255 else _over_deep(colour, alpha, background)
    return colour if top == 255 else (255 * colour.astype(np.uint32) + top // 2) // top


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
