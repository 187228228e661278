"""PNG and TIFF files of kinds that imaging libraries don't write, made without any (PNG 3rd edition, TIFF 6.0)."""

import struct
import zlib
from itertools import chain

import numpy as np

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of the colour types: grey, RGB, palette, grey and alpha, RGBA
KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8)]
KINDS += [(4, 8), (4, 16), (6, 8), (6, 16)]  # colour type and depth; all that the format allows
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def write_png(samples: np.ndarray, colour: int, depth: int, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """A PNG file.

    Args:
        samples: int (height, width, channels), each below 2 ** depth.
        extra: chunks between the header and the pixels: a palette, transparency, gamma and so on.
    """
    height, width = samples.shape[:2]
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, colour, 0, 0, interlaced])
    passes = [samples[top::down, left::across] for top, left, down, across in ADAM7] if interlaced else [samples]
    rows = chain.from_iterable(filtered(part, depth) for part in passes if part.size)
    content = zlib.compress(b"".join(rows))
    parts = [chunk(b"IDAT", content[start : start + 100]) for start in range(0, len(content), 100)]
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + b"".join(parts) + chunk(b"IEND", b"")


def filtered(samples: np.ndarray, depth: int) -> list[bytes]:
    """The rows of a picture, packed, each behind its filter: all five filters take turns (section 9)."""
    if depth == 16:
        packed = samples.astype(">u2").reshape(len(samples), -1).view(np.uint8)
    else:
        bits = (samples.reshape(len(samples), -1, 1) >> np.arange(depth)[::-1]) & 1
        packed = np.packbits(bits.reshape(len(samples), -1).astype(np.uint8), axis=1)
    pixel = max(1, samples.shape[2] * depth // 8)
    raw = np.pad(packed.astype(int), ((1, 0), (pixel, 0)))
    here, left, up, corner = raw[1:, pixel:], raw[1:, :-pixel], raw[:-1, pixel:], raw[:-1, :-pixel]
    distances = np.abs([up - corner, left - corner, left + up - 2 * corner])
    paeth = np.choose(distances.argmin(axis=0), [left, up, corner])
    predicted = [np.zeros_like(here), left, up, (left + up) // 2, paeth]
    return [
        bytes([row % 5]) + ((here[row] - predicted[row % 5][row]) % 256).astype(np.uint8).tobytes()
        for row in range(len(here))
    ]


def write_tiff(samples: np.ndarray, tags: dict[int, int]) -> bytes:
    """A TIFF of 16 bits a channel, uint16 (height, width, 3 or 4), with more tags of one number each."""
    height, width, channels = samples.shape
    pixels = samples.astype("<u2").tobytes()
    depths = struct.pack("<4H", *[16] * 4)
    fields = {256: width, 257: height, 259: 1, 262: 2, 273: 16, 277: channels, 278: height, 279: len(pixels), **tags}
    entries = {tag: struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items()}
    entries[258] = struct.pack("<HHII", 258, 3, channels, 8)  # bits of each channel, which lie behind the header
    directory = struct.pack("<H", len(entries)) + b"".join(entry for _, entry in sorted(entries.items())) + bytes(4)
    return b"II*\0" + struct.pack("<I", 16 + len(pixels)) + depths + pixels + directory
