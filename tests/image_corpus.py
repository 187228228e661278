"""Small image files of every kind that is read, archives of them, and files whose damage does not show."""

import io
import tarfile
import zipfile
import zlib
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from image_files import CHANNELS, KINDS, chunk, write_png

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
    "apng with an image for others": encoded(RGBA, "PNG", save_all=True, default_image=True, append_images=[PALETTE]),
    "jpeg": encoded(RGB, "JPEG"),
    "jpeg grey": encoded(GREY, "JPEG"),
    "jpeg cmyk": encoded(RGB.convert("CMYK"), "JPEG"),
    "jpeg progressive": encoded(RGB, "JPEG", progressive=True),
    "jpeg subsampled": encoded(RGB, "JPEG", subsampling="4:2:0", quality=40),
    "webp": encoded(RGB, "WEBP"),
    "webp with alpha": encoded(RGBA, "WEBP"),
    "webp lossless with alpha": encoded(RGBA, "WEBP", lossless=True),
    "webp animated": encoded(RGBA, "WEBP", save_all=True, append_images=[RGBA.rotate(180)], lossless=True),
    "gif": encoded(PALETTE, "GIF"),
    "gif with transparency": encoded(PALETTE, "GIF", transparency=3),
    "gif animated": encoded(PALETTE, "GIF", save_all=True, append_images=[PALETTE.rotate(180)]),
    "bmp": encoded(RGB, "BMP"),
    "bmp palette": encoded(PALETTE, "BMP"),
    "bmp of one bit": encoded(RGB.convert("1"), "BMP"),
    "bmp with alpha": encoded(RGBA, "BMP"),
    "pgm": encoded(GREY, "PPM"),
    "ppm": encoded(RGB, "PPM"),
    "tiff": encoded(RGB, "TIFF"),
    "tiff with alpha": encoded(RGBA, "TIFF"),
    "tiff cmyk": encoded(RGB.convert("CMYK"), "TIFF"),
    "tiff of several pages": encoded(RGB, "TIFF", save_all=True, append_images=[RGB.rotate(180)]),
    "tiff grey": encoded(GREY, "TIFF"),
    "tiff palette": encoded(PALETTE, "TIFF"),
    "tiff of one bit": encoded(RGB.convert("1"), "TIFF", compression="group4"),
    "tiff compressed": encoded(RGB, "TIFF", compression="tiff_adobe_deflate"),
    "avif": encoded(RGB, "AVIF"),
    "avif with alpha": encoded(RGBA, "AVIF"),
    "avif animated": encoded(RGB, "AVIF", save_all=True, append_images=[RGB.rotate(180)]),
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


# The PNG suite: every colour type and depth, with and without transparency, interlaced and not, each of some size

COLOURS = np.random.default_rng(2).integers(0, 256, (256, 3), np.uint8)
HARMLESS = (  # gamma, significant bits, a background, a text, a time, which change no pixel
    chunk(b"gAMA", (100_000).to_bytes(4, "big")) + chunk(b"tEXt", b"Title\0Test") + chunk(b"tIME", b"\7\xe8\1\1\0\0\0")
)


def suite_file(colour: int, depth: int, clear: bool, interlaced: bool, shape: tuple) -> tuple[bytes, np.ndarray]:
    """A PNG and what it shows, RGBA of 0 to 1."""
    samples = np.random.default_rng(colour * depth).integers(0, 2**depth, (*shape, CHANNELS[colour]))
    extra, rgba = HARMLESS, np.ones((*shape, 4))
    if colour == 3:
        extra += chunk(b"PLTE", COLOURS[: 2**depth].tobytes())
        rgba[:, :, :3] = COLOURS[samples[:, :, 0]] / 255
        if clear:  # alpha for the first colours
            alpha = np.arange(2 ** min(depth, 3), dtype=np.uint8) * 30
            extra += chunk(b"tRNS", alpha.tobytes())
            rgba[:, :, 3] = np.append(alpha, [255] * 256)[samples[:, :, 0]] / 255
    else:
        exact = samples / (2**depth - 1)
        rgba[:, :, :3] = exact[:, :, :3] if colour in (2, 6) else exact[:, :, :1]
        if colour in (4, 6):
            rgba[:, :, 3] = exact[:, :, -1]
        elif clear:  # one colour
            extra += chunk(b"tRNS", samples[0, 0].astype(">u2").tobytes())
            rgba[:, :, 3] = (samples != samples[0, 0]).any(axis=2)
    return write_png(samples, colour, depth, interlaced, extra), rgba


VARIETIES = [
    (colour, depth, clear, interlaced)
    for (colour, depth), clear, interlaced in product(KINDS, (False, True), (False, True))
    if not (clear and colour in (4, 6))
]
SUITE = {str(variety): suite_file(*variety, (9, 7))[0] for variety in VARIETIES}


# Files whose damage decoders pass over

PHOTOGRAPH = cv2.resize(np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8), (200, 160))
RAMP = np.stack([np.tile(np.arange(64) * 1000, (48, 1)), np.tile(np.arange(48)[:, None] * 1300, (1, 64))], axis=-1)
DEEP = np.dstack([RAMP, RAMP[:, :, :1] * 0]).astype(np.uint16)


def jpeg(**options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PHOTOGRAPH).save(file, "JPEG", **options)
    return file.getvalue()


def exif_jpeg(turned: int, padding: int) -> bytes:
    """A JPEG whose EXIF block takes two segments: its orientation stands in the second."""
    exif = Image.Exif()
    exif[0x0112] = turned
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    content = block[:8] + bytes(padding) + block[8:]
    content = content[:4] + (8 + padding).to_bytes(4, "little" if block[:2] == b"II" else "big") + content[8:]
    parts = [content[start : start + 65_000] for start in range(0, len(content), 65_000)]
    segments = [b"\xff\xe1" + (len(part) + 8).to_bytes(2, "big") + b"Exif\0\0" + part for part in parts]
    return b"\xff\xd8" + b"".join(segments) + jpeg()[2:]


def animated(hidden: bool, spoil: str = "") -> bytes:
    """An animated PNG of two frames, whose default image is outside of the animation or the first frame."""
    frames = [np.full((8, 9, 4), level, int) for level in (40, 90, 140)]
    parts = [write_png(frame, 6, 8) for frame in frames]

    def pixels(data: bytes) -> bytes:
        place, content = 8, b""
        while place < len(data):
            length = int.from_bytes(data[place : place + 4], "big")
            if data[place + 4 : place + 8] == b"IDAT":
                content += data[place + 8 : place + 8 + length]
            place += 12 + length
        return content

    def control(number: int) -> bytes:
        return chunk(b"fcTL", number.to_bytes(4, "big") + (9).to_bytes(4, "big") + (8).to_bytes(4, "big") + bytes(14))

    first = zlib.decompress(pixels(parts[1]))
    if spoil == "rows":
        first = first[: len(first) // 2]
    elif spoil == "filter":
        first = b"\x07" + first[1:]
    packed = zlib.compress(first)
    head = parts[0][:33] + chunk(b"acTL", (2).to_bytes(4, "big") + bytes(4))
    if hidden:
        body = chunk(b"IDAT", pixels(parts[0])) + control(0) + chunk(b"fdAT", (1).to_bytes(4, "big") + packed)
        body += control(2) + chunk(b"fdAT", (3).to_bytes(4, "big") + pixels(parts[2]))
    else:
        body = control(0) + chunk(b"IDAT", packed)
        body += control(1) + chunk(b"fdAT", (2).to_bytes(4, "big") + pixels(parts[2]))
    return head + body + chunk(b"IEND", b"")


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def pack(folder: Path, archive: Path) -> Path:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in folder.rglob("*"):
                packed.write(file, file.relative_to(folder))
    else:
        with tarfile.open(archive, f"w:{archive.suffix[1:].replace('tar', '').replace('tgz', 'gz')}") as packed:
            packed.add(folder, ".")
    return archive
