"""What the first bytes and the headers of image files say, and whether the files are whole, without decoding them."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from imagevae.cli.errors import BadInput

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"  # how these files begin
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2  # frames of ITU T.81 that are Huffman coded
FRAMES = {0xF7, *range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers that frames begin with, that of JPEG-LS among them
ANIMATION = {b"acTL", b"fcTL", b"fdAT"}  # chunks of a PNG
MAX_PIXELS = 2**27  # 134 megapixels: what decoding an image may take is decided before any memory is
DAMAGED = "damaged, or of a kind that is not read; replace it or take it out"
CUT_SHORT = "cut short: its end is missing"
MAX_SCANS = 100  # of a progressive JPEG; usual are 10, and each can take as long as the whole of another image
NO_PROFILE = b"\0"  # in place of a damaged one, which counts as a profile that can't be used
MAX_PROFILE = 2**24  # bytes of a colour profile; the largest in use, for printing, have some megabytes

# How files of other formats begin, that are found under the name of an image: where, how, and what they are called.
FOREIGN = [
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"II\xbc", "JPEG XR"),
    (0, b"\x8aMNG\r\n\x1a\n", "MNG"),
    (0, b"P7\n", "PAM"),
    (0, b"PF\n", "PFM"),
    (0, b"BA", "OS/2 bitmap array"),
    (0, b"BLP", "BLP"),
    (0, b"#define ", "XBM"),
    (0, b"/* XPM", "XPM"),
    (0, b"8BPS", "Photoshop"),
    (0, b"gimp xcf", "GIMP"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"\0\0\2\0", "Windows cursor or TGA"),
    (0, b"\0\0\x0a\0", "TGA"),
    (0, b"icns", "ICNS"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF"),
    (40, b" EMF", "EMF"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?R", "Radiance HDR"),
    (0, b"DDS ", "DDS"),
    (0, b"\xabKTX ", "KTX"),
    (0, b"qoif", "QOI"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"FLIF", "FLIF"),
    (0, b"farbfeld", "farbfeld"),
    (0, b"\x59\xa6\x6a\x95", "Sun raster"),
    (0, b"\x01\xda", "SGI"),
    (0, b"\x0a\x05\x01\x08", "PCX"),
    (0, b"SIMPLE  =", "FITS"),
    (128, b"DICM", "DICOM"),
    (0, b"ZISRAWFILE", "CZI"),
    (0, b"FUJIFILMCCD-RAW", "camera raw"),
    (0, b"IIU\0", "camera raw"),
    (0, b"IIRO", "camera raw"),
    (0, b"IIRS", "camera raw"),
    (0, b"II\x1a\0\0\0HEAP", "camera raw"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard"),
    (0, b"7z\xbc\xaf", "7z"),
    (0, b"Rar!", "RAR"),
    (257, b"ustar", "tar"),
    (8, b"AVI ", "AVI"),
    (8, b"WAVE", "WAV"),
    (4, b"wide", "QuickTime"),
    (4, b"moov", "QuickTime"),
    (4, b"mdat", "QuickTime"),
    (0, b"\x1aE\xdf\xa3", "Matroska"),
    (0, b"\0\0\1\xba", "MPEG"),
    (0, b"FLV\1", "Flash video"),
    (0, b"OggS", "Ogg"),
    (0, b"ID3", "MP3"),
    (0, b"\x93NUMPY", "NumPy"),
    (0, b"\x89HDF", "HDF5"),
    (0, b"\xd0\xcf\x11\xe0", "OLE, as of Microsoft Office"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"version https://git-lfs", "Git LFS pointer"),
]
MARKUP = [(b"<svg", "SVG"), (b"<?xml", "XML"), (b"<!doctype", "HTML"), (b"<html", "HTML"), (b"<!--", "XML")]
BRANDS = {  # of ISO base media files (ISO/IEC 14496-12), by the first four bytes of the major brand
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"isom", b"mp41", b"mp42", b"iso2", b"M4V ", b"qt  "), "MP4"),
    b"crx ": "CR3",
}


def check_size(width: int, height: int, most: int = MAX_PIXELS) -> None:
    """Raise BadInput for an image of more pixels than `most`."""
    if width * height > most:
        raise BadInput(f"{width}x{height} pixels, more than the {most} that are read")


def foreign_format(data: bytes) -> str:
    """What a file is that is no image of a kind that is read, as far as its first bytes say; or nothing."""
    if data[4:8] == b"ftyp":
        brands = {data[8:12], *(data[place : place + 4] for place in range(16, min(len(data), 64), 4))}
        return "" if brands & {b"avif", b"avis"} else BRANDS.get(data[8:12], "ISO media")
    found = next((name for place, sign, name in FOREIGN if data[place : place + len(sign)] == sign), "")
    text = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return found or next((name for sign, name in MARKUP if text.startswith(sign)), "")


def png_chunks(data: bytes, check_pixels: bool) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each chunk of a PNG file (PNG 3rd edition, 5.3).

    OpenCV checks the checksums of pixels, but drops other chunks that are damaged.

    Args:
        check_pixels: whether to check the checksums of pixels too.

    Raises:
        BadInput: the end is missing, or a chunk is damaged.
    """
    view, place, kind = memoryview(data), len(PNG), b""
    while kind != b"IEND":
        end = place + 12 + int.from_bytes(view[place : place + 4], "big")
        kind = data[place + 4 : place + 8]
        if end > len(data):
            raise BadInput(CUT_SHORT)
        checked = check_pixels or kind != b"IDAT"
        if checked and zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise BadInput("damaged: a checksum is wrong")
        yield kind, view[place + 8 : end - 4]
        place = end


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG file in pixels, zeros where its start is cut off."""
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def png_profile(content: memoryview) -> bytes:
    """The ICC profile in a chunk iCCP (PNG 3rd edition, 11.3.2.3); what is none where it can't be unpacked."""
    packed = bytes(content).partition(b"\0")[2][1:]
    try:
        return zlib.decompressobj().decompress(packed, MAX_PROFILE) or NO_PROFILE
    except zlib.error:
        return NO_PROFILE


def still_pngs(data: bytes) -> list[bytes]:
    """An animated PNG as PNGs without animation (PNG 3rd edition, 4.9): the image that is shown where animations are
    not known, which is the first frame or outside of the animation; where it is outside, then the first frame.

    Raises:
        BadInput: a chunk is damaged or missing.
    """
    shared, image, frame, controls = list[bytes](), list[bytes](), list[bytes](), list[bytes]()
    header = b""
    for kind, content in png_chunks(data, check_pixels=True):
        if kind == b"IHDR":
            header = bytes(content)
        elif kind == b"fcTL":
            controls.append(bytes(content))
        elif kind == b"IDAT":
            image.append(png_chunk(kind, content))
            covers = bool(controls)
        elif kind == b"fdAT" and len(controls) == 1:
            frame.append(png_chunk(b"IDAT", content[4:]))
        elif kind not in (b"acTL", b"fdAT", b"IEND"):
            shared += [] if image else [png_chunk(kind, content)]
    if not (header and image and controls):
        raise BadInput("damaged: an animated PNG without a frame")
    first = [(header, image)] if covers else [(header, image), (controls[0][4:12] + header[8:], frame)]
    end = png_chunk(b"IEND", b"")
    return [b"".join([PNG, png_chunk(b"IHDR", head), *shared, *content, end]) for head, content in first]


def png_chunk(kind: bytes, content: bytes | memoryview) -> bytes:
    """A chunk with its length and checksum."""
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return b"".join([len(content).to_bytes(4, "big"), kind, content, checksum.to_bytes(4, "big")])


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a WebP file in pixels (RFC 9649, 2.5 to 2.7), which Pillow tells only with memory for all of
    them; zeros where it says nothing of the kind."""
    kind, content = data[12:16], data[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return int.from_bytes(content[4:7], "little") + 1, int.from_bytes(content[7:10], "little") + 1
    if kind == b"VP8L":
        both = int.from_bytes(content[1:5], "little")
        return both % 2**14 + 1, (both >> 14) % 2**14 + 1
    if kind == b"VP8 ":
        return int.from_bytes(content[6:8], "little") % 2**14, int.from_bytes(content[8:10], "little") % 2**14
    return 0, 0


class JpegHeader(NamedTuple):
    """What a JPEG file says before its first scan (ITU T.81, B.1 and B.2).

    Attributes:
        width, height: in pixels; 0 where there is no frame.
        frame: code of the marker that its frame begins with, as `BASELINE`; 0 where there is none.
        depth: bits a channel.
        channels: how many there are.
        exif: its EXIF block, which may be spread over several segments; or nothing.
        profile: its ICC profile (ICC.1, B.4), which may be so too; or nothing.
        tidy: whether there is nothing but segments before the scan.
    """

    width: int
    height: int
    frame: int
    depth: int
    channels: int
    exif: bytes
    profile: bytes
    tidy: bool


def jpeg_header(data: bytes) -> JpegHeader:
    """Read the header of a JPEG file, and look whether the file has an end.

    Raises:
        BadInput: the end is missing, or the scans are more than `MAX_SCANS`: OpenCV fills missing rows in without a
            word.
    """
    width = height = frame = depth = channels = 0
    exif, profile, tidy, place = list[bytes](), list[tuple[int, bytes]](), True, 2
    while place < len(data) - 9:
        if data[place] != 0xFF or data[place + 1] in (0x00, 0xFF):  # bytes between segments, which decoders pass over
            tidy, place = False, data.find(b"\xff", place + 1)
            if place < 0:
                break
            continue
        marker = data[place + 1]
        if marker == 0xDA:  # the start of the scan
            break
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in FRAMES:
            height, width = (int.from_bytes(data[place + start : place + start + 2], "big") for start in (5, 7))
            frame, depth, channels = marker, data[place + 4], data[place + 9]
        elif marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
            exif.append(data[place + 10 : end])
        elif marker == 0xE2 and data[place + 4 : place + 16] == b"ICC_PROFILE\0":
            profile.append((data[place + 16] if place + 16 < len(data) else 0, data[place + 18 : end]))
        place = end
    if place < 0 or data.rfind(b"\xff\xd9", place) < 0:  # not to be found before the scan: thumbnails have their own
        raise BadInput(CUT_SHORT)
    if frame not in (BASELINE, EXTENDED) and data.count(b"\xff\xda", place) > MAX_SCANS:
        raise BadInput(f"more than {MAX_SCANS} scans")
    whole = b"".join(part for _, part in sorted(profile))
    return JpegHeader(width, height, frame, depth, channels, b"".join(exif), whole, tidy)
