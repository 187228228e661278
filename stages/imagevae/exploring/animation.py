"""Moving pictures."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PAUSE = 500  # milliseconds at each end of a way


def encode_animation(ways: NDArray[np.uint8], closed: bool = False, milliseconds: int = 60) -> bytes:
    """Encode ways from one image to the next as an animated PNG without end, which stays at each of these images.

    Of the formats that all browsers show this is the one that keeps every colour and, unlike GIF, has no palette.

    Args:
        ways: uint8 (legs, frames, height, width, 3); each begins with the last frame of the one before.
        closed: whether the last one ends where the first begins; if not, the animation goes there and back.
        milliseconds: that each of the other frames is shown.
    """
    legs, steps = len(ways), len(ways[0]) - 1
    frames = [*ways[:, :-1].reshape(-1, *ways.shape[2:])]
    durations = ([PAUSE] + [milliseconds] * (steps - 1)) * legs
    if not closed:
        frames, durations = [*frames, ways[-1, -1], *frames[:0:-1]], [*durations, PAUSE, *durations[:0:-1]]
    first, *rest = map(Image.fromarray, frames)
    result = io.BytesIO()
    first.save(result, "PNG", save_all=True, append_images=rest, duration=durations, loop=0)
    return result.getvalue()
