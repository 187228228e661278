"""Which images are held out of training: decided by each image alone, from its pixels."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def is_held_out(image: NDArray[np.uint8], share: float) -> bool:
    """Tell a held-out image from a training image.

    A digest of the image's pixels, read as a fraction of 1, is compared with `share`. So equal images fall on the same
    side, other images in the folder change nothing, and a larger share keeps every image that a smaller one holds out.

    Args:
        image: uint8 (height, width, 3).
        share: expected share of held-out images, 0 to 1.
    """
    digest = blake2b(np.ascontiguousarray(image).tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64
