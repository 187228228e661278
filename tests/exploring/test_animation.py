"""Moving pictures lose nothing."""

import io

import numpy as np
from PIL import Image

from imagevae.exploring.animation import encode_animation


def test_an_animation_goes_there_and_back_and_keeps_every_colour():
    frames = np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3), np.uint8)
    content = encode_animation(list(frames))
    assert content == encode_animation(list(frames))
    with Image.open(io.BytesIO(content)) as animation:
        assert (animation.n_frames, animation.info["loop"]) == (8, 0)
        for place, frame in enumerate([0, 1, 2, 3, 4, 3, 2, 1]):
            animation.seek(place)
            assert np.array_equal(np.asarray(animation.convert("RGB")), frames[frame])
            assert animation.info["duration"] == (500 if frame in (0, 4) else 60)
