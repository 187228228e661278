"""Pictures of what lies along an axis of the latents, or all over a plane of two."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.exploring.interpolation import Pixels
from imagevae.images.contact_sheet import contact_sheet
from imagevae.model.coding import decode_in_batches
from imagevae.model.flow import BATCH
from imagevae.model.priors import STEPS
from imagevae.model.vae import VAE

REACH = 2.0  # how far a traversal goes to either side, in standard deviations of an axis
TIME, MEAN_TIME = 0.3, 0.2  # of the flow at which an image, or the mean, is moved: the rest of the way adapts to it
PULL = 2.0  # how much farther than asked an image is moved: the flow takes about half of it back


@dataclass(frozen=True)
class Axis:
    """A direction in the latents as the flow sees them.

    Attributes:
        name: what stands at its row.
        middle: (latent_dim,), which lies at 0.
        unit: (latent_dim,), from there to 1.
    """

    name: str
    middle: NDArray[np.float32]
    unit: NDArray[np.float32]

    def place(self, points: NDArray) -> NDArray:
        """Where points (n, latent_dim) lie on the axis, (n,)."""
        return (points - self.middle) @ self.unit / np.float32(self.unit @ self.unit)


def principal_axes(model: VAE, count: int) -> list[Axis]:
    """The first of a model's axes, in units of their standard deviation; of images that are all alike there are none.

    Their names are the share of the variance that they explain.
    """
    directions, deviations, shares = map(
        ops.convert_to_numpy, (model.axes.directions, model.axes.deviations, model.axes.shares)
    )
    middle = np.zeros(model.latent_dim, np.float32)
    rows = zip(directions, deviations, shares, strict=True)
    return [Axis(f"{share:.1%}", middle, deviation * row) for row, deviation, share in rows if share > 0][:count]


def read_axes(file: Path, model: VAE) -> list[Axis]:
    """Axes of a person's own: a CSV file with two lines for each, the z that lies at 1 and the one at -1.

    The first line of the file names the columns, the first column the lines; then there is a column for each latent.

    Raises:
        BadInput: not such a file, or one of a model with other latents.
        OSError: it can't be read.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = [row for row in csv.reader(opened) if row][1:]
        z = np.array([row[1:] for row in rows], np.float32)
        if not len(z) or len(z) % 2 or z.shape[1:] != (model.latent_dim,) or not np.isfinite(z).all():
            raise ValueError
    except (ValueError, csv.Error):
        raise BadInput(
            f"{file}: it must have a line of names and then two lines for each axis, with a name and "
            f"{model.latent_dim} numbers each, as explore.py direction writes them"
        ) from None
    points = model.axes.to_points(z)
    pairs = zip(points[::2], points[1::2], strict=True)
    axes = [Axis(str(1 + place), (one + other) / 2, (one - other) / 2) for place, (one, other) in enumerate(pairs)]
    for axis in axes:
        if not axis.unit.any():
            raise BadInput(f"{file}: the two lines of axis {axis.name} are equal, so they show no direction")
    return axes


def traversal(model: VAE, axes: Sequence[Axis], start: NDArray[np.float32] | None = None, steps: int = 9) -> Pixels:
    """Move an image, or the mean of the training images, along axes.

    The flow is entered on its way from noise to latents, and followed to its end from there. So it draws what suits the
    place on the axis: whole images, where the decoder alone would give ghosts. The mean comes with one fixed noise. A
    model without a flow decodes the places themselves.

    Args:
        start: z of the image, (latent_dim,); None for the mean.
        steps: places on each axis, from -`REACH` to `REACH`.

    Returns:
        uint8 (len(axes), steps, size, size, 3).
    """
    point: NDArray[np.float32] = np.zeros((1, model.latent_dim), np.float32)
    if start is not None:
        point = model.axes.to_points(start[None]).astype(np.float32)
    places = np.linspace(-REACH, REACH, steps, dtype=np.float32)
    moves = np.concatenate([(places - axis.place(point))[:, None] * axis.unit for axis in axes])
    z = model.axes.to_latents(_moved(model, point, moves, start is None))
    return np.stack(list(decode_in_batches(model, z))).reshape(len(axes), steps, model.size, model.size, 3)


def _moved(model: VAE, point: NDArray[np.float32], moves: NDArray[np.float32], is_mean: bool) -> NDArray[np.float32]:
    """A point (1, latent_dim) after each of some moves, (n, latent_dim), as far as the flow follows them."""
    if is_mean and model.has_flow:
        noise = np.random.default_rng(0).standard_normal(point.shape, np.float32)
        clusters = ops.convert_to_numpy(model.flow.cluster(point + moves))
        return model.flow.carry((1 - MEAN_TIME) * noise + MEAN_TIME * moves, clusters, MEAN_TIME, 1)
    return move(model, enter(model, point), moves)


class Entered(NamedTuple):
    """A point that the flow was entered from, at `TIME` on its way from noise to latents: there it can be moved.

    Attributes:
        point: (1, latent_dim), at `TIME`; without a flow the point itself.
        cluster: (1, CLUSTERS), its own.
    """

    point: NDArray[np.float32]
    cluster: NDArray[np.float32]


def enter(model: VAE, point: NDArray[np.float32], batch: int = BATCH) -> Entered:
    """Carry latents as a flow sees them, (1, latent_dim), back to `TIME`."""
    if not model.has_flow:
        return Entered(point, np.zeros((1, 0), np.float32))
    own = ops.convert_to_numpy(model.flow.cluster(point))
    return Entered(model.flow.carry(point, own, 1, TIME, guidance=0, batch=batch), own)


def move(
    model: VAE, start: Entered, moves: NDArray[np.float32], steps: int = STEPS, batch: int = BATCH
) -> NDArray[np.float32]:
    """Move a point, as far as the flow follows it: latents as a flow sees them after each of some moves.

    Args:
        moves: (n, latent_dim).
        steps, batch: see `FlowPrior.carry`.

    Returns:
        (n, latent_dim).
    """
    if not model.has_flow:
        return start.point + moves
    entered, clusters = start.point + PULL * TIME * moves, np.repeat(start.cluster, len(moves), axis=0)
    return model.flow.carry(entered, clusters, TIME, 1, guidance=0, steps=steps, batch=batch)


def plane(model: VAE, steps: int = 19) -> Pixels:
    """The plane of a model with two latents: a grid of decoded z at the normal quantiles 0.05 to 0.95.

    Kingma & Welling 2014, figure 4. The first latent grows to the right, the second one upwards.

    Returns:
        uint8 (steps * size, steps * size, 3).
    """
    quantiles = [NormalDist().inv_cdf(share) for share in np.linspace(0.05, 0.95, steps)]
    z = np.array([(right, up) for up in reversed(quantiles) for right in quantiles], np.float32)
    return contact_sheet(list(decode_in_batches(model, z)), steps, model.size)
