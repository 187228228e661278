"""The way between images through the latent space, and what lies around one of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray

from imagevae.images.contact_sheet import GREY
from imagevae.model.coding import decode_in_batches, encode
from imagevae.model.flow import BATCH
from imagevae.model.vae import VAE

Pixels = NDArray[np.uint8]
STEPS = 8  # from one image to the next, in a picture


class Origins(NamedTuple):
    """Where latents come from: the noise that a flow makes them of. Without a flow, the latents themselves.

    Between two noises all noise is as likely, so what the flow makes of it is an image of its own; between two latents
    lie ghosts of both.

    Attributes:
        noise: (n, latent_dim).
        clusters: (n, places), weights of the clusters that the flow distinguishes.
        rest: (n, latent_dim), what the flow's steps miss on their way back to the latents.
    """

    noise: NDArray[np.float32]
    clusters: NDArray[np.float32]
    rest: NDArray[np.float32]

    def some(self, rows: NDArray[np.int64]) -> "Origins":
        """Those of some rows, (m,), which may repeat."""
        return Origins(*(part[rows] for part in self))


def origins(model: VAE, z: NDArray[np.float32], batch: int = BATCH) -> Origins:
    """The origins of z (n, latent_dim): the flow's differential equation, solved backwards, without guidance (Song et
    al. 2021, section 4.3). Batches are those of `FlowPrior.carry`, here and below."""
    if not model.has_flow:
        return Origins(z, np.zeros((len(z), 0), np.float32), np.zeros_like(z))
    flow = model.flow
    points = flow.to_points(z)
    clusters = ops.convert_to_numpy(flow.cluster(points))
    noise = flow.carry(points, clusters, 1, 0, guidance=0, batch=batch)
    return Origins(noise, clusters, points - flow.carry(noise, clusters, 0, 1, guidance=0, batch=batch))


def latents(
    model: VAE, found: Origins, guidance: float | NDArray[np.float32] = 0.0, batch: int = BATCH
) -> NDArray[np.float32]:
    """z (n, latent_dim) from their origins; without guidance those of `origins`."""
    if not model.has_flow:
        return found.noise
    points = model.flow.carry(found.noise, found.clusters, 0, 1, guidance, batch=batch)
    return model.flow.to_latents(points + found.rest)


def between(start: Origins, end: Origins, share: NDArray[np.floating]) -> Origins:
    """Origins between others, row by row: spherical in the noise, straight in the rest.

    Args:
        share: (n,), 0 for `start` to 1 for `end`.
    """
    part = share.astype(np.float32)[:, None]
    straight = ((1 - part) * a + part * b for a, b in zip(start[1:], end[1:], strict=True))
    return Origins(spherical(start.noise, end.noise, share), *straight)


def midpoints(model: VAE, start: NDArray[np.float32], end: NDArray[np.float32]) -> NDArray[np.float32]:
    """Latents in the middle between others, row by row, (n, latent_dim) each."""
    return latents(model, between(origins(model, start), origins(model, end), np.full(len(start), 0.5)))


def interpolation(
    model: VAE, images: Sequence[Pixels] | Pixels, pairs: Sequence[tuple[int, int]], steps: int, batch: int = BATCH
) -> Pixels:
    """Decode the way from one image to another, for some pairs.

    Args:
        images: uint8 (size, size, 3) each.
        pairs: numbers of the images at the two ends.
        steps: from one image to the other.

    Returns:
        uint8 (pairs, steps + 1, size, size, 3), from the reconstruction of one image to that of the other.
    """
    found = origins(model, encode(model, images).z_mean, batch)
    start, end = np.repeat(pairs, steps + 1, axis=0).T
    shares = np.tile(np.linspace(0, 1, steps + 1), len(pairs))
    way = between(found.some(start), found.some(end), shares)
    decoded = decode_in_batches(model, latents(model, way, batch=batch))
    return np.stack(list(decoded)).reshape(len(pairs), steps + 1, *images[0].shape)


def variations(model: VAE, image: Pixels, kept: Sequence[float], count: int, seed: int) -> Pixels:
    """Images around one, uint8 (size, size, 3): its noise, moved towards other noise.

    Args:
        kept: how near to stay: share of the way from the other noise to its own, 1 for the image's reconstruction.
        count: of variations for each of these.
        seed: of the other noise, which is the same for each.

    Returns:
        uint8 (len(kept), count, size, size, 3).
    """
    found = origins(model, encode(model, [image]).z_mean).some(np.zeros(len(kept) * count, np.int64))
    noise = np.random.default_rng(seed).standard_normal((count, model.latent_dim), np.float32)
    other = found._replace(noise=np.tile(noise, (len(kept), 1)), rest=np.zeros_like(found.rest))
    shares = np.repeat(np.asarray(kept, np.float32), count)
    z = latents(model, between(other, found, shares), guidance=1 - shares)
    return np.stack(list(decode_in_batches(model, z))).reshape(len(kept), count, *image.shape)


def variations_sheet(image: Pixels, rows: Pixels) -> Pixels:
    """Rows of variations, as `variations` gives them, with the image that they vary at the left of each, set apart."""
    gap = _gap(len(image))
    return np.concatenate([np.concatenate([image, gap, *row], axis=1) for row in rows])


def _gap(size: int) -> Pixels:
    return np.full((size, max(1, size // 8), 3), GREY[0], np.uint8)


def strips(images: Sequence[Pixels] | Pixels, pairs: Sequence[tuple[int, int]], ways: Pixels) -> Pixels:
    """A row for each pair: the two images, set apart, and the way between them, as `interpolation` gives it."""
    gap = _gap(len(images[0]))
    return np.concatenate(
        [
            np.concatenate([images[first], gap, *way, gap, images[last]], axis=1)
            for (first, last), way in zip(pairs, ways, strict=True)
        ]
    )


def interpolations(model: VAE, images: Pixels) -> Pixels:
    """A strip for each two of some images, uint8 (n, size, size, 3), one below the other; a last odd one is left out.

    Of a single image, the strip goes from it to itself.
    """
    pairs = [(first, first + 1) for first in range(0, len(images) - 1, 2)] or [(0, 0)]
    return strips(images, pairs, interpolation(model, images, pairs, STEPS))


def spherical(start: NDArray[np.float32], end: NDArray[np.float32], share: NDArray[np.floating]) -> NDArray[np.float32]:
    """Points between others along great circles, row by row (slerp; White 2016, section 2.1).

    The way keeps off the centre, where a normal distribution of many dimensions has next to no mass. Two points that
    lie in the same direction, or in opposite ones, or of which one is the centre, have no great circle of their own:
    the way is straight.

    Args:
        start, end: (n, d).
        share: (n,), 0 for `start` to 1 for `end`.

    Returns:
        (n, d).
    """
    a, b, t = start.astype(np.float64), end.astype(np.float64), np.asarray(share, np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    angle = np.arccos(np.clip((a * b).sum(axis=1) / np.maximum(lengths, 1e-30), -1, 1))
    sine = np.sin(angle)
    curved = (lengths > 0) & (sine > 1e-6)
    safe = np.where(curved, sine, 1)
    of_a = np.where(curved, np.sin((1 - t) * angle) / safe, 1 - t)
    of_b = np.where(curved, np.sin(t * angle) / safe, t)
    return (of_a[:, None] * a + of_b[:, None] * b).astype(np.float32)
