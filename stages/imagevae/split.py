"""Which images are held out of training: decided by each image alone, from its pixels."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def held_out_mask(images: NDArray[np.uint8], share: float) -> NDArray[np.bool_]:
    """Tell held-out images from training images.

    A digest of an image's pixels, read as a fraction of 1, is compared with `share`. So equal images fall on the same
    side, other images in the folder change nothing, and a larger share keeps every image that a smaller one holds out.

    Args:
        images: uint8 (n, height, width, 3).
        share: expected share of held-out images, 0 to 1.

    Returns:
        bool (n,), true where an image is held out.
    """
    digests = (blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.array([int.from_bytes(digest, "big") < share * 2**64 for digest in digests], bool)
