"""TIFFs of 9 to 16 bits a channel, of which Pillow drops some, and an eye on those that Pillow decodes by libtiff."""

import ctypes
import io
import logging
import math
import struct
import warnings
import zlib
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.images.headers import DAMAGED, NO_PROFILE, check_size
from imagevae.images.opencv import decode_sound_jpeg

MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2  # PhotometricInterpretation of TIFF 6.0
ASSOCIATED = 1  # ExtraSamples: colours are multiplied by alpha
NO_ALPHA = 0
LZW, JPEG = 5, 7
FAX, DEFLATE = (2, 3, 4), (8, 32946)
COMPRESSIONS = (1, LZW, *DEFLATE, 32773, 34925, 50000)  # the first is none, the last PackBits, LZMA and Zstandard
COMPRESSIONS_OF_BYTES = (*COMPRESSIONS, *FAX, 6, JPEG)  # 6 is an old way to hold JPEGs
NAMES = {32809: "ThunderScan", 34676: "SGI Log", 34677: "SGI Log", 50001: "WebP"}
MAX_BYTES = 2**29  # of pixels: some steps hold them twice
BLOCK = 2**20  # pixels that are computed with at once
NUMBERS = {"u": "integers", "i": "signed integers", "f": "float", "c": "complex numbers"}  # kinds of NumPy's types
M_PERTURB = -6  # of glibc's malloc.h: fills what is allocated
_lock = Lock()

warnings.filterwarnings("ignore", module="tifffile")
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it finds wrong is in our own error


def decode_deep(data: bytes) -> tuple[NDArray[np.uint16], int, bytes]:
    """Decode a TIFF of 9 to 16 bits a channel: grey or RGB, with alpha or without, in strips or tiles, planes
    apart or not.

    Returns:
        uint16 (height, width, channels), grey, RGB or RGBA with straight alpha; the orientation, as in
        `orientation`; and the ICC profile or nothing.

    Raises:
        BadInput: a damaged image, or one of another kind.
    """
    import tifffile

    tifffile.TIFF.DECOMPRESSORS._codecs[LZW] = _unpack_lzw  # type: ignore[attr-defined]  # there is no other way
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        kind = int(page.photometric)
        channels = page.samplesperpixel
        if page.compression not in COMPRESSIONS:
            raise BadInput(f"not read: {describe(page)}, compressed by {getattr(page.compression, 'name', 'unknown')}")
        if page.dtype != np.uint16 or kind not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB) or channels > 4 or page.ndim > 3:
            raise BadInput(f"not read: {describe(page)}")
        check_size(page.imagewidth, page.imagelength)
        if not page.imagewidth * page.imagelength:
            raise BadInput("no pixels in it")
        part = math.prod(page.chunks) * page.dtype.itemsize  # a strip or tile, which may be larger than all of the page
        if max(page.nbytes, part) > MAX_BYTES:
            raise BadInput(f"{max(page.nbytes, part)} bytes of pixels, more than the {MAX_BYTES} that are read")
        _check_whole(page, len(data))
        pixels = page.asarray().reshape(_shape(page))
        if page.planarconfig == 2 and channels > 1:
            pixels = pixels.transpose(1, 2, 0)
        if page.bitspersample < 16:
            _scale(pixels, 2**page.bitspersample - 1)
        extra = tuple(int(one) for one in page.extrasamples)
        turned = np.ravel(page.tags[274].value).tolist()[0] if 274 in page.tags else 1
        profile = as_profile(page.tags[34675].value) if 34675 in page.tags else b""
    colours = 3 if kind == RGB else 1
    if channels < colours:
        raise BadInput(f"not read: {describe(page)}")
    if extra[:1] == (NO_ALPHA,):
        pixels = pixels[:, :, :colours]
    pixels = np.array(pixels[:, :, : colours + 1], np.uint16)  # a copy in this machine's byte order
    if kind == MIN_IS_WHITE:
        np.subtract(65535, pixels[:, :, :1], out=pixels[:, :, :1])
    if extra[:1] == (ASSOCIATED,) and pixels.shape[2] > colours:
        _unmultiply(pixels)
    return (_as_rgba(pixels) if pixels.shape[2] == 2 else pixels), turned, profile


def as_profile(value: Any) -> bytes:
    """The value of a tag as an ICC profile, which a number or a text is none."""
    try:
        return bytes(value) if isinstance(value, bytes | tuple) else NO_PROFILE
    except (TypeError, ValueError):  # a tuple of other things than bytes
        return NO_PROFILE


def check_parts(tags: Any, data: bytes) -> None:
    """Look at the strips or tiles of a TIFF of up to 8 bits, of which libtiff makes what it can.

    Args:
        tags: of TIFF 6.0, by their numbers.

    Raises:
        BadInput: some are missing, libjpeg complains of one, a checksum is wrong, or their compression is not read.
    """
    width, height, compression = tags[256], tags[257], tags.get(259, 1)
    if compression not in COMPRESSIONS_OF_BYTES:
        raise BadInput(f"not read: TIFF, compressed by {NAMES.get(compression, f'method {compression}')}")
    offsets = tags.get(324) or tags.get(273) or ()
    if 324 in tags:
        check_size(tags[322], tags[323])  # of a tile, which may be larger than the image
        count = math.ceil(width / tags[322]) * math.ceil(height / tags[323])
    else:
        count = math.ceil(height / min(tags.get(278, height), height))
    count *= tags.get(277, 1) if tags.get(284) == 2 else 1  # planes
    if offsets and (len(offsets) < count or not all(offsets[:count])):
        raise BadInput("cut short: some of its pixels are missing")
    for start, size in zip(offsets, tags.get(325) or tags.get(279) or (), strict=False):
        if compression == JPEG:
            _check_jpeg(tags.get(347, b"")[:-2], data[start : start + size])
        elif compression in DEFLATE:
            _check_deflate(data[start : start + size])


def _check_jpeg(tables: bytes, part: bytes) -> None:
    part += b"\xff\xd9"  # without an end, OpenCV would fill in what is missing
    try:
        decode_sound_jpeg(tables + part[2:] if tables else part)
    except BadInput as error:
        if str(error) != DAMAGED:  # by which OpenCV says that it does not know a kind that libtiff may know
            raise


def _check_deflate(part: bytes) -> None:
    stream = zlib.decompressobj()
    try:
        while part and not stream.eof:
            stream.decompress(part, BLOCK)
            part = stream.unconsumed_tail
    except zlib.error:
        raise BadInput("damaged: a checksum is wrong") from None
    if not stream.eof:
        raise BadInput("cut short: the end of a strip or tile is missing")


def _unpack_lzw(data: bytes, out: int) -> bytes:
    """Unpack a strip or tile of LZW by libtiff, as the pixels of a picture: imagecodecs 2025.3 crashes at damaged ones.

    Args:
        out: bytes that it must unpack to.
    """
    from PIL import Image

    fields = [
        (256, out),
        (257, 1),
        (258, 8),
        (259, LZW),
        (262, MIN_IS_BLACK),
        (273, 8),
        (277, 1),
        (278, 1),
        (279, len(data)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    directory = struct.pack("<H", len(fields)) + entries + bytes(4)
    filling = bytes(len(data) % 2)
    file = b"II*\0" + struct.pack("<I", 8 + len(data) + len(filling)) + data + filling + directory
    with Image.open(io.BytesIO(file), formats=["TIFF"]) as picture:
        return picture.tobytes()


def describe(page: Any) -> str:
    """What a page of tifffile's is, in words: `TIFF of 32-bit float, RGB`."""
    kind = NUMBERS.get(page.dtype.kind, page.dtype.kind) if page.dtype else "unknown numbers"
    return f"TIFF of {page.bitspersample}-bit {kind}, {getattr(page.photometric, 'name', page.photometric)}"


def _shape(page: Any) -> tuple[int, ...]:
    height, width, channels = page.imagelength, page.imagewidth, page.samplesperpixel
    planar = page.planarconfig == 2 and channels > 1
    return (channels, height, width) if planar else (height, width, channels)


def _check_whole(page: Any, size: int) -> None:
    """Raise BadInput where parts of a page are missing, which tifffile would fill with zeros."""
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    missing = len(parts) < np.prod(page.chunked) or any(not count or start + count > size for start, count in parts)
    raw = page.compression == 1 and sum(count for _, count in parts) < page.nbytes * page.bitspersample // 16
    if missing or raw:
        raise BadInput("cut short: some of its pixels are missing")


def _scale(pixels: NDArray[np.uint16], top: int) -> None:
    """Scale numbers of which the largest is `top` to 16 bits, in place, rounded."""
    for row in pixels:
        row[...] = (row * np.uint32(65535) + top // 2) // top


def _unmultiply(pixels: NDArray[np.uint16]) -> None:
    """Divide colours by the alpha behind them, in place, rounded."""
    rows = max(1, BLOCK // pixels.shape[1])
    for start in range(0, len(pixels), rows):
        part = pixels[start : start + rows]
        alpha = np.maximum(part[:, :, -1:], 1).astype(np.uint32)
        part[:, :, :-1] = np.minimum((part[:, :, :-1] * np.uint32(65535) + alpha // 2) // alpha, 65535)


def _as_rgba(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return pixels[:, :, [0, 0, 0, 1]]


def decode_surely(decode: Callable[[], NDArray]) -> NDArray:
    """What a decoder gives that may leave memory as it was where its input is damaged, as libtiff's of faxes does.

    It is called with differently filled memory, and has to give the same each time.

    Raises:
        BadInput: it does not, or this system can't fill memory (it is not glibc).
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        raise BadInput("not read on this system: TIFF of fax compression, whose damage does not show; convert it")
    with _lock:
        try:
            results = []
            for fill in (0x55, 0xAA, 0x33):
                libc.mallopt(M_PERTURB, fill)
                fill_freed(fill)
                results.append(decode())
        finally:
            libc.mallopt(M_PERTURB, 0)
    if not all(np.array_equal(results[0], other) for other in results[1:]):
        raise BadInput("damaged: some of its pixels are missing")
    return results[0]


def fill_freed(fill: int, step: int = 16) -> None:
    """Fill the small pieces of freed memory that glibc hands out again as they are, whatever `M_PERTURB` says."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    for size in range(24, 1048, step):
        pieces = [libc.malloc(size) for _ in range(4)]
        for piece in pieces:
            ctypes.memset(piece, fill, size)
        for piece in pieces:
            libc.free(ctypes.c_void_p(piece))
