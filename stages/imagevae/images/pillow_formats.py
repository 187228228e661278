"""The formats that Pillow decodes: AVIF, BMP, GIF, PNM, TIFF and WebP, and HEIC and JPEG XL where it has plug-ins."""

import io
import logging
import struct
import warnings
from importlib.util import find_spec
from math import prod

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, GifImagePlugin, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from imagevae.cli.errors import BadInput, NotInstalled
from imagevae.images import tiff
from imagevae.images.colour import Colours
from imagevae.images.headers import DAMAGED, MAX_PIXELS, check_size, foreign_format, webp_size
from imagevae.images.opencv import AS_RGB, decode_with_opencv
from imagevae.images.orientation import upright

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

FORMATS = ("AVIF", "BMP", "DIB", "GIF", "PPM", "TIFF", "WEBP")  # by Pillow's names; it knows more, and starts programs
PLUGINS = {"HEIC": ("pillow_heif", "HEIF"), "JPEG XL": ("pillow_jxl", "JXL")}  # modules and names of more formats
BITS, COMPRESSION, ORIENTATION, SAMPLE_FORMAT = 258, 259, 274, 339  # tags of TIFF 6.0
BLOCK = 2**20  # pixels that are copied at once
TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

logging.getLogger("PIL").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="PIL")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # it warns from here on, and refuses images of twice as many pixels


def decode_with_pillow(data: bytes, colours: Colours) -> Pixels:
    """See `codec.decode`; for all but PNG and JPEG."""
    try:
        return _decode(data, colours)
    except (BadInput, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise BadInput(f"more than the {MAX_PIXELS} pixels that are read") from None
    except Exception as error:  # Pillow and tifffile raise a wide choice of them for damaged images
        kind = str(error).partition("Unsupported ")[2]
        raise BadInput(f"not read: {kind}" if kind else DAMAGED) from error


def _decode(data: bytes, colours: Colours) -> Pixels:
    if data[8:12] == b"WEBP":  # which takes five times the memory of its pixels
        check_size(*webp_size(data), MAX_PIXELS // 2)
    try:
        with Image.open(io.BytesIO(data), formats=[*FORMATS, *_plugins(data)]) as image:
            check_size(*image.size)
            if isinstance(image, TiffImagePlugin.TiffImageFile):
                if max(image.tag_v2.get(BITS, (1,))) > 8 or 2 in image.tag_v2.get(SAMPLE_FORMAT, ()):
                    return _deep(data, colours)
                tiff.check_parts(image.tag_v2, data)
                if image.tag_v2.get(COMPRESSION) in tiff.FAX:
                    return tiff.decode_surely(lambda: _pixels(_opened(data), Colours(convert=False)))
            if isinstance(image, BmpImagePlugin.BmpImageFile) and image.mode in ("1", "L", "P"):
                return _few_colours(image, data)
            return _pixels(image, colours)
    except UnidentifiedImageError:
        if data[:4] in TIFFS:  # of kinds that Pillow has no mode for
            return _deep(data, colours)
        raise _unidentified(data) from None


def size_of(data: bytes) -> tuple[int, int, int]:
    """Width, height and bytes a pixel of an image that Pillow decodes, by its header; zeros for what is none."""
    if data[8:12] == b"WEBP":
        return *webp_size(data), 16
    try:
        with Image.open(io.BytesIO(data), formats=[*FORMATS, *_plugins(data)]) as image:
            if not isinstance(image, TiffImagePlugin.TiffImageFile):
                return *image.size, 8
            tile = image.tag_v2.get(322, 0), image.tag_v2.get(323, 0)  # which may be larger than the image
            return *max(image.size, tile, key=prod), 16 if max(image.tag_v2.get(BITS, (1,))) > 8 else 8
    except Exception:  # what is wrong with it, decoding will say
        return 0, 0, 0


def cmyk_of_jpeg(data: bytes) -> NDArray[np.uint8]:
    """The inks of a JPEG of four channels, (height, width, 4), 255 for full ink."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return np.asarray(image.convert("CMYK"))


def _plugins(data: bytes) -> list[str]:
    """Pillow's name of the format of a file that a plug-in reads, if that is installed."""
    module, name = PLUGINS.get(foreign_format(data), ("", ""))
    if not module or not find_spec(module):
        return []
    if module == "pillow_heif":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    else:
        import pillow_jxl  # noqa: F401, it registers itself
    return [name]


def _unidentified(data: bytes) -> BadInput:
    """Why Pillow did not know a file."""
    name = foreign_format(data)
    if name in PLUGINS:
        return NotInstalled(f"not read: {name} needs a plug-in of Pillow: pip install -r requirements-formats.txt")
    return BadInput(f"not read: {name}" if name else "not an image, or damaged at its start; replace it or take it out")


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["TIFF"])


def _few_colours(image: BmpImagePlugin.BmpImageFile, data: bytes) -> NDArray[np.uint8]:
    """The pixels of a BMP with a palette. Pillow 12.3 mistakes the bits of those that are black and white, and loses
    pixels of runs."""
    if data[:2] != b"BM":
        data = b"BM" + struct.pack("<IHHI", 14 + len(data), 0, 0, 14 + image.tile[0].offset) + data
    return decode_with_opencv(data, AS_RGB)


def _deep(data: bytes, colours: Colours) -> Pixels:
    pixels, turned, profile = tiff.decode_deep(data)
    converted = colours.converted(pixels, profile)
    return upright(pixels if converted is None else converted, turned)


def _pixels(image: Image.Image, colours: Colours) -> Pixels:
    """The pixels of an opened image, upright, in sRGB."""
    extent = image.tile[0].extents if isinstance(image, GifImagePlugin.GifImageFile) and image.tile else None
    image.load()
    if isinstance(image, WebPImagePlugin.WebPImageFile):  # which keeps all pixels twice besides
        image.fp = image._decoder = None
    profile = tiff.as_profile(image.info.get("icc_profile") or b"")
    turned = image.getexif().get(ORIENTATION, 1)
    if image.mode.startswith("I;16") or (image.format, image.mode) == ("PPM", "I"):  # which Pillow scales to 16 bits
        return upright(np.asarray(image).astype(np.uint16)[:, :, None], turned)
    if image.mode in ("F", "I", "LAB", "HSV"):
        raise BadInput(f"not read: {image.format} of {_kinds[image.mode]}; 8 and 16 bits of grey or RGB are")
    if image.mode == "CMYK" and profile and colours.convert:
        converted = colours.converted(_copied(image, "CMYK"), profile, inks=True)
        if converted is not None:
            return upright(converted, turned)
    clipped = extent and extent != (0, 0, *image.size)
    pixels = _copied(image, "RGBA" if image.has_transparency_data or clipped else "RGB")
    if extent and clipped:  # a first frame that does not cover the canvas
        left, top, right, bottom = extent
        shown = np.zeros(pixels.shape[:2], bool)
        shown[top:bottom, left:right] = True
        pixels[~shown] = 0
    converted = colours.converted(pixels, profile) if image.mode != "CMYK" else None
    return upright(pixels if converted is None else converted, turned)


_kinds = {"F": "32-bit float", "I": "32-bit integers", "LAB": "CIELab colours", "HSV": "HSV colours"}


def _copied(image: Image.Image, mode: str) -> NDArray[np.uint8]:
    """The pixels in a mode of Pillow's, some rows at a time: all at once it would make several copies."""
    width, height = image.size
    pixels = np.empty((height, width, len(mode)), np.uint8)
    rows = max(1, BLOCK // max(1, width))
    for start in range(0, height, rows):
        end = min(start + rows, height)
        pixels[start:end] = np.asarray(image.crop((0, start, width, end)).convert(mode))
    return pixels
