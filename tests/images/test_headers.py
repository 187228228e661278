"""What headers say of PNG and JPEG files, and which files are whole, by their bytes alone."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from image_corpus import FILES, RGB, encoded, oriented
from image_files import chunk, write_png
from imagevae.cli.errors import BadInput
from imagevae.images.codec import decode
from imagevae.images.headers import (
    BASELINE,
    MAX_PIXELS,
    MAX_SCANS,
    PNG,
    PROGRESSIVE,
    JpegHeader,
    check_size,
    foreign_format,
    jpeg_header,
    png_chunk,
    png_chunks,
    png_size,
    still_pngs,
    webp_size,
)

SIZE = 31, 23  # of the files of the corpus


# PNG


def chunks(data: bytes, check_pixels: bool = True) -> list[tuple[bytes, bytes]]:
    return [(kind, bytes(content)) for kind, content in png_chunks(data, check_pixels)]


@given(st.lists(st.tuples(st.sampled_from([b"IHDR", b"IDAT", b"tEXt"]), st.binary(max_size=40)), max_size=5))
def test_chunks_are_those_that_were_written(written: list[tuple[bytes, bytes]]):
    written = [*written, (b"IEND", b"")]
    data = PNG + b"".join(png_chunk(kind, content) for kind, content in written)
    assert data == PNG + b"".join(chunk(kind, content) for kind, content in written)
    assert chunks(data) == chunks(data + b"what follows the end") == written


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_png_that_is_cut_anywhere_has_no_end(share: float):
    data = FILES["png rgba"]
    with pytest.raises(BadInput, match="cut short"):
        chunks(data[: int(share * len(data))])


def test_a_changed_byte_shows_in_a_checksum_but_in_pixels_where_these_are_not_checked():
    data = write_png(np.zeros((2, 3, 3), int), 2, 8, extra=chunk(b"tEXt", b"some"))
    for kind, seen in ((b"some", True), (b"IDAT", False)):
        place = data.index(kind) + (4 if kind == b"IDAT" else 0)
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(BadInput, match="checksum"):
            chunks(changed)
        if seen:
            with pytest.raises(BadInput, match="checksum"):
                chunks(changed, check_pixels=False)
        else:
            assert [kind for kind, _ in chunks(changed, check_pixels=False)] == [b"IHDR", b"tEXt", b"IDAT", b"IEND"]


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("png")])
def test_the_size_of_a_png_is_in_its_header(name: str):
    assert png_size(FILES[name]) == SIZE
    assert png_size(FILES[name][:20]) == (SIZE[0], 0)
    assert png_size(b"") == (0, 0)


@pytest.mark.parametrize(("name", "stills"), [("apng", 1), ("apng with an image for others", 2)])
def test_an_animated_png_is_taken_apart_into_stills(name: str, stills: int):
    with Image.open(io.BytesIO(FILES[name])) as animation:
        shown = np.asarray(animation.convert("RGBA"))
    parts = still_pngs(FILES[name])
    assert len(parts) == stills
    assert all(b"acTL" not in part and b"fcTL" not in part for part in parts)
    assert np.array_equal(decode(parts[0]), shown)
    for damaged in (FILES["png rgba"], FILES[name].replace(b"IDAT", b"abCD")):
        with pytest.raises(BadInput):
            still_pngs(damaged)


# JPEG


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def with_segments(data: bytes, *more: bytes) -> bytes:
    """A JPEG file with more behind its first two bytes."""
    return data[:2] + b"".join(more) + data[2:]


JPEG_FILE = FILES["jpeg"]
PLAIN = jpeg_header(JPEG_FILE)


def test_a_jpeg_says_how_large_it_is_and_of_which_kind():
    assert jpeg_header(JPEG_FILE) == JpegHeader(*SIZE, BASELINE, 8, 3, b"", b"", True)
    assert jpeg_header(FILES["jpeg progressive"]).frame == PROGRESSIVE
    assert jpeg_header(FILES["jpeg grey"]).channels == 1
    assert jpeg_header(FILES["jpeg cmyk"]).channels == 4


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_jpeg_that_is_cut_anywhere_has_no_end(share: float):
    with pytest.raises(BadInput, match="cut short"):
        jpeg_header(JPEG_FILE[: int(share * len(JPEG_FILE))])


def test_the_end_of_a_thumbnail_is_not_that_of_the_image():
    data = with_segments(JPEG_FILE, segment(0xE1, b"Exif\0\0" + encoded(RGB.resize((8, 8)), "JPEG")))
    assert jpeg_header(data)[:5] == PLAIN[:5]
    with pytest.raises(BadInput, match="cut short"):
        jpeg_header(data[:-2])


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_is_that_of_the_file(turn: int):
    with Image.open(io.BytesIO(encoded(RGB, "JPEG", **oriented(RGB, turn)))) as image:
        expected = image.info["exif"].removeprefix(b"Exif\0\0")
    assert jpeg_header(encoded(RGB, "JPEG", **oriented(RGB, turn))).exif == expected


def test_exif_and_profiles_may_be_spread_over_segments():
    profile = [segment(0xE2, b"ICC_PROFILE\0" + bytes([number, 2]) + part) for number, part in ((2, b"b"), (1, b"a"))]
    others = [segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0"), segment(0xE2, b"MPF\0")]
    exif = [segment(0xE1, b"Exif\0\0" + part) for part in (b"one ", b"two")]
    header = jpeg_header(with_segments(JPEG_FILE, *others, *profile, *exif))
    assert (header.exif, header.profile, header.tidy) == (b"one two", b"ab", True)


@pytest.mark.parametrize("filler", [b"\0", b"\xff", b"\xff\xff", b"\x12\x34\x56", b"\xff\0"])
def test_filler_between_segments_is_passed_over_and_is_not_tidy(filler: bytes):
    """Decoders pass over it too, but not all in the same way."""
    header = jpeg_header(with_segments(JPEG_FILE, filler))
    assert header == PLAIN._replace(tidy=False)


def test_a_header_without_a_scan_has_no_end():
    with pytest.raises(BadInput, match="cut short"):
        jpeg_header(JPEG_FILE[:2] + b"\0" * 1000)
    with pytest.raises(BadInput, match="cut short"):
        jpeg_header(JPEG_FILE[: JPEG_FILE.index(b"\xff\xda")])


def test_scans_are_counted_where_there_may_be_many():
    data = FILES["jpeg progressive"]
    last = data[data.rfind(b"\xff\xda") : -2]
    room = MAX_SCANS - data.count(b"\xff\xda")
    assert jpeg_header(data[:-2] + last * room + data[-2:]).frame == PROGRESSIVE
    with pytest.raises(BadInput, match=f"more than {MAX_SCANS} scans"):
        jpeg_header(data[:-2] + last * (room + 1) + data[-2:])


@given(data=st.binary(max_size=300), start=st.sampled_from([b"", JPEG_FILE[:2], JPEG_FILE[:20], JPEG_FILE[:200]]))
def test_whatever_the_bytes_are_there_is_a_header_or_a_reason(data: bytes, start: bytes):
    try:
        header = jpeg_header(start + data + b"\xff\xd9")
    except BadInput:
        return
    assert min(header.width, header.height, header.channels) >= 0


# The others


@pytest.mark.parametrize("name", [name for name in FILES if name.lower().startswith("webp")])
def test_the_size_of_a_webp_is_in_its_header(name: str):
    with Image.open(io.BytesIO(FILES[name])) as image:
        assert webp_size(FILES[name]) == image.size
    assert webp_size(FILES[name][:8]) == (0, 0)


@pytest.mark.parametrize("name", FILES)
def test_images_that_are_read_are_not_foreign(name: str):
    assert foreign_format(FILES[name]) == ""


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", ""),
        (b"\0\0\0\x18ftypisom\0\0\0\0isom", "MP4"),
        (b"\n  <svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04", "zip"),
        (b"\xef\xbb\xbf<!DocType html>", "HTML"),
        (b"\0\0\0\x18ftyp3gp4\0\0\0\0", "ISO media"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"qoif\0\0\0\1", "QOI"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"hello", ""),
        (b"", ""),
    ],
)
def test_other_formats_are_named(data: bytes, name: str):
    assert foreign_format(data) == name


def test_images_of_too_many_pixels_are_refused_before_they_are_decoded():
    check_size(MAX_PIXELS // 2**10, 2**10)
    with pytest.raises(BadInput, match=f"{MAX_PIXELS // 2**10 + 1}x1024 pixels"):
        check_size(MAX_PIXELS // 2**10 + 1, 2**10)
