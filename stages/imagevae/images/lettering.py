"""Text in pictures: any, with the same pixels everywhere."""

import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

FILE = Path(__file__).with_name("font") / "DejaVuSans.ttf"
PRIVATE = "\U0010fffd"  # which no font has a letter for


@cache
def font(height: int) -> ImageFont.FreeTypeFont:
    """The font for text of a height in pixels. Letters stand one after another, from left to right: to join those of
    Arabic takes libraries that not every machine has."""
    return ImageFont.truetype(FILE, height, layout_engine=ImageFont.Layout.BASIC)


def drawable(text: str) -> str:
    """Text as the font can show it: a letter that it lacks, such as a Chinese one or an emoji, is named by its code
    point, as in [732B], and what is no letter is a space."""
    whole = unicodedata.normalize("NFC", text)
    return "".join((sign if _has(sign) else f"[{ord(sign):04X}]") if sign.isprintable() else " " for sign in whole)


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


@cache
def _has(sign: str) -> bool:
    drawn = font(16).getmask(sign)
    missing = font(16).getmask(PRIVATE)
    return sign == " " or (drawn.getbbox() is not None and (drawn.size, bytes(drawn)) != (missing.size, bytes(missing)))
