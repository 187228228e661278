"""Images of which a part is missing or garbled are rejected, whatever the decoder makes of them."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from image_corpus import DEEP, PHOTOGRAPH, animated, exif_jpeg, jpeg, tiff
from imagevae.cli.errors import BadInput
from imagevae.images.codec import decode
from imagevae.images.complaints import quiet_decoders, with_complaints


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
    ],
)
def test_a_file_of_another_format_is_called_by_its_name(data: bytes, name: str):
    with pytest.raises(BadInput, match=f"not read: {name}"):
        decode(data)


def test_a_dib_without_the_header_of_a_bmp_is_read():
    file = io.BytesIO()
    Image.fromarray(PHOTOGRAPH).save(file, "DIB")
    assert np.array_equal(decode(file.getvalue()), PHOTOGRAPH)
