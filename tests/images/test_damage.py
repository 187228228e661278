"""Images of which a part is missing or garbled are rejected, whatever the decoder makes of them."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from image_corpus import DEEP, PHOTOGRAPH, animated, exif_jpeg, jpeg, tiff
from image_files import chunk, write_png
from imagevae.cli.errors import BadInput
from imagevae.images.codec import decode, flatten
from imagevae.images.complaints import quiet_decoders, with_complaints
from imagevae.images.headers import PNG, png_chunks


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "quality": 95}], ids=str)
def test_a_jpeg_with_a_damaged_scan_is_rejected(options: dict):
    whole = jpeg(**options)
    middle = len(whole) // 2
    assert decode(whole).shape == (160, 200, 3)
    for damaged in (
        whole[:middle] + b"\xff\xd9",
        whole[:middle] + bytes(200) + whole[middle + 200 :],
        whole[:middle] + np.random.default_rng(1).bytes(60) + whole[middle + 60 :],
    ):
        with quiet_decoders(), pytest.raises(BadInput, match="damaged"):
            decode(damaged)


def test_of_many_at_once_the_damaged_ones_are_known():
    """All threads share stderr, where libjpeg says it."""
    from concurrent.futures import ThreadPoolExecutor

    whole = jpeg()
    files = [whole[: len(whole) // 2] + b"\xff\xd9" if number % 7 == 3 else whole for number in range(200)]

    def is_rejected(data: bytes) -> bool:
        try:
            decode(data)
        except BadInput:
            return True
        return False

    with quiet_decoders(), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(is_rejected, files)) == [number % 7 == 3 for number in range(200)]


def test_what_libraries_write_is_kept_from_the_terminal_and_given_to_whom_it_concerns(capfd: pytest.CaptureFixture):
    import os

    with quiet_decoders():
        assert with_complaints(lambda: os.write(2, b"complaint\n")) == (10, "complaint\n")
        assert with_complaints(lambda: 1) == (1, "")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("padding", [0, 70_000, 140_000])
def test_an_exif_block_over_several_segments_turns_an_image(padding: int):
    assert np.array_equal(decode(exif_jpeg(6, padding)), np.rot90(decode(jpeg()), -1))


@pytest.mark.parametrize(("hidden", "level"), [(True, 40), (False, 90)])
def test_of_an_animated_png_the_default_image_is_shown(hidden: bool, level: int):
    assert (decode(animated(hidden)) == level).all()


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize("spoil", ["rows", "filter"])
def test_an_animated_png_with_a_damaged_first_frame_is_rejected(hidden: bool, spoil: str):
    with quiet_decoders(), pytest.raises(BadInput):
        decode(animated(hidden, spoil))


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiffs_of_16_bits_in_strips_and_tiles_with_planes_together_and_apart(
    planar: str, tile: tuple, compression: str
):
    pixels = DEEP.transpose(2, 0, 1) if planar == "separate" else DEEP
    data = tiff(pixels, photometric="rgb", planarconfig=planar, tile=tile, compression=compression)
    assert np.array_equal(decode(data), DEEP)
    with pytest.raises(BadInput):
        decode(data[: len(data) * 3 // 4])


def test_grey_tiffs_of_16_bits_are_inverted_where_their_header_says_so():
    grey = DEEP[:, :, 0]
    assert np.array_equal(decode(tiff(grey, photometric="minisblack"))[:, :, 0], grey)
    assert np.array_equal(decode(tiff(grey, photometric="miniswhite"))[:, :, 0], 65535 - grey)


def test_grey_and_alpha_of_16_bits():
    both = DEEP[:, :, :2]
    rgba = decode(tiff(both, photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig"))
    assert np.array_equal(rgba, DEEP[:, :, [0, 0, 0, 1]])


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.uint32, np.int16])
def test_tiffs_of_other_numbers_are_called_by_their_name(kind: type):
    with pytest.raises(BadInput, match=r"not read: TIFF of \d+-bit"):
        decode(tiff(np.ones((8, 9, 3), kind), photometric="rgb"))


@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_a_jpeg_inside_of_a_tiff_is_held_to_be_damaged_as_others_are(tile: tuple):
    data = tiff(PHOTOGRAPH, photometric="rgb", compression="jpeg", tile=tile, rowsperstrip=None if tile else 40)
    assert np.abs(decode(data).astype(int) - PHOTOGRAPH).mean() < 4
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        start, size = page.dataoffsets[1], page.databytecounts[1]
    middle = start + size * 3 // 4
    for damage in (b"\xff\xd9", b"\xff\xd0", bytes(start + size - middle)):
        with quiet_decoders(), pytest.raises(BadInput, match="damaged"):
            decode(data[:middle] + damage + data[middle + len(damage) :])


@pytest.mark.parametrize("compression", [None, "zlib", "packbits"])
@pytest.mark.parametrize("tag", [273, 324])
def test_a_tiff_that_lacks_strips_or_tiles_is_rejected(compression: str, tag: int):
    shape = {"tile": (32, 32)} if tag == 324 else {"rowsperstrip": 40}
    data = tiff(PHOTOGRAPH, photometric="rgb", compression=compression, **shape)
    assert np.array_equal(decode(data), PHOTOGRAPH)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        offsets = file.pages.first.tags[tag]
    lacking = bytearray(data)
    lacking[offsets.valueoffset : offsets.valueoffset + 4] = bytes(4)
    fewer = bytearray(data)
    fewer[offsets.offset + 4 : offsets.offset + 8] = (offsets.count - 2).to_bytes(4, "little")
    for damaged in (lacking, fewer):
        with pytest.raises(BadInput):
            decode(bytes(damaged))


@pytest.mark.parametrize("size", [12, 40])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmps_of_two_colours_are_read_by_their_bits(bits: int, size: int):
    """Pillow takes one bit for each pixel where the two are black and white."""
    dark = (PHOTOGRAPH[:, :, 0] > 128).astype(np.uint8)
    rows = np.packbits((dark[::-1, :, None] >> np.arange(bits)[::-1]) & 1, axis=None).reshape(len(dark), -1)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    height, width = dark.shape
    if size == 12:
        palette = b"\0\0\0\xff\xff\xff".ljust(3 * 2**bits, b"\0")
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        palette = b"\0\0\0\0\xff\xff\xff\0"
        header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 2, 0)
    start = 14 + len(header) + len(palette)
    data = b"BM" + struct.pack("<IHHI", start + rows.size, 0, 0, start) + header + palette + rows.tobytes()
    assert np.array_equal(flatten(decode(data), (0, 0, 0)), np.dstack([dark * 255] * 3))


@pytest.mark.parametrize("compression", [1, 8])
def test_grey_tiffs_of_12_bits_are_scaled(compression: int):
    levels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    pixels = np.packbits((levels[:, :, None] >> np.arange(12)[::-1]) & 1).tobytes()
    packed = pixels if compression == 1 else zlib.compress(pixels)
    tags = {256: 64, 257: 64, 258: 12, 259: compression, 262: 1, 273: 8, 277: 1, 278: 64, 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    padding = bytes(len(packed) % 2)
    data = b"II*\0" + struct.pack("<I", 8 + len(packed + padding)) + packed + padding + directory
    assert np.array_equal(decode(data)[:, :, 0], np.rint(levels * (65535 / 4095)))


def test_frames_that_no_animation_announces_are_kept_from_opencv():
    data = animated(hidden=False)
    place = data.index(b"acTL") - 4
    assert (decode(data[:place] + data[place + 20 :]) == 90).all()


def test_an_animation_in_many_small_parts_is_put_together():
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 4))
    data = write_png(pixels, 6, 8)
    head = data[:33] + chunk(b"acTL", (1).to_bytes(4, "big") + bytes(4))
    control = chunk(b"fcTL", bytes(4) + (100).to_bytes(4, "big") * 2 + bytes(14))
    content = b"".join(content for kind, content in png_chunks(data, check_pixels=True) if kind == b"IDAT")
    parts = b"".join(chunk(b"IDAT", content[place : place + 2]) for place in range(0, len(content), 2))
    assert np.array_equal(decode(head + control + parts + chunk(b"IEND", b"")), pixels)


@given(st.integers(0, 2**32 - 1))
def test_a_fax_gives_the_same_each_time_or_is_rejected(seed: int):
    random = np.random.default_rng(seed)
    file = io.BytesIO()
    Image.fromarray(random.random((40, 60)) < 0.3).save(file, "TIFF", compression="group4")
    data = bytearray(file.getvalue())
    place = int(random.integers(8, len(data) - 8))
    data[place : place + 8] = bytes(8)
    results = set()
    for _ in range(3):
        try:
            results.add(decode(bytes(data)).tobytes())
        except BadInput as error:
            results.add(str(error))
    assert len(results) == 1


def test_a_whole_fax_is_read():
    picture = Image.fromarray(np.random.default_rng(0).random((40, 60)) < 0.3)
    file = io.BytesIO()
    picture.save(file, "TIFF", compression="group4")
    assert np.array_equal(decode(file.getvalue()), np.asarray(picture.convert("RGB")))


def test_a_first_frame_that_does_not_cover_the_canvas_of_a_gif_is_transparent_around():
    canvas, small = Image.new("P", (20, 16)), Image.new("P", (6, 5), 1)
    for image in (canvas, small):
        image.putpalette([10, 20, 30, 200, 100, 50])
    file = io.BytesIO()
    small.save(file, "GIF")
    data = bytearray(file.getvalue())
    data[6:10] = (20).to_bytes(2, "little") + (16).to_bytes(2, "little")
    place = data.index(b"\x2c", 13)
    data[place + 1 : place + 5] = (4).to_bytes(2, "little") + (3).to_bytes(2, "little")
    pixels = decode(bytes(data))
    assert (pixels[3:8, 4:10] == (200, 100, 50, 255)).all()
    assert pixels[:, :, 3].sum() == 255 * 6 * 5


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), "HEIC"),
        (b"\xff\x0a" + bytes(50), "JPEG XL"),
        (b"%PDF-1.7" + bytes(50), "PDF"),
        (b"8BPS\0\1" + bytes(50), "Photoshop"),
        (b'  <svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\0\0\0\x0cjP  \r\n" + bytes(50), "JPEG 2000"),
        (imagecodecs.jpeg_encode(PHOTOGRAPH.astype(np.uint16) << 4, bitspersample=12), "JPEG of 12 bits"),
        (imagecodecs.jpegls_encode(PHOTOGRAPH), "JPEG without loss"),
        (imagecodecs.jpegxr_encode(PHOTOGRAPH), "JPEG XR"),
        (PNG + chunk(b"CgBI", bytes(4)) + write_png(DEEP % 256, 2, 8)[8:], "PNG as Xcode"),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n\0", "PAM"),
    ],
)
def test_a_file_of_another_format_is_called_by_its_name(data: bytes, name: str):
    with pytest.raises(BadInput, match=f"not read: {name}"):
        decode(data)


def test_a_dib_without_the_header_of_a_bmp_is_read():
    file = io.BytesIO()
    Image.fromarray(PHOTOGRAPH).save(file, "DIB")
    assert np.array_equal(decode(file.getvalue()), PHOTOGRAPH)
