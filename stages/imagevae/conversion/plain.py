"""Image files that are 8-bit RGB already, by their headers: a stage that makes RGB images can keep them."""

from imagevae.cli.errors import BadInput
from imagevae.images.codec import MAX_PIXELS, orientation
from imagevae.images.headers import BASELINE, EXTENDED, JPEG, PNG, PROGRESSIVE, jpeg_header, png_chunks, png_size


def rgb_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG or PNG file that holds one upright RGB image of 8 bits a channel and nothing to blend.

    Headers and, of PNG, checksums are looked at. What lies in a JPEG's scan shows when somebody decodes it.

    Returns:
        (width, height), or None for all other files, those that are cut short or have a wrong checksum among them.
    """
    try:
        size = _png_size(data) if data[:8] == PNG else _jpeg_size(data) if data[:2] == JPEG else None
    except BadInput:
        return None
    return size if size and 0 < size[0] * size[1] <= MAX_PIXELS else None


def _png_size(data: bytes) -> tuple[int, int] | None:
    kinds = {kind for kind, _ in png_chunks(data, check_pixels=True)}
    blended = {b"tRNS", b"acTL", b"eXIf"} & kinds  # transparency; animation; an orientation, perhaps
    is_rgb = data[24:26] == b"\x08\x02"  # 8 bits, RGB (PNG 3rd edition, 11.2.1)
    return png_size(data) if is_rgb and data[12:16] == b"IHDR" and not blended else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    header = jpeg_header(data)
    is_rgb = header.frame in (BASELINE, EXTENDED, PROGRESSIVE) and (header.depth, header.channels) == (8, 3)
    return (header.width, header.height) if is_rgb and header.tidy and orientation(header.exif) == 1 else None
