"""What is compared: real images and samples, and what several sections need of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.dataset.copies import nearest, thumbnails
from imagevae.dataset.held_out import split
from imagevae.dataset.squares import Images, read_squares
from imagevae.model.coding import Posterior, decode_in_batches, encode
from imagevae.model.vae import VAE

Pictures = NDArray[np.uint8]

CODED = 4000  # training images, and held-out images, that the code is judged by, at most


class Pool(NamedTuple):
    """Images of each kind, with their names: all that there are, or some."""

    training: Images
    held_out: Images
    samples: Images


def read_pool(model: VAE, model_file: Path, images: Path, samples: Path) -> Pool:
    """The images that a model was trained on, those that it held out, and its samples, of two folders.

    Raises:
        BadInput: they are not of the model's size, or too few.
    """
    known, sampled = read_squares(images), read_squares(samples)
    for folder, found in ((images, known), (samples, sampled)):
        if found.size != model.size:
            raise BadInput(
                f"{folder}: {found.size}x{found.size} pixels, but {model_file} is a model of {model.size}x{model.size}"
            )
    training, held_out = split(known, model.held_out, images)
    if min(len(held_out), len(sampled)) < 2:
        raise BadInput(
            f"{images}, {samples}: {len(held_out)} held-out images and {len(sampled)} samples; two of each are needed, "
            "so add images or samples"
        )
    return Pool(training, held_out, sampled)


class Sets(NamedTuple):
    """What is compared with each other.

    Attributes:
        training: all training images.
        trained_on, held_out, samples: some training images, held-out images and samples, in an order of the seed's, so
            that the first ones are a fair choice.
    """

    training: Images
    trained_on: Pictures
    held_out: Pictures
    samples: Pictures


class Neighbours(NamedTuple):
    """The nearest training images of some images: distances, and which of the training images, (n,) each."""

    distance: NDArray[np.float64]
    which: NDArray[np.int64]


class Posteriors(NamedTuple):
    """Posteriors of the first `CODED` training images, and of held-out images."""

    training: Posterior
    held_out: Posterior


class Derived(NamedTuple):
    """What several sections need of the sets.

    Attributes:
        encoded: images as the `model` encodes them, and as its encoder did before training: `random_encoder`.
        rebuilt: reconstructions of the held-out images from z_mean, to the nearest levels.
        near: nearest training images of `samples`, `held_out` and `reconstructions`.
    """

    encoded: dict[str, Posteriors]
    rebuilt: Pictures
    near: dict[str, Neighbours]


def derive(model: VAE, sets: Sets) -> Derived:
    """Encode images, reconstruct the held-out ones, and find the nearest training images."""
    encoders = {"model": model, "random_encoder": type(model).from_config(model.get_config())}
    images = (sets.trained_on[:CODED], sets.held_out)
    encoded = {name: Posteriors(*(encode(encoder, some) for some in images)) for name, encoder in encoders.items()}
    rebuilt = np.stack(list(decode_in_batches(model, encoded["model"].held_out.z_mean)))
    queries = {"samples": sets.samples, "held_out": sets.held_out, "reconstructions": rebuilt}
    return Derived(encoded, rebuilt, nearest_training_images(sets.training, queries))


def nearest_training_images(training: Images, queries: Mapping[str, Pictures]) -> dict[str, Neighbours]:
    """For several sets of images at once, so that training images are read once."""
    distance, which = nearest(np.concatenate([thumbnails(images) for images in queries.values()]), training)
    ends = np.cumsum([len(images) for images in queries.values()])
    parts = {name: slice(end - len(images), end) for end, (name, images) in zip(ends, queries.items(), strict=True)}
    return {name: Neighbours(distance[part], which[part]) for name, part in parts.items()}
