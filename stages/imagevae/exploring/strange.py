"""How odd an image is to a model: which share of the images that its training held out is odder."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from imagevae.dataset.held_out import is_held_out
from imagevae.model.coding import BATCH, decode_in_batches, encode
from imagevae.model.padding import batches_of
from imagevae.model.vae import VAE

Pixels = NDArray[np.uint8]

PARTS = ("surprise", "residue", "error")
TIME, DRAWS = 0.7, 4  # where on the flow's way from noise (0) to latents (1) it is asked, and with how many noises
CELLS, AREA = 3, 5  # sides of the squares whose mean counts where it is largest: of the latents' cells, of pixels
FAINT = 4.0  # levels: what is added to the contrast that differences are set against
RARE = 0.9  # quantile of held-out images that makes the unit of a part
LEAST = 0.02  # of a unit, in natural logarithms, where held-out images are all alike
WEIGHTS = (0.8, 0.1, 0.1)  # of the parts in the score
BLOCK = 256  # images that are measured together


class Measured(NamedTuple):
    """What is measured of some images, a row for each.

    Attributes:
        parts: (n, 3), logarithms of `PARTS`.
        codes: (n, count), see `Axes`.
        held_out: (n,), whether the training held it out.
    """

    parts: NDArray[np.float64]
    codes: NDArray[np.float32]
    held_out: NDArray[np.bool_]


class Oddity(NamedTuple):
    """How odd some images are, a row for each.

    Attributes:
        score: (n,), see `Reference.score`.
        parts: (n, 3), of which the median of held-out images is 0 and their 90% quantile is 1.
        share: (n,), of held-out images that score higher, 0 to 1.
        nearest: (n,), which of the reference's images is the training image with the nearest code; -1 for none.
        distance: (n,), to its code; infinite for none.
    """

    score: NDArray[np.float64]
    parts: NDArray[np.float64]
    share: NDArray[np.float64]
    nearest: NDArray[np.int64]
    distance: NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """What is usual for a model, from the images of its training.

    Prepared once, in a few ms for each of these, it scores an image in a fraction of a second:

        reference = Reference.of(measure(model, training_squares))
        odd = reference.score(measure(model, [square]))
        print(f"{odd.share[0]:.1%} of unseen images are odder; the nearest training image is {odd.nearest[0]}")

    Attributes:
        middle, unit: (3,), median of the parts of held-out images, and from there to their 90% quantile.
        scores: of held-out images, sorted, (m,).
        has_held_out: whether there are any; if not, all images of the reference take their place.
        codes: of training images, (n, count).
        places: which of the reference's images these are, (n,).
    """

    middle: NDArray[np.float64]
    unit: NDArray[np.float64]
    scores: NDArray[np.float64]
    has_held_out: bool
    codes: NDArray[np.float32]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, found: Measured) -> "Reference":
        """From all images of a training, held-out ones included; see `measure`."""
        has_held_out = bool(found.held_out.any())
        usual = found.parts[found.held_out] if has_held_out else found.parts
        middle = np.median(usual, axis=0)
        unit = np.maximum(np.quantile(usual, RARE, axis=0) - middle, LEAST)
        [places] = np.nonzero(~found.held_out)
        return cls(middle, unit, np.sort(_score((usual - middle) / unit)), has_held_out, found.codes[places], places)

    def score(self, found: Measured, own: bool = False) -> Oddity:
        """How odd images are.

        The score is log10 of the weighted sum of 10 to the power of each part. If parts fell off exponentially above
        the median of held-out images, this would be the weighted harmonic mean of the shares of images with a higher
        part (Wilson 2019, https://doi.org/10.1073/pnas.1814092116), on the scale of -log10: an image is odd where a
        part of it is.

        Args:
            own: whether these are the images of the reference, in its order; then none is its own neighbour.
        """
        parts = (found.parts - self.middle) / self.unit
        score = _score(parts)
        share = 1 - np.searchsorted(self.scores, score, side="right") / len(self.scores)
        nearest, distance = self._nearest(found.codes, own)
        return Oddity(score, parts, share, nearest, distance)

    def _nearest(self, codes: NDArray[np.float32], own: bool) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        count = min(1 + own, len(self.codes))
        if not count:
            return np.full(len(codes), -1), np.full(len(codes), np.inf)
        searched = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(self.codes)
        distances, found = searched.kneighbors(codes)
        places, distances = self.places[found], distances.astype(np.float64)
        others = places != np.arange(len(codes))[:, None] if own else np.ones(places.shape, bool)
        first, rows = others.argmax(axis=1), np.arange(len(codes))
        there = others[rows, first]
        return np.where(there, places[rows, first], -1), np.where(there, distances[rows, first], np.inf)


def _score(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.logaddexp.reduce(np.log(10) * parts + np.log(WEIGHTS), axis=1) / np.log(10)


def measure(model: VAE, squares: Iterable[Pixels]) -> Measured:
    """Measure images, uint8 (size, size, 3) each, one after another; memory grows by their codes alone."""
    rows = list(_measured(model, iter(squares)))
    return Measured(*(np.concatenate(part) for part in zip(*rows, strict=True)))


def _measured(model: VAE, squares: Iterator[Pixels]) -> Iterator[Measured]:
    while block := list(islice(squares, BLOCK)):
        z = encode(model, block).z_mean
        rebuilt = np.stack(list(decode_in_batches(model, z)))
        parts = np.stack([surprise(model, z), *residues(np.stack(block), rebuilt)], axis=1).astype(np.float64)
        held_out = np.array([is_held_out(square, model.held_out) for square in block])
        codes = np.concatenate([model.axes.encode(batch)[:count] for batch, count in batches_of(z, BATCH)])
        yield Measured(np.log(np.maximum(parts, 1e-12)), codes, held_out)


def surprise(model: VAE, z: NDArray[np.float32]) -> NDArray[np.float32]:
    """How little latents z (n, latent_dim) are expected, (n,): how badly the flow removes noise from them, in the
    square of cells where it does worst. Without a flow, how far they lie from their mean."""
    return _largest(surprise_map(model, z), CELLS)


def surprise_map(model: VAE, z: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same in each cell of the grid of latents, (n, side, side); (n, 1, 1) where they lie on none."""
    errors = model.flow.surprise(z, TIME, DRAWS) if model.has_flow else np.square(model.axes.to_points(z))
    side = model.flow.settings["side"] or 1
    return errors.reshape(len(z), side, side, -1).mean(axis=3)


def residues(squares: Pixels, rebuilt: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What reconstructions leave out where they leave out most, (n,) each: the residue, in which differences are set
    against the contrast around them, and the error, in levels, in which they are not. The one finds small defects, the
    other what a coarse model makes nothing of, such as noise.

    Args:
        squares, rebuilt: (n, size, size, 3).
    """
    against_contrast = np.stack([difference_map(*pair) for pair in zip(squares, rebuilt, strict=True)])
    absolute = np.abs(squares.astype(np.float32) - rebuilt).mean(axis=3)
    return _largest(against_contrast, AREA), _largest(absolute, AREA)


def difference_map(square: Pixels, rebuilt: Pixels) -> NDArray[np.float32]:
    """Where an image and its reconstruction differ, beside the contrast around: (size, size), 1 for as much as that."""
    exact = square.astype(np.float32)
    variance = cv2.blur(np.square(exact), (AREA, AREA)) - np.square(cv2.blur(exact, (AREA, AREA)))
    contrast = np.sqrt(np.maximum(variance, 0).mean(axis=2))
    return np.abs(exact - rebuilt).mean(axis=2) / (FAINT + contrast)


def _largest(maps: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The largest mean over a square of each map, (n,)."""
    return np.array([smooth(each, side).max() for each in maps], np.float32)


def smooth(each: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The mean over a square around each place of a map, (height, width)."""
    return cv2.blur(each, (side, side), borderType=cv2.BORDER_REPLICATE)
