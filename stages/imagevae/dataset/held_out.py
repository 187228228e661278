"""Which images are held out of training: decided by each image alone, from its pixels."""

from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.dataset.squares import Images


def is_held_out(image: NDArray[np.uint8], share: float) -> bool:
    """Whether an image is held out of training.

    A digest of the image's pixels, read as a fraction of 1, is compared with `share`. So equal images fall on the same
    side, other images in the folder change nothing, and a larger share keeps every image that a smaller one holds out.

    Args:
        image: uint8 (height, width, 3).
        share: expected share of held-out images, 0 to 1.
    """
    digest = blake2b(np.ascontiguousarray(image).tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def split(images: Images, share: float, folder: Path) -> tuple[Images, Images]:
    """Training images and held-out images, see `is_held_out`.

    Raises:
        BadInput: one of the two would be empty.
    """
    mask = np.empty(len(images), bool)
    for place in np.lexsort(images.places.T[::-1]):  # shard by shard
        shard, row = images.places[place]
        mask[place] = is_held_out(images.shards[shard][row], share)
    if mask.all() or not mask.any():
        raise BadInput(
            f"{folder}: of {len(images)} images {mask.sum()} fall into the held-out set at held_out={share}; "
            "both sides need one at least: add images or change held_out"
        )
    return images.subset(~mask), images.subset(mask)
