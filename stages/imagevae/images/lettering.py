"""Text in pictures: any, with the same pixels everywhere."""

import unicodedata
from functools import cache

import numpy as np
from anyascii import anyascii
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont


@cache
def font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font for text of a height in pixels, whose letters are those of ASCII."""
    return ImageFont.load_default(height)


def drawable(text: str) -> str:
    """Text in the letters of the font: `Kater` stays, `Katze für ελληνικά` is `Katze fur ellinika`, and what has no
    sound in them is its code point, as in [0302]. What is no letter is a space."""
    whole = unicodedata.normalize("NFC", text)
    return "".join((anyascii(sign) or f"[{ord(sign):04X}]") if sign.isprintable() else " " for sign in whole)


def text_width(text: str, height: int) -> int:
    """Of drawable text, in pixels."""
    return -int(-font(height).getlength(text) // 1)


def line_of_text(text: str, height: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Drawable text, white on black, at the left of a picture and halfway down; what does not fit is cut.

    Args:
        height: of the text, in pixels.
        size: width and height of the picture, in pixels.

    Returns:
        uint8 (height, width, 3).
    """
    picture = Image.new("RGB", size)
    ImageDraw.Draw(picture).text((2, size[1] // 2), text, "white", font(height), anchor="lm")
    return np.asarray(picture)
