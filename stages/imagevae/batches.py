"""Batches of images for training."""

import keras
import numpy as np
from numpy.typing import NDArray

from imagevae.dataset import Images


class Batches(keras.utils.PyDataset):
    """Images in batches, in an order of their own each epoch that only the seed and the epoch decide.

    Args:
        images: of a data set.
        batch_size: images in a batch; the last batch of an epoch may have fewer.
        seed: seed of the orders, or None to keep the images as they come.
    """

    def __init__(self, images: Images, batch_size: int, seed: int | None = None):
        super().__init__()
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.epoch = -1
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self.epoch += 1
        count = len(self.images)
        self.order = (
            np.arange(count) if self.seed is None else np.random.default_rng([self.seed, self.epoch]).permutation(count)
        )

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8]]:
        start = index * self.batch_size
        return (self.images[self.order[start : start + self.batch_size]],)
