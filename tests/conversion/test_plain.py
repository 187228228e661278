"""What is taken over undecoded: exactly what decodes to upright 8-bit RGB, and nothing that was damaged on the way."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imagevae.conversion.plain import rgb_size
from imagevae.images.codec import decode, flatten
from imagevae.images.encoding import encode_png

PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8), (31, 20))


def saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


PLAIN = {
    "png": saved("PNG"),
    "png of ours": encode_png(PIXELS),
    "png with a resolution and a profile": saved("PNG", dpi=(72, 72), icc_profile=b"profile"),
    "jpeg": saved("JPEG"),
    "progressive jpeg": saved("JPEG", progressive=True, subsampling=0),
    "jpeg upright by its EXIF": saved("JPEG", exif=exif(1)),
    "jpeg with a thumbnail in it": saved("JPEG", exif=exif(1) + saved("JPEG")),
}
OTHER = {
    "grey png": saved("PNG", "L"),
    "palette png": saved("PNG", "P"),
    "png with alpha": saved("PNG", "RGBA"),
    "png with a transparent colour": saved("PNG", transparency=(1, 2, 3)),
    "png with EXIF": saved("PNG", exif=exif(6)),
    "apng": saved("PNG", save_all=True, append_images=[Image.fromarray(255 - PIXELS)]),
    "16-bit png": cv2.imencode(".png", PIXELS.astype(np.uint16))[1].tobytes(),
    "grey jpeg": saved("JPEG", "L"),
    "CMYK jpeg": saved("JPEG", "CMYK"),
    **{f"jpeg turned by {turn}": saved("JPEG", exif=exif(turn)) for turn in range(2, 9)},
    "gif": saved("GIF"),
    "webp": saved("WEBP"),
    "empty": b"",
    "a marker": b"\xff\xd8\xff",
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_file_that_is_rgb_already_decodes_to_what_it_would_be_turned_into(name: str):
    pixels = decode(PLAIN[name])
    assert (pixels.dtype, pixels.shape) == (np.uint8, (20, 31, 3))
    assert rgb_size(PLAIN[name]) == (31, 20)
    assert np.array_equal(decode(encode_png(flatten(pixels, (9, 9, 9)))), pixels)


@pytest.mark.parametrize("name", OTHER)
def test_all_others_are_not(name: str):
    assert rgb_size(OTHER[name]) is None


@given(name=st.sampled_from(sorted(PLAIN)), share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_short_is_not(name: str, share: float):
    assert rgb_size(PLAIN[name][: int(share * len(PLAIN[name]))]) is None


@given(
    name=st.sampled_from(["png", "png of ours"]), place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255)
)
def test_a_png_with_a_changed_byte_is_not(name: str, place: float, change: int):
    data = bytearray(PLAIN[name])
    data[int(place * len(data))] ^= change
    assert rgb_size(bytes(data)) is None


@given(name=st.sampled_from(sorted(PLAIN)), changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255))))
def test_headers_of_any_bytes_are_read_without_a_crash(name: str, changes: list[tuple[int, int]]):
    data = bytearray(PLAIN[name])
    for place, value in changes:
        data[place % len(data)] = value
    size = rgb_size(bytes(data))
    assert size is None or min(size) > 0
