"""Colours of other spaces as sRGB, by the ICC profile that an image brings."""

import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**20  # pixels that are converted at once
NO_OPTIMISATION = 0x100  # of lcms2.h; by default 16 bits go through a table of few colours, 12 levels off in the dark
SAME = 1  # levels of 255 by which a profile may differ from sRGB and be taken for it
SPACES = {1: "gray", 3: "rgb", 4: "cmyk"}  # by the number of channels, as imagecodecs calls them
_SIGNATURES = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}  # of an ICC profile (ICC.1, table 19)
_lock = threading.Lock()


@dataclass(frozen=True)
class Colours:
    """What becomes of the colours of an image that has a profile.

    Attributes:
        convert: whether they are converted to sRGB; else profiles are ignored.
        notes: where it is added that a profile can't be used.
    """

    convert: bool = True
    notes: list[str] = field(default_factory=list)

    def converted(self, pixels: NDArray, profile: bytes, inks: bool = False) -> NDArray | None:
        """The pixels in sRGB, see `to_srgb`; None where there is no profile, or it is ignored or can't be used."""
        if not (profile and self.convert):
            return None
        try:
            return to_srgb(pixels, profile, inks)
        except BadProfile as error:
            self.notes.append(str(error))
            return None


class BadProfile(Exception):
    """A colour profile that is damaged, or of another kind of colours than the image's."""


@lru_cache(maxsize=1)
def _library() -> Any:
    with _lock:  # its functions are loaded one by one when they are asked for
        import imagecodecs

        return imagecodecs


@lru_cache(maxsize=1)
def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _transform(pixels: NDArray, profile: bytes) -> NDArray:
    space = SPACES[pixels.shape[2]]
    flat = np.ascontiguousarray(pixels[:, :, 0] if space == "gray" else pixels)
    exactly = {"flags": NO_OPTIMISATION} if pixels.dtype == np.uint16 else {}
    try:
        return _library().cms_transform(flat, profile, _srgb(), colorspace=space, outcolorspace="rgb", **exactly)
    except (_library().CmsError, ValueError) as error:
        raise BadProfile(f"its colour profile can't be used ({error})") from error


@lru_cache(maxsize=64)
def is_srgb(profile: bytes) -> bool:
    """Whether a profile of RGB images is that of sRGB, as most are: it leaves a choice of colours as they are.

    Raises:
        BadProfile: it is damaged, or no profile of RGB images.
    """
    if profile[16:20] != b"RGB ":
        raise BadProfile("its colour profile is not of RGB colours")
    steps = np.array([0, 16, 48, 96, 128, 160, 208, 255], np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    return bool(np.abs(_transform(colours, profile).astype(int) - colours).max() <= SAME)


def to_srgb(pixels: NDArray, profile: bytes, inks: bool = False) -> NDArray:
    """Convert colours to sRGB, with the profile's intent "perceptual", as Pillow's ImageCms does by default.

    Args:
        pixels: uint8 or uint16 (height, width, channels): grey or RGB, with alpha behind, which stays, or without.
        profile: ICC profile of these colours.
        inks: whether the pixels are CMYK, full ink being the largest number.

    Returns:
        the same type, RGB or RGBA; the pixels themselves where the profile is that of sRGB.

    Raises:
        BadProfile: the profile is damaged, or of other colours.
    """
    space = profile[16:20]
    colours = next((count for count, signature in _SIGNATURES.items() if signature == space), 0)
    if colours == 1 and pixels.shape[2] >= 3 and (pixels[:, :, :1] == pixels[:, :, 1:3]).all():
        pixels = pixels[:, :, [0, *range(3, pixels.shape[2])]]  # grey that was decoded as RGB
    if not colours or inks != (colours == 4) or pixels.shape[2] not in (colours, colours + (not inks)):
        raise BadProfile(f"its colour profile is of {space.decode('ascii', 'replace').strip() or 'unknown'} colours")
    if colours == 3 and is_srgb(profile):
        return pixels
    alpha = pixels[:, :, colours:]
    converted = np.empty((*pixels.shape[:2], 3 + alpha.shape[2]), pixels.dtype)
    rows = max(1, BLOCK // pixels.shape[1])
    for start in range(0, len(pixels), rows):
        part = slice(start, start + rows)
        converted[part, :, :3] = _transform(pixels[part, :, :colours], profile)
        converted[part, :, 3:] = alpha[part]
    return converted
