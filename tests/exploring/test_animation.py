"""Moving pictures lose nothing."""

import io

import numpy as np
import pytest
from PIL import Image

from imagevae.exploring.animation import encode_animation


@pytest.mark.parametrize(
    ("legs", "closed", "expected"),
    [
        (1, False, [0, 1, 2, 3, 2, 1]),
        (2, False, [0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]),
        (2, True, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_an_animation_keeps_every_colour_and_rests_at_images(legs: int, closed: bool, expected: list[int]):
    """It goes there and back, or round in a circle."""
    frames = np.random.default_rng(0).integers(0, 256, (3 * legs + 1, 8, 9, 3), np.uint8)
    if closed:
        frames[-1] = frames[0]
    ways = np.stack([frames[3 * leg : 3 * leg + 4] for leg in range(legs)])
    content = encode_animation(ways, closed)
    assert content == encode_animation(ways, closed)
    with Image.open(io.BytesIO(content)) as animation:
        assert (animation.n_frames, animation.info["loop"]) == (len(expected), 0)
        for place, frame in enumerate(expected):
            animation.seek(place)
            assert np.array_equal(np.asarray(animation.convert("RGB")), frames[frame])
            assert animation.info["duration"] == (500 if frame % 3 == 0 else 60)
