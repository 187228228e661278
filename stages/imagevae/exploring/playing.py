"""Playing with a model, one request after another: what the page of `explore.py app` asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imagevae.exploring.findings import panels
from imagevae.exploring.inputs import Folder, Form, decode_apart
from imagevae.exploring.interpolation import Pixels, interpolation
from imagevae.exploring.strange import Reference, measure
from imagevae.exploring.traversal import Entered, enter, move, principal_axes
from imagevae.images.listing import read_file
from imagevae.model.coding import decode_in_batches, encode
from imagevae.model.priors import Prior
from imagevae.model.sampling import draw_latents
from imagevae.model.vae import VAE

AXES = 8  # that images are moved along
STEPS = 12  # of a move; what they miss of the image itself is added again
FRAMES = 24  # from one image to another
NEIGHBOURS = 8


class Drawn(NamedTuple):
    """Samples: pictures, uint8 (n, size, size, 3), and the z that they are decoded from, (n, latent_dim)."""

    pictures: Pixels
    z: NDArray[np.float32]


class Start(NamedTuple):
    """An image that is moved along axes, with all that its moves have in common.

    Attributes:
        entered: where the flow is entered.
        rest: (1, latent_dim), what the steps miss: with it, a move of nothing gives the image itself.
        places: where the image lies on the axes, in their standard deviations, (axes,).
    """

    entered: Entered
    rest: NDArray[np.float32]
    places: NDArray[np.float32]


class Neighbour(NamedTuple):
    """An image of the folder: its number there, and the distance of its code."""

    number: int
    distance: float


@dataclass(frozen=True)
class Look:
    """What a model makes of an image.

    Attributes:
        panels: the image, its reconstruction, where they differ, and where the flow is surprised, see `panels`.
        score: how odd it is, see `Reference.score`.
        share: of the images that the training held out which score higher, 0 to 1.
        neighbours: the images of the folder whose codes are nearest, the nearest one first.
    """

    panels: list[Pixels]
    score: float
    share: float
    neighbours: list[Neighbour]


class Playground:
    """A model and, if there is one, a folder of images. Several threads may ask; they are answered one by one.

    Args:
        form: that images are brought into.
        folder: its images are measured at once, see `strange`; of each, its name and code are kept.

    Attributes:
        reference: what is usual for the images of the folder; None without one.

    Raises:
        BadInput: an image of the folder is damaged.
    """

    def __init__(self, model: VAE, form: Form, folder: Folder | None = None):
        self.model, self.form, self.folder = model, form, folder
        self.axes = principal_axes(model, AXES)
        self._one_by_one = RLock()
        self.reference: Reference | None = None
        if folder:
            found = measure(model, folder)
            self._codes, self.reference = found.codes, Reference.of(found)
        self.move(self.start(self.draw(0, 1, 1.0, 1.0).z[0]), np.zeros(len(self.axes)))  # which compiles what they need

    @property
    def classes(self) -> Sequence[str]:
        """Those that samples can be drawn of."""
        return self._prior.classes

    @property
    def _prior(self) -> Prior:
        return self.model.priors[self.model.settings["sampler"]]

    def draw(self, seed: int, count: int, temperature: float, guidance: float, label: str | None = None) -> Drawn:
        """The first samples that `sample.py` draws with the same settings, to the byte."""
        with self._one_by_one:
            z = np.stack(list(draw_latents(self._prior, count, seed, temperature, guidance, label=label)))
            return Drawn(np.stack(list(decode_in_batches(self.model, z))), z)

    def read(self, file: Path) -> Pixels:
        """An image file as a square; errors are without its name, see `decode_apart`."""
        return decode_apart(read_file(file), self.form)

    def image(self, number: int) -> Pixels:
        """An image of the folder.

        Raises:
            BadInput, OSError: it can't be read any more.
        """
        assert self.folder is not None
        return self.folder[number]

    def name(self, number: int) -> str:
        """The name of an image of the folder; bytes of it that are no text are replaced."""
        assert self.folder is not None
        return self.folder.names[number].encode(errors="surrogateescape").decode(errors="replace")

    def encode(self, square: Pixels) -> NDArray[np.float32]:
        """The latents of an image, z_mean, (latent_dim,)."""
        with self._one_by_one:
            return encode(self.model, [square]).z_mean[0]

    def start(self, z: NDArray[np.float32]) -> Start:
        """What z (latent_dim,) is moved from."""
        with self._one_by_one:
            point = self.model.axes.to_points(z[None]).astype(np.float32)
            entered = enter(self.model, point, batch=1)
            missed = point - move(self.model, entered, np.zeros_like(point), STEPS, batch=1)
            places = np.array([axis.place(point)[0] for axis in self.axes], np.float32)
            return Start(entered, missed, places)

    def move(self, start: Start, by: Sequence[float] | NDArray) -> Pixels:
        """An image moved along each axis by so many of its standard deviations, uint8 (size, size, 3)."""
        with self._one_by_one:
            units = np.array([axis.unit for axis in self.axes], np.float32).reshape(-1, self.model.latent_dim)
            moves = np.asarray(by, np.float32)[None] @ units
            points = move(self.model, start.entered, moves, STEPS, batch=1) + start.rest
            [picture] = decode_in_batches(self.model, self.model.axes.to_latents(points), size=1)
            return picture

    def way(self, first: Pixels, second: Pixels) -> Pixels:
        """From the reconstruction of one image to that of another, uint8 (FRAMES + 1, size, size, 3)."""
        with self._one_by_one:
            return interpolation(self.model, [first, second], [(0, 1)], FRAMES, batch=FRAMES + 1)[0]

    def look(self, square: Pixels) -> Look:
        """What the model makes of an image, and what the folder has that is like it; there must be a folder."""
        assert self.reference
        with self._one_by_one:
            found = measure(self.model, [square])
            odd = self.reference.score(found)
            distances = np.linalg.norm(self._codes - found.codes, axis=1)
            nearest = np.argsort(distances, kind="stable")[:NEIGHBOURS]
            neighbours = [Neighbour(int(number), float(distances[number])) for number in nearest]
            [shown] = panels(self.model, self.reference, square[None])
            return Look(shown, float(odd.score[0]), float(odd.share[0]), neighbours)
