"""The way from one image to another through the latent space."""

import numpy as np
from numpy.typing import NDArray

from imagevae.images.contact_sheet import GREY
from imagevae.model.coding import decode_in_batches, encode_in_batches
from imagevae.model.vae import VAE


def interpolation(model: VAE, first: NDArray[np.uint8], last: NDArray[np.uint8], steps: int) -> list[NDArray[np.uint8]]:
    """Decode the points on the way from one image's z_mean to the other's.

    Args:
        first, last: uint8 (size, size, 3).
        steps: number of points, the two ends among them; two at least.

    Returns:
        uint8 (size, size, 3) each, from the reconstruction of `first` to that of `last`.
    """
    (start, _), (end, _) = encode_in_batches(model, [first, last])
    return list(decode_in_batches(model, spherical(start, end, np.linspace(0, 1, steps))))


def strip(first: NDArray[np.uint8], last: NDArray[np.uint8], way: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Two images, uint8 (size, size, 3), and the way between them, all in a row: the images at the ends, set apart."""
    size = len(first)
    gap = np.full((size, max(1, size // 8), 3), GREY[0], np.uint8)
    return np.concatenate([first, gap, *way, gap, last], axis=1)


def interpolations(model: VAE, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A strip for each two of some images, uint8 (n, size, size, 3), one below the other; a last odd one is left out.

    Of a single image, the strip goes from it to itself.
    """
    pairs = list(zip(images[::2], images[1::2], strict=False)) or [(images[0], images[0])]
    strips = [strip(first, last, interpolation(model, first, last, steps=9)) for first, last in pairs]
    return np.concatenate(strips)


def spherical(
    start: NDArray[np.float32], end: NDArray[np.float32], shares: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Points between two latents along a great circle (slerp; White 2016, section 2.1).

    The way keeps off the centre, where a normal prior of many latents has next to no mass. Two latents that point the
    same way, or opposite ways, or of which one is the centre, have no great circle of their own: the way is straight.

    Args:
        start, end: (latent_dim,).
        shares: (n,), 0 for `start` to 1 for `end`.

    Returns:
        (n, latent_dim).
    """
    a, b = start.astype(np.float64), end.astype(np.float64)
    share = np.asarray(shares, np.float64)[:, None]
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / lengths, -1, 1)) if lengths else 0.0
    if np.sin(angle) < 1e-6:
        return ((1 - share) * a + share * b).astype(np.float32)
    return ((np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)).astype(np.float32)
