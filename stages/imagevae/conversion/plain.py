"""Image files that are 8-bit sRGB already, by their headers: a stage that makes RGB images can keep them."""

from imagevae.cli.errors import BadInput
from imagevae.images.colour import BadProfile, Colours, is_srgb
from imagevae.images.headers import (
    ANIMATION,
    BASELINE,
    EXTENDED,
    JPEG,
    MAX_PIXELS,
    PNG,
    PROGRESSIVE,
    jpeg_header,
    png_chunks,
    png_profile,
    png_size,
)
from imagevae.images.orientation import orientation


def rgb_size(data: bytes, colours: Colours | None = None) -> tuple[int, int] | None:
    """Width and height of a JPEG or PNG file that holds one upright RGB image of 8 bits a channel and nothing to blend.

    Args:
        colours: as for `decode`; a file whose colours would be converted is none.

    Headers and, of PNG, checksums are looked at. What lies in a JPEG's scan shows when somebody decodes it.

    Returns:
        (width, height), or None for all other files, those that are cut short or have a wrong checksum among them.
    """
    colours = colours or Colours()
    try:
        if data[:8] == PNG:
            size, profile = _png(data)
        elif data[:2] == JPEG:
            size, profile = _jpeg(data)
        else:
            return None
    except BadInput:
        return None
    if profile and colours.convert:
        try:
            if not is_srgb(profile):
                return None
        except BadProfile as error:
            colours.notes.append(str(error))
    return size if size and 0 < size[0] * size[1] <= MAX_PIXELS else None


def _png(data: bytes) -> tuple[tuple[int, int] | None, bytes]:
    chunks = dict(png_chunks(data, check_pixels=True))
    blended = ({b"tRNS", b"eXIf"} | ANIMATION) & chunks.keys()  # transparency; animation; an orientation, perhaps
    is_rgb = b"IDAT" in chunks and data[24:26] == b"\x08\x02"  # 8 bits, RGB (PNG 3rd edition, 11.2.1)
    profile = png_profile(chunks[b"iCCP"]) if b"iCCP" in chunks else b""
    return png_size(data) if is_rgb and data[12:16] == b"IHDR" and not blended else None, profile


def _jpeg(data: bytes) -> tuple[tuple[int, int] | None, bytes]:
    header = jpeg_header(data)
    is_rgb = header.frame in (BASELINE, EXTENDED, PROGRESSIVE) and (header.depth, header.channels) == (8, 3)
    is_plain = is_rgb and header.tidy and orientation(header.exif) == 1
    return (header.width, header.height) if is_plain else None, header.profile
