"""Image files that are 8-bit RGB already, told by their headers: a stage that makes RGB images can keep them."""

import os
import zlib
from collections.abc import Iterator

from imagevae.images import JPEG, MAX_PIXELS, PNG, orientation
from imagevae.sources import EXTENSIONS

JPEG_EXTENSIONS = frozenset({".jfif", ".jpe", ".jpeg", ".jpg"})


def rgb_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG or PNG file that holds one upright RGB image of 8 bits a channel and nothing to blend.

    Headers and, of PNG, checksums are looked at. What lies in a JPEG's scan shows when somebody decodes it.

    Returns:
        (width, height), or None for all other files, those that are cut short or have a wrong checksum among them.
    """
    size = _png_size(data) if data[:8] == PNG else _jpeg_size(data) if data[:2] == JPEG else None
    return size if size and 0 < size[0] * size[1] <= MAX_PIXELS else None


def _png_size(data: bytes) -> tuple[int, int] | None:
    chunks = dict(_png_chunks(data))
    blended = {b"tRNS", b"acTL", b"eXIf"} & chunks.keys()  # transparency; animation; an orientation, perhaps
    header = chunks.get(b"IHDR", b"")
    if blended or b"IEND" not in chunks or header[8:10] != b"\x08\x02":  # 8 bits, RGB (PNG 3rd edition, 11.2.1)
        return None
    return int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and first bytes of each chunk (PNG 3rd edition, 5.3), up to the first that is cut short or damaged."""
    view, place, kind = memoryview(data), len(PNG), b""
    while kind != b"IEND":
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        kind = data[place + 4 : place + 8]
        if end > len(data) or zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return
        yield kind, data[place + 8 : min(place + 24, end - 4)]
        place = end


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """As `rgb_size`, of a file of ITU T.81 (B.1.1, B.2): segments up to the scan, then the scan to the end marker."""
    size, place = None, 2
    while data[place : place + 1] == b"\xff" and (marker := data[place + 1 : place + 2]) != b"\xda":
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        content = data[place + 4 : end]
        if marker in (b"\xc0", b"\xc1", b"\xc2"):  # Huffman coded: baseline, extended, progressive
            if content[:1] != b"\x08" or content[5:6] != b"\x03":  # bits a channel, and channels
                return None
            size = int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big")
        if marker == b"\xe1" and content[:6] == b"Exif\0\0" and orientation(content[6:]) != 1:
            return None
        place = end
    return size if data.rfind(b"\xff\xd9") > place else None


def file_name(name: str, content: bytes) -> str:
    """The name of the file that an image becomes: a.png and a.jpg stay, a.gif becomes a.gif.png.

    No two images share a result. A name is kept only where its extension is that of the content and no other image's
    extension comes before, so that what is appended to another name can't meet it.

    Args:
        name: of the image inside its source.
        content: of the result, PNG or JPEG.
    """
    kept, other = ({".png"}, ".png") if content[:8] == PNG else (JPEG_EXTENSIONS, ".jpg")
    stem, extension = os.path.splitext(name)
    alone = extension.lower() in kept and os.path.splitext(stem)[1].lower() not in EXTENSIONS
    return name if alone else f"{name}{other}"
