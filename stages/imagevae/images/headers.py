"""What the headers of PNG and JPEG files say, and whether the files are whole, without decoding them."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from imagevae.cli.errors import BadInput

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"  # how these files begin
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2  # frames of ITU T.81 that are Huffman coded
CUT_SHORT = "cut short: its end is missing"
MAX_SCANS = 100  # of a progressive JPEG; usual are 10, and each can take as long as the whole of another image


def png_chunks(data: bytes, check_pixels: bool) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each chunk of a PNG file (PNG 3rd edition, 5.3).

    OpenCV checks the checksums of pixels, but not those of animations, drops other chunks that are damaged, and fills
    missing rows in without a word.

    Args:
        check_pixels: whether to check the checksums of pixels too. Those of animations always are.

    Raises:
        BadInput: the end is missing, or a chunk is damaged.
    """
    view, place, kind = memoryview(data), len(PNG), b""
    while kind != b"IEND":
        end = place + 12 + int.from_bytes(view[place : place + 4], "big")
        kind = data[place + 4 : place + 8]
        if end > len(data):
            raise BadInput(CUT_SHORT)
        check_pixels |= kind == b"acTL"
        checked = check_pixels or kind != b"IDAT"
        if checked and zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise BadInput("damaged: a checksum is wrong")
        yield kind, view[place + 8 : end - 4]
        place = end


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG file in pixels, zeros where its start is cut off."""
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


class JpegHeader(NamedTuple):
    """What a JPEG file says before its first scan (ITU T.81, B.1 and B.2).

    Attributes:
        width, height: in pixels; 0 where there is no frame.
        frame: code of the marker that its frame begins with, as `BASELINE`; 0 where there is none.
        depth: bits a channel.
        channels: how many there are.
        exif: its first EXIF block, or nothing.
        tidy: whether there is nothing but segments before the scan.
    """

    width: int = 0
    height: int = 0
    frame: int = 0
    depth: int = 0
    channels: int = 0
    exif: bytes = b""
    tidy: bool = True


def jpeg_header(data: bytes) -> JpegHeader:
    """Read the header of a JPEG file, and look whether the file has an end.

    Raises:
        BadInput: the end is missing, or the scans are more than `MAX_SCANS`: OpenCV fills missing rows in without a
            word.
    """
    found, place = JpegHeader(), 2
    while place < len(data) - 9:
        if data[place] != 0xFF or data[place + 1] in (0x00, 0xFF):  # bytes between segments, which decoders pass over
            found = found._replace(tidy=False)
            place = data.find(b"\xff", place + 1)
            if place < 0:
                break
            continue
        marker = data[place + 1]
        if marker == 0xDA:  # the start of the scan
            break
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the start of the frame
            height, width = (int.from_bytes(data[place + start : place + start + 2], "big") for start in (5, 7))
            found = found._replace(
                width=width, height=height, frame=marker, depth=data[place + 4], channels=data[place + 9]
            )
        elif marker == 0xE1 and not found.exif and data[place + 4 : place + 10] == b"Exif\0\0":
            found = found._replace(exif=data[place + 10 : end])
        place = end
    if place < 0 or data.rfind(b"\xff\xd9", place) < 0:  # not to be found before the scan: thumbnails have their own
        raise BadInput(CUT_SHORT)
    if data.count(b"\xff\xda", place) > MAX_SCANS:
        raise BadInput(f"more than {MAX_SCANS} scans")
    return found
