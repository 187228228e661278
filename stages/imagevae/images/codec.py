"""Decoding the bytes of image files to RGB."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.images.colour import Colours
from imagevae.images.headers import (
    ANIMATION,
    BASELINE,
    EXTENDED,
    JPEG,
    MAX_PIXELS,
    PNG,
    PROGRESSIVE,
    JpegHeader,
    check_size,
    jpeg_header,
    png_chunks,
    png_profile,
    png_size,
    still_pngs,
)
from imagevae.images.opencv import AS_IN_FILE, decode_sound_jpeg, decode_with_opencv
from imagevae.images.orientation import orientation, upright

RGB = tuple[int, ...]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def decode(data: bytes, colours: Colours | None = None) -> Pixels:
    """Decode the bytes of an image file, upright and in sRGB; of several frames or pages the first one.

    OpenCV decodes PNG and JPEG, being several times faster, but sees no animated PNG, of which 4.14 reads past the end.
    tifffile decodes TIFFs of more than 8 bits. Pillow decodes the rest but BMPs with a palette, being right more often:
    OpenCV takes the unused byte of BMPs for alpha, multiplies or mistakes the fourth channel of TIFFs, ignores the
    orientation of AVIFs and takes memory for GIFs before it looks at their size.

    Args:
        colours: what becomes of colours with a profile; by default they are converted to sRGB.

    Returns:
        uint8 or uint16 (height, width, channels): grey, RGB, or RGBA with straight alpha.

    Raises:
        BadInput: these bytes are no image, a damaged one, or one of more than MAX_PIXELS pixels.
        MemoryError: there is too little memory for it.
    """
    if not data:
        raise BadInput("an empty file")
    colours = colours or Colours()
    if data[:8] == PNG:
        return _decode_png(data, colours)
    if data[:2] == JPEG:
        return _decode_jpeg(data, colours)
    from imagevae.images.pillow_formats import decode_with_pillow  # which takes a while, and few images need it

    return decode_with_pillow(data, colours)


def memory_needed(data: bytes) -> int:
    """Bytes of memory that it takes at most to decode an image, flatten it and encode it, by its header; 0 for what is
    no image."""
    try:
        if data[:8] == PNG:
            (width, height), channels = png_size(data), 4 * max(1, data[24] // 8)
        elif data[:2] == JPEG:
            header = jpeg_header(data)
            width, height, channels = header.width, header.height, 3
        else:
            from imagevae.images.pillow_formats import size_of

            width, height, channels = size_of(data)
    except (BadInput, IndexError):
        return 0
    return min(width * height, MAX_PIXELS) * (channels + 8)


def _decode_png(data: bytes, colours: Colours) -> Pixels:
    if data[12:16] == b"CgBI":
        raise BadInput("not read: PNG as Xcode packs it for iPhones (CgBI); convert it")
    if data[12:16] != b"IHDR":
        raise BadInput("damaged: its header is missing")
    check_size(*png_size(data))
    chunks = dict(png_chunks(data, check_pixels=False))
    if b"IDAT" not in chunks:  # for which OpenCV looks beyond the end, in gigabytes
        raise BadInput("damaged: no pixels in it")
    if ANIMATION & chunks.keys():
        shown, *frames = still_pngs(data)
        for frame in frames:  # the first one, which is not shown here but elsewhere, must be whole too
            _decode_png(frame, colours)
        return _decode_png(shown, colours)
    pixels: NDArray = decode_with_opencv(data, AS_IN_FILE)
    depth, colour = data[24], data[25]  # PNG 3rd edition, 11.2.1
    if colour == 0 and len(chunks.get(b"tRNS", b"")) == 2:  # OpenCV drops the colour key of grey images
        key = int.from_bytes(chunks[b"tRNS"], "big") & (2**depth - 1)
        top = np.iinfo(pixels.dtype).max
        alpha = np.where(pixels == key * top // (2**depth - 1), 0, top)
        pixels = np.concatenate([pixels, pixels, pixels, alpha], axis=2, dtype=pixels.dtype, casting="unsafe")
    if b"iCCP" in chunks:
        converted = colours.converted(pixels, png_profile(chunks[b"iCCP"]))
        pixels = pixels if converted is None else converted
    return upright(pixels, orientation(bytes(chunks.get(b"eXIf", b""))))


def _decode_jpeg(data: bytes, colours: Colours) -> Pixels:
    header = jpeg_header(data)
    check_size(header.width, header.height)
    if header.frame and header.depth != 8:
        raise BadInput(f"not read: JPEG of {header.depth} bits a channel")
    try:
        pixels = decode_sound_jpeg(data)
    except BadInput:
        if header.frame in (0, BASELINE, EXTENDED, PROGRESSIVE):
            raise
        raise BadInput("not read: JPEG without loss, or in steps of resolution") from None
    converted = _converted_jpeg(data, header, pixels, colours)
    return upright(pixels if converted is None else converted, orientation(header.exif))


def _converted_jpeg(data: bytes, header: JpegHeader, pixels: NDArray, colours: Colours) -> NDArray | None:
    if not header.profile:
        return None
    if header.channels == 4 and colours.convert:
        from imagevae.images.pillow_formats import cmyk_of_jpeg

        return colours.converted(cmyk_of_jpeg(data), header.profile, inks=True)
    return colours.converted(pixels, header.profile)


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
