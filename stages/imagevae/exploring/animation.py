"""Moving pictures."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encode_animation(frames: Sequence[NDArray[np.uint8]], milliseconds: int = 60) -> bytes:
    """Encode frames, uint8 (height, width, 3) each, as an animated PNG that goes there and back without end.

    Of the formats that all browsers show this is the one that keeps every colour and, unlike GIF, has no palette. The
    two ends stay for half a second.
    """
    there_and_back = [*frames, *frames[-2:0:-1]]
    durations = [milliseconds] * len(there_and_back)
    durations[0] = durations[len(frames) - 1] = 500
    first, *rest = (Image.fromarray(frame) for frame in there_and_back)
    result = io.BytesIO()
    first.save(result, "PNG", save_all=True, append_images=rest, duration=durations, loop=0)
    return result.getvalue()
