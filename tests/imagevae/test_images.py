"""Decoding, checked against Pillow as an independent decoder; compositing, checked against exact arithmetic."""

import io
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from imagevae.errors import BadInput
from imagevae.images import decode, encode_png, flatten

SMALL = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)
PIXELS = cv2.resize(SMALL, (31, 23), interpolation=cv2.INTER_CUBIC)
RGBA = Image.fromarray(PIXELS, "RGBA")
RGB = RGBA.convert("RGB")
PALETTE = RGB.quantize(16)
GREY = RGB.convert("L")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def oriented(image: Image.Image, orientation: int) -> dict:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


FILES = {
    "png rgba": encoded(RGBA, "PNG"),
    "png rgb": encoded(RGB, "PNG"),
    "png grey": encoded(GREY, "PNG"),
    "png grey and alpha": encoded(RGBA.convert("LA"), "PNG"),
    "png of one bit": encoded(RGB.convert("1"), "PNG"),
    "png palette": encoded(PALETTE, "PNG"),
    "png palette with alpha": encoded(PALETTE, "PNG", transparency=bytes(range(0, 160, 10))),
    "png rgb with colour key": encoded(RGB, "PNG", transparency=RGB.getpixel((3, 3))),
    "png grey with colour key": encoded(GREY, "PNG", transparency=GREY.getpixel((3, 3))),
    "apng": encoded(RGBA, "PNG", save_all=True, append_images=[RGBA.rotate(180)]),
    "jpeg": encoded(RGB, "JPEG"),
    "jpeg grey": encoded(GREY, "JPEG"),
    "jpeg cmyk": encoded(RGB.convert("CMYK"), "JPEG"),
    "jpeg progressive": encoded(RGB, "JPEG", progressive=True),
    "webp": encoded(RGB, "WEBP"),
    "webp lossless with alpha": encoded(RGBA, "WEBP", lossless=True),
    "webp animated": encoded(RGBA, "WEBP", save_all=True, append_images=[RGBA.rotate(180)], lossless=True),
    "gif": encoded(PALETTE, "GIF"),
    "gif with transparency": encoded(PALETTE, "GIF", transparency=3),
    "bmp": encoded(RGB, "BMP"),
    "ppm": encoded(RGB, "PPM"),
    "tiff": encoded(RGB, "TIFF"),
    "tiff with alpha": encoded(RGBA, "TIFF"),
    "tiff cmyk": encoded(RGB.convert("CMYK"), "TIFF"),
    "tiff of several pages": encoded(RGB, "TIFF", save_all=True, append_images=[RGB.rotate(180)]),
    "avif with alpha": encoded(RGBA, "AVIF"),
    **{
        f"{kind} turned {turn}": encoded(image, kind, **oriented(image, turn), **options)
        for kind, image, options in (
            ("JPEG", RGB, {}),
            ("PNG", RGBA, {}),
            ("WEBP", RGBA, {"lossless": True}),
            ("AVIF", RGBA, {}),
            ("TIFF", RGB, {}),
        )
        for turn in range(1, 9)
    },
}


@pytest.mark.parametrize("kind", FILES)
def test_decodes_as_pillow_does(kind: str):
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(FILES[kind]))).convert("RGBA"))
    pixels = decode(FILES[kind])
    if pixels.shape[2] < 4:
        assert (expected[:, :, 3] == 255).all()
        pixels = np.dstack([np.broadcast_to(pixels, (*pixels.shape[:2], 3)), expected[:, :, 3]])
    assert pixels.shape == expected.shape
    assert np.array_equal(pixels[:, :, 3], expected[:, :, 3])
    visible = expected[:, :, 3] > 0
    tolerance = 1 if "cmyk" in kind else 0  # conversions from CMYK round differently
    assert np.abs(pixels.astype(int) - expected)[visible].max() <= tolerance


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_scales_16_bits_instead_of_clipping(kind: str):
    deep = (np.arange(23 * 31).reshape(23, 31) * 91).astype(np.uint16)
    flat = flatten(decode(encoded(Image.fromarray(deep), kind)), (0, 0, 0))
    exact = [[round(Fraction(int(value), 257)) for value in row] for row in deep]
    assert (flat == np.array(exact)[:, :, None]).all()


def test_composites_16_bit_rgba():
    deep = np.random.default_rng(1).integers(0, 2**16, (9, 7, 4), np.uint16)
    data = cv2.imencode(".png", cv2.cvtColor(deep, cv2.COLOR_RGBA2BGRA))[1].tobytes()
    assert np.array_equal(decode(data), deep)
    assert_composited(deep, (10, 20, 255))


level = st.integers(0, 255)


@given(pixel=st.tuples(level, level, level, level), background=st.tuples(level, level, level))
def test_composites_with_the_right_rounding(pixel: tuple, background: tuple):
    assert_composited(np.array([[pixel]], np.uint8), background)


def test_the_rounding_of_8_bits_is_right_for_all_values():
    value, alpha = np.meshgrid(np.arange(256), np.arange(256))
    pixels = np.stack([value, value, value, alpha], axis=-1).astype(np.uint8)
    for behind in (0, 1, 127, 254, 255):
        exact = np.floor((value * alpha + behind * (255 - alpha)) / 255 + 0.5)
        assert np.array_equal(flatten(pixels, (behind,) * 3)[:, :, 0], exact)


def assert_composited(pixels: np.ndarray, background: tuple) -> None:
    top = np.iinfo(pixels.dtype).max
    flat = flatten(pixels, background)
    assert flat.dtype == np.uint8
    for place in np.ndindex(pixels.shape[:2]):
        *colour, alpha = (Fraction(int(value), int(top)) for value in pixels[place])
        for value, ours, behind in zip(colour, flat[place], background, strict=True):
            exact = 255 * (alpha * value) + (1 - alpha) * behind
            assert abs(int(ours) - exact) <= Fraction(1, 2)


@pytest.mark.parametrize("kind", ["png rgba", "jpeg", "webp", "gif", "bmp", "tiff", "avif with alpha"])
def test_an_image_that_is_cut_short_is_refused(kind: str):
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(BadInput):
            decode(FILES[kind][: int(len(FILES[kind]) * share)])


def test_a_jpeg_with_a_thumbnail_that_is_cut_short_is_refused():
    exif = b"Exif\0\0" + bytes(8) + encoded(RGB.resize((8, 8)), "JPEG")
    data = encoded(RGB, "JPEG", exif=exif)
    assert np.array_equal(decode(data), decode(FILES["jpeg"]))
    with pytest.raises(BadInput):
        decode(data[:-100])


@pytest.mark.parametrize("kind", ["png rgba", "jpeg"])
def test_what_follows_the_end_of_an_image_does_not_matter(kind: str):
    assert np.array_equal(decode(FILES[kind] + bytes(100_000)), decode(FILES[kind]))


@pytest.mark.parametrize("data", [b"", b"hello", bytes(1000)])
def test_what_is_no_image_is_refused(data: bytes):
    with pytest.raises(BadInput):
        decode(data)


def test_png_keeps_every_pixel():
    for channels in (3, 4):
        assert np.array_equal(decode(encode_png(PIXELS[:, :, :channels])), PIXELS[:, :, :channels])


SUITE = {}
