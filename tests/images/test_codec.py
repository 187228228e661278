"""Decoding, checked against Pillow as an independent decoder; compositing, checked against exact arithmetic."""

import io
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from image_corpus import FILES, PIXELS, RGB, VARIETIES, encoded, oriented, suite_file
from image_files import write_tiff
from imagevae.cli.errors import BadInput
from imagevae.images.codec import MAX_PIXELS, decode, flatten
from imagevae.images.encoding import encode_png


def as_rgba(pixels: np.ndarray) -> np.ndarray:
    """Grey, RGB or RGBA of any depth as RGBA of 0 to 1."""
    exact = pixels / np.iinfo(pixels.dtype).max
    alpha = exact[:, :, 3:] if pixels.shape[2] == 4 else np.ones((*pixels.shape[:2], 1))
    return np.dstack([np.broadcast_to(exact[:, :, :3], (*pixels.shape[:2], 3)), alpha])


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGBA"))


def by_opencv(data: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 2:
        return pixels[:, :, None]
    return pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest one between RGBA pictures of 0 to 1, where they can be seen."""
    assert ours.shape == theirs.shape
    differences = np.abs(ours - theirs)
    differences[:, :, :3] *= theirs[:, :, 3:] > 0
    return differences.max()


def assert_alike(data: bytes, expected: np.ndarray, levels: float) -> None:
    assert difference(as_rgba(decode(data)), as_rgba(expected)) * 255 <= levels + 1e-9


@pytest.mark.parametrize("kind", FILES)
def test_decodes_as_pillow_does(kind: str):
    assert_alike(FILES[kind], by_pillow(FILES[kind]), 1 if "cmyk" in kind else 0)  # CMYK is rounded in other ways


BY_PILLOW = [kind for kind in FILES if not kind.lower().startswith(("png", "apng", "jpeg"))]
NOT_BY_OPENCV = ("tiff with alpha", "tiff cmyk", "AVIF turned", "TIFF turned", "WEBP turned")


@pytest.mark.parametrize("kind", [kind for kind in BY_PILLOW if not kind.startswith(NOT_BY_OPENCV)])
def test_decodes_as_opencv_does_what_pillow_decodes(kind: str):
    assert_alike(FILES[kind], by_opencv(FILES[kind]), 2 if "avif" in kind else 0)  # YUV is rounded in other ways


# Every kind of PNG


@pytest.mark.parametrize("variety", VARIETIES, ids=str)
def test_decodes_every_kind_of_png(variety: tuple):
    colour, depth, clear, _ = variety
    for shape in [*((side, side) for side in range(1, 10)), (1, 8), (8, 1), (32, 17)]:
        data, rgba = suite_file(*variety, shape)
        assert difference(as_rgba(decode(data)), rgba) * 65535 < 0.5
        # Pillow 12.3 mistakes colour keys of 2, 4 and 16 bits, and drops the lower 8 of 16 bits.
        if depth < 16 and not (clear and colour == 0 and depth in (2, 4)):
            assert_alike(data, by_pillow(data), 0)
        elif depth == 16 and colour != 0 and not clear:
            assert_alike(data, by_pillow(data), 1)


def test_a_bmp_of_32_bits_without_alpha_is_opaque():
    size = [part.to_bytes(4, "little") for part in (3, 2)]
    header = b"BM" + bytes(8) + b"\x36\0\0\0" + b"\x28\0\0\0" + size[0] + size[1] + b"\1\0\x20\0" + bytes(24)
    assert (decode(header + bytes([1, 2, 3, 0]) * 6) == (3, 2, 1)).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_scales_16_bits_instead_of_clipping(kind: str):
    deep = (np.arange(23 * 31).reshape(23, 31) * 91).astype(np.uint16)
    flat = flatten(decode(encoded(Image.fromarray(deep), kind)), (0, 0, 0))
    exact = [[round(Fraction(int(value), 257)) for value in row] for row in deep]
    assert (flat == np.array(exact)[:, :, None]).all()


DEEP = np.random.default_rng(1).integers(0, 2**16, (9, 7, 4), np.uint16)


@pytest.mark.parametrize("turn", range(1, 9))
def test_tiffs_of_16_bits_keep_them(turn: int):
    """Orientation and ExtraSamples are those of TIFF 6.0: 2 is straight alpha, 1 a multiplied one, 0 none."""
    places = Image.fromarray(np.arange(63, dtype=np.uint8).reshape(9, 7))
    expected = DEEP.reshape(63, 4)[by_pillow(encoded(places, "PNG", **oriented(places, turn)))[:, :, 0]]
    assert np.array_equal(decode(write_tiff(DEEP[:, :, :3], {274: turn})), expected[:, :, :3])
    assert np.array_equal(decode(write_tiff(DEEP, {274: turn, 338: 2})), expected)
    assert np.array_equal(decode(write_tiff(DEEP, {274: turn, 338: 0})), expected[:, :, :3])
    multiplied = np.dstack([np.rint(DEEP[:, :, :3] * (DEEP[:, :, 3:] / 65535)), DEEP[:, :, 3:]])
    flat = flatten(decode(write_tiff(multiplied, {274: turn, 338: 1})), (0, 0, 0))
    assert np.abs(flat - expected[:, :, :3] * (expected[:, :, 3:] / 65535) / 257).max() < 0.52


@pytest.mark.parametrize(("kind", "levels"), [("P5", 65535), ("P6", 65535), ("P5", 100), ("P2", 100)])
def test_pnm_of_any_depth_is_scaled(kind: str, levels: int):
    values = np.arange(6 if kind != "P6" else 18) * levels // 17
    binary = values.astype(">u2" if levels > 255 else "u1").tobytes()
    content = " ".join(map(str, values)).encode() if kind == "P2" else binary
    flat = flatten(decode(b"%s\n3 2\n%d\n%s" % (kind.encode(), levels, content)), (0, 0, 0))
    assert np.abs(flat - values.reshape(2, 3, -1) / levels * 255).max() <= 0.5


def test_avif_of_10_bits_is_scaled():
    deep = cv2.resize(DEEP[:, :, :3] >> 6, (64, 48), interpolation=cv2.INTER_LINEAR)
    data = cv2.imencode(".avif", deep, [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100])[1].tobytes()
    assert np.abs(decode(data) / 255 - deep[:, :, ::-1] / 1023).max() < 3 / 255


def test_composites_16_bit_rgba():
    data = cv2.imencode(".png", cv2.cvtColor(DEEP, cv2.COLOR_RGBA2BGRA))[1].tobytes()
    assert np.array_equal(decode(data), DEEP)
    assert_composited(DEEP, (10, 20, 255))


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


@pytest.mark.parametrize("kind", ["png rgba", "png rgb with colour key", "png palette with alpha", "apng"])
def test_no_flipped_bit_of_a_png_goes_unnoticed(kind: str):
    """Each byte of a PNG is covered by a checksum, or its place is fixed."""
    expected = decode(FILES[kind])
    for place in range(len(FILES[kind])):
        damaged = bytearray(FILES[kind])
        damaged[place] ^= 1 << place % 8
        try:
            assert np.array_equal(decode(bytes(damaged)), expected), place
        except BadInput:
            continue


def test_a_jpeg_of_endless_scans_is_refused():
    data = encoded(RGB, "JPEG", progressive=True)
    last = data[data.rfind(b"\xff\xda") : -2]
    assert data.count(b"\xff\xda") > 5
    assert decode(data).shape == (23, 31, 3)
    with pytest.raises(BadInput, match="scans"):
        decode(data[:-2] + last * 200 + data[-2:])


def test_the_number_of_pixels_is_limited_before_they_are_decoded():
    data = bytearray(encoded(RGB, "JPEG"))
    place = data.find(b"\xff\xc0") + 5
    for height, width, refused in ((2**14, MAX_PIXELS // 2**14 + 1, True), (2**5, 2**9, False)):
        data[place : place + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        if refused:
            with pytest.raises(BadInput, match=f"{width}x{height} pixels"):
                decode(bytes(data))
        else:
            with pytest.raises(BadInput, match="premature end"):  # it was decoded, and pixels were missing
                decode(bytes(data))


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
