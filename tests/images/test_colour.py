"""Colours of other spaces become those of sRGB, as by Pillow; sRGB and damaged profiles change nothing."""

import io
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from image_corpus import tiff
from image_files import chunk, write_png
from imagevae.conversion.plain import rgb_size
from imagevae.images.codec import decode
from imagevae.images.colour import Colours, is_srgb

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
WIDE = {  # primaries and gamma of spaces that are wider than sRGB
    "Display P3": ([0.680, 0.320, 1, 0.265, 0.690, 1, 0.150, 0.060, 1], 2.2),
    "Adobe RGB": ([0.640, 0.330, 1, 0.210, 0.710, 1, 0.150, 0.060, 1], 2.2),
    "linear": ([0.640, 0.330, 1, 0.300, 0.600, 1, 0.150, 0.060, 1], 1.0),
}
PROFILES = {
    name: imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.3290, 1], primaries=primaries, gamma=gamma)
    for name, (primaries, gamma) in WIDE.items()
}
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 33, 3), np.uint8)


def by_pillow(image: Image.Image, profile: bytes) -> np.ndarray:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return np.asarray(ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_converted_as_pillow_does_whatever_the_format(name: str, kind: str):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(Image.fromarray(PIXELS), kind, icc_profile=PROFILES[name], **options)
    expected = by_pillow(Image.open(io.BytesIO(data)).convert("RGB"), PROFILES[name])
    assert np.abs(decode(data).astype(int) - expected).max() <= 2
    kept = decode(data, Colours(convert=False))
    assert np.array_equal(kept, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert rgb_size(data) is None, "an image of other colours is not kept as it is"


def test_alpha_stays():
    rgba = np.random.default_rng(1).integers(0, 256, (9, 8, 4), np.uint8)
    pixels = decode(encoded(Image.fromarray(rgba), "PNG", icc_profile=PROFILES["Adobe RGB"]))
    assert np.array_equal(pixels[:, :, 3], rgba[:, :, 3])
    assert (
        np.abs(pixels[:, :, :3].astype(int) - by_pillow(Image.fromarray(rgba[:, :, :3]), PROFILES["Adobe RGB"])).max()
        <= 1
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("name", PROFILES)
def test_16_bits_are_converted_with_16_bits(kind: str, name: str):
    """In the dark too, where linear light has few of 255 levels."""
    levels = np.linspace(0, 65535, 500).astype(np.uint16)
    deep = np.stack([levels, levels[::-1], np.full_like(levels, 3000)], axis=-1)[None]
    if kind == "PNG":
        content = zlib.compress(PROFILES[name])
        data = write_png(deep, 2, 16, extra=chunk(b"iCCP", b"profile\0\0" + content))
    else:
        file = io.BytesIO()
        tifffile.imwrite(file, deep, photometric="rgb", extratags=[(34675, 7, None, PROFILES[name], True)])
        data = file.getvalue()
    exact = imagecodecs.cms_transform(
        deep / 65535, PROFILES[name], SRGB, colorspace="rgb", outcolorspace="rgb", outdtype=np.float64, flags=0x100
    )
    assert np.abs(decode(data) / 65535 - np.clip(exact, 0, 1)).max() < 0.002


def test_srgb_is_left_as_it_is_and_kept():
    data = encoded(Image.fromarray(PIXELS), "PNG", icc_profile=SRGB)
    assert is_srgb(SRGB)
    assert np.array_equal(decode(data), PIXELS)
    assert rgb_size(data) == (33, 24)


def test_inks_with_a_profile_of_lights_are_converted_without_it():
    inks = Image.fromarray(PIXELS).convert("CMYK")
    data = encoded(inks, "JPEG", quality=100)
    colours = Colours()
    other = encoded(inks, "JPEG", quality=100, icc_profile=PROFILES["linear"])
    assert np.array_equal(decode(other, colours), decode(data))
    assert colours.notes == ["its colour profile is of RGB colours"]


@pytest.mark.parametrize("profile", [b"profile", SRGB[:100], SRGB[:200] + bytes(50) + SRGB[250:-100], bytes(3000)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_profile_that_cannot_be_used_is_ignored_and_noted(profile: bytes, kind: str):
    image = Image.fromarray(PIXELS)
    data = encoded(image, kind, icc_profile=profile, **({"lossless": True} if kind == "WEBP" else {}))
    colours = Colours()
    assert np.array_equal(decode(data, colours), decode(data, Colours(convert=False)))
    assert len(colours.notes) == 1
    assert "profile" in colours.notes[0]


def test_grey_with_a_profile_of_grey():
    grey = imagecodecs.cms_profile("gray", whitepoint=[0.3127, 0.3290, 1], gamma=1.0)
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = by_pillow(Image.fromarray(levels), grey)
    for kind in ("PNG", "TIFF", "JPEG"):
        data = encoded(Image.fromarray(levels), kind, icc_profile=grey, **({"quality": 100} if kind == "JPEG" else {}))
        pixels = decode(data)
        assert np.abs(np.broadcast_to(pixels[:, :, :3], (16, 16, 3)).astype(int) - expected).max() <= (
            12 if kind == "JPEG" else 1
        )


def test_a_profile_that_cannot_be_unpacked_is_noted():
    data = encoded(Image.fromarray(PIXELS), "PNG")
    damaged = data[:33] + chunk(b"iCCP", b"name\0\0no zlib") + data[33:]
    colours = Colours()
    assert np.array_equal(decode(damaged, colours), PIXELS)
    assert colours.notes == ["its colour profile is of unknown colours"]
    colours = Colours()
    assert rgb_size(damaged, colours) == (33, 24)
    assert len(colours.notes) == 1


@pytest.mark.parametrize("value", [("s", 0, "a text"), ("H", 3, (1, 2, 300)), ("I", 1, 10**9)])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_tag_that_holds_no_profile_is_noted(depth: type, value: tuple):
    pixels = PIXELS.astype(depth)
    colours = Colours()
    data = tiff(pixels, photometric="rgb", extratags=[(34675, *value, True)])
    assert np.array_equal(decode(data, colours), pixels)
    assert len(colours.notes) == 1
