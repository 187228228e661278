"""Batches for training, in an order that only the seed and the epoch decide."""

import keras
import numpy as np
from numpy.typing import NDArray

from imagevae.dataset import Images
from imagevae.distribution import own_part

# Threads that read ahead, in order. With a single one Keras hands the reading to tf.data, whose tuner makes each epoch
# wait for seconds when it ends.
WORKERS = 2


class Batches(keras.utils.PyDataset):
    """Images in batches, each image once an epoch.

    Args:
        images: of a data set, or an array (n, ...) of what belongs to each.
        batch_size: images in a batch; the last batch of an epoch may have fewer.
        seed: seed of the orders, or None to keep the images as they come.
    """

    def __init__(self, images: Images | NDArray, batch_size: int, seed: int | None = None):
        super().__init__(workers=WORKERS)
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.distribution = keras.distribution.distribution()  # kept, since the threads that read don't know of it
        self.start(0)

    def start(self, epoch: int) -> None:
        """Go to the order of an epoch, from 0 on."""
        self.epoch = epoch
        count = len(self.images)
        self.order = (
            np.arange(count) if self.seed is None else np.random.default_rng([self.seed, epoch]).permutation(count)
        )

    def on_epoch_end(self) -> None:
        self.start(self.epoch + 1)

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray, ...]:
        """A batch; where several devices share it, this process's part and which of its images count (1 or 0)."""
        start = index * self.batch_size
        rows, *counted = own_part(self.order[start : start + self.batch_size], self.distribution)
        return (self.images[rows], *counted)


class Draws(keras.utils.PyDataset):
    """Rows of an array in batches of one size, drawn at random, a fixed number of batches an epoch.

    Args:
        rows: array (n, ...).
    """

    def __init__(self, rows: NDArray, batch_size: int, batches: int, seed: int):
        super().__init__(workers=WORKERS)
        self.rows, self.batch_size, self.batches, self.seed = rows, batch_size, batches, seed
        self.start(0)

    def start(self, epoch: int) -> None:
        """Go to the draws of an epoch, from 0 on."""
        self.epoch = epoch

    def on_epoch_end(self) -> None:
        self.start(self.epoch + 1)

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> tuple[NDArray]:
        chosen = np.random.default_rng([self.seed, self.epoch, index]).integers(0, len(self.rows), self.batch_size)
        return (self.rows[np.sort(chosen)],)
